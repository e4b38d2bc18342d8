//! COCO's instances as JSON; the list of detections that COCO calls results is in [`results`].
//!
//! Categories become classes in the order of their ids, which may have gaps; results carry the ids. The folder of the
//! pictures is not in the file: it is looked for beside it. Masks are read and checked only where they are asked for.

mod results;
mod segmentation;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

pub use self::results::{ResultRow, instances_by_picture, read_results, results_by_picture};
use self::segmentation::Segmentation;
use super::labelled::{LabelledFiles, RawBox, RawPicture, Report, Unit};
use super::picture::picture_size;
use crate::detection::{BBox, Labelled, Mask};
use crate::{Error, Result};

/// With masks as `S`.
#[derive(Deserialize)]
struct Instances<S> {
    images: Vec<Image>,
    annotations: Vec<Annotation<S>>,
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
struct Annotation<S> {
    #[serde(default)]
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: Option<[f64; 4]>,
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
    segmentation: Option<S>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// Opens an `instances.json` for its boxes.
///
/// Fails, naming line or annotation, if the file is no such JSON, ids occur twice or are unknown, or a picture is missing.
pub fn open(file: &Path) -> Result<(LabelledFiles, Report)> {
    open_with(file, |_: IgnoredAny, _| Ok(None))
}

/// Opens an `instances.json` for its boxes and masks. Objects may be without a mask.
///
/// Fails like [`open`], and on a segmentation that is no mask of its picture's size. A mask without a pixel is left out
/// with its box, and reported.
pub fn open_instances(file: &Path) -> Result<(LabelledFiles, Report)> {
    open_with(file, |segmentation: Segmentation, size| segmentation.mask(size))
}

/// `mask` makes an annotation's mask for a picture of height and width `size`.
fn open_with<S: DeserializeOwned>(
    file: &Path,
    mask: impl Fn(S, [u32; 2]) -> Result<Option<Mask>>,
) -> Result<(LabelledFiles, Report)> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    let instances: Instances<S> = serde_json::from_str(&text).map_err(|e| malformed(file, &text, &e))?;
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
        let area = a.area.map(|v| v as f32);
        let label = Labelled { bbox, class, crowd: a.iscrowd != 0, difficult: false, area };
        let mut raw = RawBox::new(label, place);
        let picture = &mut pictures[picture];
        if let Some(segmentation) = a.segmentation {
            add_mask(&mut raw, picture, |size| mask(segmentation, size))?;
        }
        picture.boxes.push(raw);
    }
    let ids = names.keys().copied().collect();
    let (mut files, report) =
        LabelledFiles::assemble("COCO JSON", pictures, names.into_values().collect(), Unit::Pixels)?;
    files.category_ids = ids;
    Ok((files, report))
}

/// Gives a box its mask, if there is one.
fn add_mask(
    raw: &mut RawBox,
    picture: &mut RawPicture,
    mask: impl FnOnce([u32; 2]) -> Result<Option<Mask>>,
) -> Result<()> {
    let size = match picture.size {
        Some(size) => size,
        None => picture_size(&picture.path).map(|(w, h)| [h as usize, w as usize])?,
    };
    let file = picture.label_file.clone().unwrap_or_default();
    let made = mask(size.map(|v| v as u32)).map_err(|e| Error::file(file, format!("{}: {e}", raw.place)))?;
    if let Some(mask) = made {
        picture.size = Some(size);
        raw.label.area.get_or_insert(mask.area() as f32);
        raw.flaw = (mask.area() == 0).then_some("has a mask without a pixel");
        raw.mask = Some(mask.compact().into());
    }
    Ok(())
}

fn malformed(file: &Path, text: &str, error: &serde_json::Error) -> Error {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    let what = if error.is_eof() {
        "the JSON ends in the middle; the file was cut short".to_string()
    } else if let Some(word) = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word)) {
        format!("{word} where a number should be")
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
    use crate::data::labelled::LabelledPictures;
    use crate::detection::{Detection, Instance};
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

    /// Two pictures of 40 by 30, one with polygons and one with run lengths.
    const MASKED: &str = r#"{"images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png", "width": 40, "height": 30}],
 "annotations": [
  {"id": 1, "image_id": 7, "category_id": 1, "bbox": [2, 3, 10, 4], "iscrowd": 0, "segmentation": [[2, 3, 2, 7, 6, 7, 6, 3], [8, 3, 8, 7, 12, 7, 12, 3]]},
  {"id": 2, "image_id": 7, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 0, "segmentation": []},
  {"id": 3, "image_id": 3, "category_id": 1, "bbox": [0, 0, 1, 30], "area": 31, "iscrowd": 1, "segmentation": {"size": [30, 40], "counts": [0, 30, 1170]}},
  {"id": 4, "image_id": 3, "category_id": 1, "bbox": [1, 0, 1, 30], "iscrowd": 0, "segmentation": {"size": [30, 40], "counts": "n0n0dS1"}},
  {"id": 5, "image_id": 3, "category_id": 1, "bbox": [5, 5, 9, 9], "iscrowd": 0, "segmentation": [[5.1, 5.1, 5.2, 5.2, 5.1, 5.3]]},
  {"id": 6, "image_id": 3, "category_id": 1, "bbox": [50, 5, 9, 9], "iscrowd": 0, "segmentation": [[5, 5, 5, 9, 9, 9, 9, 5]]},
  {"id": 8, "image_id": 3, "category_id": 1, "bbox": [35, 5, 9, 9], "iscrowd": 0, "segmentation": [[35, 5, 35, 14, 44, 14, 44, 5]]}],
 "categories": [{"id": 1, "name": "cell"}]}"#;

    #[test]
    fn masks_come_in_three_forms() {
        let (_root, file) = folder(MASKED);
        let (files, report) = open_instances(&file).unwrap();
        let first = files.get(0).unwrap();
        assert_eq!(first.masks.len(), 2);
        let mask = first.mask(0).unwrap();
        assert_eq!((mask.size(), mask.area(), mask.bbox()), ([30, 40], 32, [2, 3, 10, 4]));
        assert_eq!((first.boxes[0].area, first.mask(1)), (Some(32.0), None));
        let second = files.get(1).unwrap();
        let columns: Vec<[u32; 4]> = second.masks.iter().map(|m| m.as_ref().unwrap().bbox()).collect();
        assert_eq!(columns, [[0, 0, 1, 30], [1, 0, 1, 30], [35, 5, 5, 9]]);
        assert_eq!((second.boxes[0].area, second.boxes[0].crowd), (Some(31.0), true));
        let text = report.to_string();
        for want in [
            "annotation 5: box of class 'cell' has a mask without a pixel",
            "annotation 6",
            "lies outside",
            "1 cut off",
        ] {
            assert!(text.contains(want), "{text} has {want}");
        }
        assert_eq!((report.boxes, report.dropped.len()), (5, 2));
        let boxes = open(&file).unwrap().0.get(0).unwrap();
        assert!(boxes.masks.is_empty() && boxes.boxes[0].area.is_none(), "masks were not asked for");
        let map = [("cell".to_string(), None)].into();
        assert!(files.clone().renamed(&map).is_err());
        let renamed = files.with_classes(&["dog".into(), "cell".into()]).unwrap();
        assert_eq!(renamed.get(1).unwrap().masks, second.masks);
    }

    #[test]
    fn masks_that_are_none_are_named() {
        for (from, to, words) in [
            ("[2, 3, 2, 7, 6, 7, 6, 3]", "[2, 3, 2, 7, 6, 7, 6]", vec!["annotation 1:", "odd count of 7"]),
            ("[2, 3, 2, 7, 6, 7, 6, 3]", "[2, 3, 2, 7]", vec!["annotation 1:", "2 points"]),
            ("[[2, 3, 2, 7, 6, 7, 6, 3]", "[[NaN, 3, 2, 7, 6, 7]", vec!["line 3", "NaN where a number should be"]),
            ("[[2, 3, 2, 7, 6, 7, 6, 3]", "[[1e30, 3, 2, 7, 6, 7]", vec!["annotation 1:", "not in any picture"]),
            ("[[2, 3, 2, 7, 6, 7, 6, 3],", "[2, 3, 2, 7, 6, 7, 6, 3,", vec!["line 3", "list of polygons"]),
            ("\"bbox\": [2,", "\"bbox\": [NaN,", vec!["line 3", "NaN"]),
            ("[0, 30, 1170]", "[0, 30, 1171]", vec!["annotation 3:", "1201 pixels", "go beyond"]),
            ("[0, 30, 1170]", "[0, 30, 1169]", vec!["annotation 3:", "1199 pixels", "do not fill"]),
            ("[0, 30, 1170]", "[0, -30, 1170]", vec!["line 5", "run lengths as size and counts"]),
            ("\"n0n0dS1\"", "\"n0n0dS\"", vec!["annotation 4:", "does not end"]),
            ("\"n0n0dS1\"", "\"n0n0\"", vec!["annotation 4:", "do not fill"]),
            (
                "{\"size\": [30, 40], \"counts\": \"",
                "{\"size\": [40, 30], \"counts\": \"",
                vec!["annotation 4:", "40 by 30", "30 by 40"],
            ),
            ("{\"size\": [30, 40], \"counts\": \"n0n0dS1\"}", "\"n0n0dS1\"", vec!["line 6", "list of polygons"]),
        ] {
            let text = MASKED.replacen(from, to, 1);
            assert_ne!(text, MASKED, "{from}");
            let (_root, file) = folder(&text);
            complaint(open_instances(&file), &words);
            complaint(open_instances(&file), &["instances_val.json: "]);
        }
    }

    #[test]
    fn results_carry_masks() {
        let (_root, file) = folder(MASKED);
        let (files, _) = open_instances(&file).unwrap();
        let found = Detection { bbox: BBox::from_xywh(1.0, 2.0, 3.0, 4.0), class: 0, score: 0.5 };
        let mask = files.get(0).unwrap().mask(0).unwrap().clone();
        let row = ResultRow::new(&found, 7, "", files.classes(), &[1]).with_mask(mask.clone());
        let text = serde_json::to_string(&[row]).unwrap();
        let counts = serde_json::to_string(&mask.compact()).unwrap();
        assert!(text.contains(&format!(r#""segmentation":{{"size":[30,40],"counts":{counts}}},"score""#)), "{text}");
        fs::write(&file, &text).unwrap();
        let rows = read_results(&file).unwrap();
        assert_eq!(instances_by_picture(&rows, &files, &[7, 3]).unwrap(), [vec![Instance { found, mask }], vec![]]);
        let bare = text.replace(r#""bbox":[1.0,2.0,3.0,4.0],"#, "");
        let rows: Vec<ResultRow> = serde_json::from_str(&bare).unwrap();
        assert_eq!(rows[0].bbox, [2.0, 3.0, 10.0, 4.0], "the box around the mask");
        let without = ResultRow { segmentation: None, ..rows[0].clone() };
        complaint(instances_by_picture(&[without], &files, &[7, 3]), &["number 0 has no segmentation"]);
        let other = rows[0].clone().with_mask(Mask::empty([40, 30]));
        complaint(instances_by_picture(&[other], &files, &[7, 3]), &["40 by 30", "30 by 40"]);
        let text = r#"[{"image_id": 7, "category_id": 1, "score": 1}]"#;
        assert!(serde_json::from_str::<Vec<ResultRow>>(text).unwrap_err().to_string().contains("missing field `bbox`"));
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
            let (masked, report) = open_instances(&root.join(format!("nuclei/instances_{split}.json"))).unwrap();
            assert_eq!((report.boxes, report.dropped.len()), (nuclei, 0));
            let first = masked.get(0).unwrap();
            for (label, mask) in first.boxes.iter().zip(&first.masks) {
                let [x, y, w, h] = mask.as_ref().unwrap().bbox().map(|v| v as f32);
                assert_eq!(label.bbox, BBox::from_xywh(x, y, w, h));
            }
        }
    }
}
