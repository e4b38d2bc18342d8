//! COCO's instances as JSON, and the list of detections that COCO calls results.
//!
//! Categories become classes in the order of their ids, which may have gaps; results carry the ids. The folder of the
//! pictures is not in the file: it is looked for beside it. Masks are left to instance segmentation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::labelled::{LabelledFiles, LabelledPictures, RawBox, RawPicture, Report, Unit};
use crate::detection::{BBox, Detection, Labelled};
use crate::{Error, Result};

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    #[serde(default)]
    width: usize,
    #[serde(default)]
    height: usize,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: Option<[f64; 4]>,
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// One detection as COCO's results have it, with names beside the ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// COCO's image id, see [`super::labelled::LabelledPicture::id`].
    pub image_id: u64,
    /// The picture's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file_name: String,
    /// COCO's category id.
    pub category_id: u64,
    /// The class's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Left, top, width and height in pixels of the original picture.
    pub bbox: [f32; 4],
    /// Probability, 0 to 1.
    pub score: f32,
}

impl ResultRow {
    /// A detection in a picture. `classes` are names, and `ids` the category ids of the same order.
    pub fn new(found: &Detection, image_id: u64, file_name: &str, classes: &[String], ids: &[u64]) -> Self {
        Self {
            image_id,
            file_name: file_name.into(),
            category_id: ids[found.class],
            category: classes[found.class].clone(),
            bbox: found.bbox.xywh(),
            score: found.score,
        }
    }
}

/// Opens an `instances.json`.
///
/// Fails, naming line or annotation, if the file is no such JSON, ids occur twice or are unknown, or a picture is missing.
pub fn open(file: &Path) -> Result<(LabelledFiles, Report)> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    let instances: Instances = serde_json::from_str(&text).map_err(|e| malformed(file, &e))?;
    drop(text);
    let wrong = |what: String| Error::file(file, what);
    let mut names = BTreeMap::new();
    for category in instances.categories {
        if let Some(first) = names.insert(category.id, category.name.clone()) {
            return Err(wrong(format!("categories '{first}' and '{}' have one id, {}", category.name, category.id)));
        }
    }
    let class: HashMap<u64, usize> = names.keys().enumerate().map(|(class, id)| (*id, class)).collect();
    let folder = picture_folder(file, &instances.images)?;

    let mut index = HashMap::new();
    let mut pictures = Vec::with_capacity(instances.images.len());
    for image in instances.images {
        let path = folder.join(&image.file_name);
        if !path.is_file() {
            return Err(wrong(format!("image {}: there is no picture {}", image.id, path.display())));
        }
        if index.insert(image.id, pictures.len()).is_some() {
            return Err(wrong(format!("two images have the id {}", image.id)));
        }
        let size = (image.width > 0 && image.height > 0).then_some([image.height, image.width]);
        let label_file = Some(file.to_path_buf());
        pictures.push(RawPicture { path, id: Some(image.id), size, label_file, boxes: Vec::new() });
    }
    for (number, a) in instances.annotations.into_iter().enumerate() {
        let place = if a.id > 0 { format!("annotation {}", a.id) } else { format!("annotation at index {number}") };
        let picture = index.get(&a.image_id);
        let picture = *picture.ok_or_else(|| wrong(format!("{place}: there is no image {}", a.image_id)))?;
        let class = class.get(&a.category_id);
        let class = *class.ok_or_else(|| wrong(format!("{place}: there is no category {}", a.category_id)))?;
        let [x, y, w, h] = a.bbox.ok_or_else(|| wrong(format!("{place}: has no bbox")))?;
        let bbox = BBox { x0: x as f32, y0: y as f32, x1: (x + w) as f32, y1: (y + h) as f32 };
        let label = Labelled { bbox, class, crowd: a.iscrowd != 0, difficult: false, area: a.area.map(|v| v as f32) };
        pictures[picture].boxes.push(RawBox { label, place });
    }
    let ids = names.keys().copied().collect();
    let (mut files, report) =
        LabelledFiles::assemble("COCO JSON", pictures, names.into_values().collect(), Unit::Pixels)?;
    files.category_ids = ids;
    Ok((files, report))
}

/// Reads a list of results. Fails, naming the line, if the file is no such JSON.
pub fn read_results(file: impl AsRef<Path>) -> Result<Vec<ResultRow>> {
    let file = file.as_ref();
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    serde_json::from_str(&text).map_err(|e| malformed(file, &e))
}

/// Results by picture, in the order of `pictures`, with classes for category ids. Fails on ids that are not there.
pub fn results_by_picture<D: LabelledPictures + ?Sized>(
    rows: &[ResultRow],
    pictures: &D,
    ids: &[u64],
) -> Result<Vec<Vec<Detection>>> {
    let index: HashMap<u64, usize> = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
    let classes: HashMap<u64, usize> = pictures.category_ids().into_iter().enumerate().map(|(c, id)| (id, c)).collect();
    let mut out = vec![Vec::new(); ids.len()];
    for (number, row) in rows.iter().enumerate() {
        let unknown = |what: &str, id| {
            Error::Usage(format!("results: number {number} is of {what} {id}, which the labels have not"))
        };
        let picture = index.get(&row.image_id).ok_or_else(|| unknown("image", row.image_id))?;
        let class = *classes.get(&row.category_id).ok_or_else(|| unknown("category", row.category_id))?;
        let [x, y, w, h] = row.bbox;
        out[*picture].push(Detection { bbox: BBox::from_xywh(x, y, w, h), class, score: row.score });
    }
    Ok(out)
}

fn malformed(file: &Path, error: &serde_json::Error) -> Error {
    let what = if error.is_eof() {
        "the JSON ends in the middle; the file was cut short".to_string()
    } else {
        let text = error.to_string();
        format!("not what COCO has: {}", text.rsplit_once(" at line").map_or(&*text, |(what, _)| what))
    };
    Error::file(file, format!("line {}, column {}: {what}", error.line(), error.column()))
}

/// The folder in which the first picture lies: beside the file, or where COCO, CVAT, Label Studio and others put it.
fn picture_folder(file: &Path, images: &[Image]) -> Result<PathBuf> {
    let Some(first) = images.first() else {
        return Err(Error::file(file, "names no images"));
    };
    let here = file.parent().unwrap_or(Path::new(""));
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let split = stem.rsplit_once('_').map_or(stem.clone(), |(_, split)| split.to_string());
    let mut tried = HashSet::new();
    for root in [here.to_path_buf(), here.join("..")] {
        let inner =
            ["".into(), "images".into(), split.clone(), format!("images/{split}"), "JPEGImages".into(), "data".into()];
        for folder in inner.iter().map(|inner: &String| root.join(inner)) {
            if folder.join(&first.file_name).is_file() {
                return Ok(folder);
            }
            tried.insert(folder);
        }
    }
    Err(Error::file(
        file,
        format!(
            "image {}: there is no picture '{}' beside it, in images, {split} or images/{split}, nor there one folder up",
            first.id, first.file_name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const WHOLE: &str = r#"{"info": {"year": 2017},
 "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 30},
  {"id": 3, "file_name": "b.png", "width": 40, "height": 30}],
 "annotations": [
  {"id": 1, "image_id": 3, "category_id": 90, "bbox": [10.5, 5, 20, 10], "area": 123.5, "iscrowd": 0, "segmentation": []},
  {"id": 2, "image_id": 3, "category_id": 2, "bbox": [0, 0, 40, 30], "iscrowd": 1},
  {"id": 5, "image_id": 3, "category_id": 2, "bbox": [4, 4, 0, 9], "area": 0, "iscrowd": 0}],
 "categories": [{"id": 90, "name": "toothbrush"}, {"id": 2, "name": "bicycle"}]}"#;

    /// The JSON with two pictures in `images`.
    fn folder(json: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("images")).unwrap();
        for name in ["a", "b"] {
            image::RgbImage::new(40, 30).save(root.path().join(format!("images/{name}.png"))).unwrap();
        }
        let file = root.path().join("instances_val.json");
        fs::write(&file, json).unwrap();
        (root, file)
    }

    fn complaint<T>(result: Result<T>, words: &[&str]) {
        let text = result.err().expect("an error").to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text:?} has {words:?}");
        assert!(!text.contains('\n'), "{text:?} is one line");
    }

    #[test]
    fn categories_become_classes_and_come_back() {
        let (_root, file) = folder(WHOLE);
        let (files, report) = open(&file).unwrap();
        assert_eq!(files.classes(), ["bicycle", "toothbrush"]);
        assert_eq!(files.category_ids(), [2, 90]);
        assert_eq!((report.pictures, report.boxes, report.empty), (2, 2, 1));
        assert!(report.to_string().contains("instances_val.json: annotation 5: box of class 'bicycle' has no area"));
        assert_eq!((files.get(0).unwrap().id, files.get(0).unwrap().boxes.len()), (7, 0));
        let boxes = files.get(1).unwrap().boxes.clone();
        assert_eq!(
            boxes[0],
            Labelled { area: Some(123.5), ..Labelled::new(BBox::from_xywh(10.5, 5.0, 20.0, 10.0), 1) }
        );
        assert!(boxes[1].crowd && boxes[1].class == 0);

        let found = Detection { bbox: BBox::from_xywh(1.0, 2.0, 3.0, 4.0), class: 1, score: 0.5 };
        let row = ResultRow::new(&found, 3, "b.png", files.classes(), &files.category_ids());
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(
            text,
            r#"{"image_id":3,"file_name":"b.png","category_id":90,"category":"toothbrush","bbox":[1.0,2.0,3.0,4.0],"score":0.5}"#
        );
        let rows = [row, serde_json::from_str(r#"{"image_id":7,"category_id":2,"bbox":[0,0,1,1],"score":1}"#).unwrap()];
        let by_picture = results_by_picture(&rows, &files, &[7, 3]).unwrap();
        assert_eq!((by_picture[0].len(), by_picture[1][0]), (1, found));
        complaint(results_by_picture(&rows, &files, &[7]), &["number 0 is of image 3"]);
    }

    #[test]
    fn json_cut_short_names_the_line() {
        for cut in 1..WHOLE.len() {
            let (_root, file) = folder(&WHOLE[..cut]);
            let line = WHOLE[..cut].matches('\n').count() + 1;
            complaint(open(&file), &["instances_val.json", &format!("line {line},"), "cut short"]);
        }
    }

    #[test]
    fn wrong_contents_are_named() {
        for (from, to, words) in [
            ("\"image_id\": 3", "\"image_id\": 4", vec!["annotation 1", "no image 4"]),
            ("\"category_id\": 90", "\"category_id\": 9", vec!["annotation 1", "no category 9"]),
            ("\"bbox\": [10.5, 5, 20, 10], ", "", vec!["annotation 1", "no bbox"]),
            ("[10.5, 5, 20, 10]", "[10.5, 5, 20]", vec!["line 5", "array"]),
            ("\"file_name\": \"b", "\"file_name\": \"c", vec!["image 3", "c.png"]),
            ("\"file_name\": \"a", "\"file_name\": \"c", vec!["image 7", "'c.png' beside it"]),
            ("\"id\": 3", "\"id\": 7", vec!["two images", "7"]),
            ("{\"id\": 90", "{\"id\": 2", vec!["'toothbrush' and 'bicycle'", "one id, 2"]),
            ("\"images\"", "\"pictures\"", vec!["missing field `images`"]),
        ] {
            let (_root, file) = folder(&WHOLE.replacen(from, to, 1));
            complaint(open(&file), &words);
        }
    }

    #[test]
    fn real_instances_when_given() {
        let Some(root) = std::env::var_os("WGVISION_DATA") else {
            eprintln!("skipped: WGVISION_DATA does not name a folder that holds coco_photos and nuclei");
            return;
        };
        let root = PathBuf::from(root);
        let (photos, report) = open(&root.join("coco_photos/instances.json")).unwrap();
        assert_eq!((photos.len(), report.boxes + report.dropped.len(), photos.classes().len()), (53, 354, 80));
        let first = photos.get(0).unwrap();
        assert_eq!((first.id, &*first.name), (30, "000000000030.jpg"));
        for (split, nuclei) in [("train", 5634), ("val", 1312)] {
            let (_, report) = open(&root.join(format!("nuclei/instances_{split}.json"))).unwrap();
            assert_eq!(report.boxes + report.dropped.len(), nuclei);
        }
    }
}
