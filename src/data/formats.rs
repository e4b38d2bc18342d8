//! Which format of labels a folder or file is in.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::classes::read_names;
use super::labelled::{LabelledFiles, Report};
use super::pairs::list_pictures;
use super::{coco, voc, yolo_labels};
use crate::{Error, Result};

/// Opens labelled pictures in whatever format they are:
///
/// - a `.yaml` with `names`, or a folder with one: YOLO labels
/// - Darknet's `.data`, or a folder with one
/// - a folder with `Annotations`: Pascal VOC
/// - COCO's JSON, or a folder with one or with `annotations/*.json`
/// - a folder with `images` and `labels`: YOLO labels, with names from `classes` or a `classes.txt`
/// - a folder of pictures beside XML files (Pascal VOC) or beside text files (YOLO)
/// - a folder `SPLIT` of one of these
///
/// Without a split everything is taken. `classes` are the names that classes are numbered by; labels of any other class
/// are an error. Without them the labels' own are taken.
pub fn open_detection(
    path: impl AsRef<Path>,
    split: Option<&str>,
    classes: Option<&[String]>,
) -> Result<(LabelledFiles, Report)> {
    let path = path.as_ref();
    let (files, report) = Layout::of(path, split)?.open(split, classes)?;
    match classes {
        Some(wanted) => Ok((files.with_classes(wanted)?, report)),
        None => Ok((files, report)),
    }
}

/// Whether labels are of a format that has masks of single objects.
pub fn may_have_masks(path: impl AsRef<Path>, split: Option<&str>) -> bool {
    matches!(Layout::of(path.as_ref(), split), Ok(Layout::Coco(_)))
}

/// Opens labelled pictures with their masks. Only COCO's JSON has them.
pub fn open_instances(
    path: impl AsRef<Path>,
    split: Option<&str>,
    classes: Option<&[String]>,
) -> Result<(LabelledFiles, Report)> {
    let path = path.as_ref();
    let Layout::Coco(file) = Layout::of(path, split)? else {
        return Err(Error::file(
            path,
            "masks of single objects are read from COCO's JSON; the labels here have boxes only, which is enough for a fasterrcnn or a retinanet",
        ));
    };
    let (files, report) = coco::open_instances(&file)?;
    match classes {
        Some(wanted) => Ok((files.with_classes(wanted)?, report)),
        None => Ok((files, report)),
    }
}

/// Names of the splits of a data set, as far as its format has them; none is an error.
pub fn detection_splits(path: impl AsRef<Path>) -> Vec<String> {
    let path = path.as_ref();
    let known = |name: &str| path.join(name).is_dir() || path.join("images").join(name).is_dir();
    match Layout::of(path, None) {
        Ok(Layout::Yaml(file)) => yolo_labels::yaml_splits(&file).unwrap_or_default(),
        Ok(Layout::Voc(root)) => voc::splits(&root),
        Ok(Layout::Folder { .. } | Layout::Beside(_)) => {
            SPLITS.iter().filter(|n| known(n)).map(|n| n.to_string()).collect()
        }
        Ok(Layout::Data(_)) => Vec::new(),
        Ok(Layout::Coco(_)) | Err(_) => {
            let jsons = coco_files(path).unwrap_or_default();
            let found = |name: &str| jsons.iter().any(|f| is_of_split(f, name)) || path.join(name).is_dir();
            SPLITS.iter().filter(|n| found(n)).map(|n| n.to_string()).collect()
        }
    }
}

const SPLITS: [&str; 4] = ["train", "val", "valid", "test"];

/// What folders of a split are called: `valid` is as common as `val`.
fn names_of(split: &str) -> impl Iterator<Item = &str> {
    std::iter::once(split).chain((split == "val").then_some("valid"))
}

/// What was recognised, and where.
enum Layout {
    Yaml(PathBuf),
    Data(PathBuf),
    Voc(PathBuf),
    Coco(PathBuf),
    /// Pictures, with labels where `yolo_labels` looks for them; names are under `root`.
    Folder {
        root: PathBuf,
        pictures: PathBuf,
    },
    /// Label files beside pictures: XML if there is any, else text.
    Beside(PathBuf),
}

impl Layout {
    fn of(path: &Path, split: Option<&str>) -> Result<Self> {
        if path.is_file() {
            return Self::of_file(path);
        }
        if !path.is_dir() {
            return Err(Error::file(path, "no such file or folder"));
        }
        if let Some(file) = first_with(path, &["yaml", "yml"], |text| text.contains("names")) {
            return Ok(Self::Yaml(file));
        }
        if let Some(file) = first_with(path, &["data"], |text| text.contains("names")) {
            return Ok(Self::Data(file));
        }
        if path.join("Annotations").is_dir() {
            return Ok(Self::Voc(path.to_path_buf()));
        }
        if let Some(file) = choose_coco(path, split)? {
            return Ok(Self::Coco(file));
        }
        if path.join("images").is_dir() && path.join("labels").is_dir() {
            let pictures = path.join("images").join(split.unwrap_or(""));
            if !pictures.is_dir() {
                return Err(Error::file(pictures, "no such folder of pictures"));
            }
            return Ok(Self::Folder { root: path.to_path_buf(), pictures });
        }
        let inner = split.into_iter().flat_map(names_of).map(|name| path.join(name)).find(|p| p.is_dir());
        if let Some(inner) = inner {
            return Self::of(&inner, None);
        }
        if list_pictures(path).is_ok_and(|p| !p.is_empty())
            && ["xml", "txt"].iter().any(|e| first_with(path, &[e], |_| true).is_some())
        {
            return Ok(Self::Beside(path.to_path_buf()));
        }
        Err(Error::file(
            path,
            "no labels found; looked for data.yaml, obj.data, Annotations (Pascal VOC), *.json and annotations/*.json \
             (COCO), images beside labels (YOLO), and .xml or .txt files beside pictures",
        ))
    }

    fn of_file(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match &*extension {
            "yaml" | "yml" => Ok(Self::Yaml(path.to_path_buf())),
            "data" => Ok(Self::Data(path.to_path_buf())),
            "json" => Ok(Self::Coco(path.to_path_buf())),
            _ => Err(Error::file(
                path,
                "labels come as a folder, as data.yaml, as Darknet's .data or as COCO's .json; this is none of them",
            )),
        }
    }

    fn open(&self, split: Option<&str>, classes: Option<&[String]>) -> Result<(LabelledFiles, Report)> {
        match self {
            Self::Yaml(file) => yolo_labels::open_yaml(file, split),
            Self::Data(file) => yolo_labels::open_data(file, split),
            Self::Voc(root) => {
                let is_split = |s: &&str| names_of(s).any(|name| root.file_name().is_some_and(|n| n == name));
                voc::open(root, split.filter(|s| !is_split(s)), names_in(root)?.as_deref())
            }
            Self::Coco(file) => coco::open(file),
            Self::Folder { root, pictures } => yolo_labels::open_folder(root, pictures, needed_names(root, classes)?),
            Self::Beside(root) if voc::annotation_files(root)?.is_empty() => {
                yolo_labels::open_folder(root, root, needed_names(root, classes)?)
            }
            Self::Beside(root) => voc::open(root, None, names_in(root)?.as_deref()),
        }
    }
}

/// The names that a folder gives in `classes.txt` or a `.names` file.
fn names_in(root: &Path) -> Result<Option<Vec<String>>> {
    let listed = root.join("classes.txt");
    let file = if listed.is_file() { Some(listed) } else { first_with(root, &["names"], |_| true) };
    file.map(read_names).transpose()
}

/// Names for labels that hold numbers only: the folder's, else those asked for.
fn needed_names(root: &Path, classes: Option<&[String]>) -> Result<Vec<String>> {
    let given = || classes.map(<[String]>::to_vec);
    names_in(root)?.or_else(given).ok_or_else(|| {
        Error::file(root, "YOLO labels hold class numbers only: put the names, one a line, into classes.txt here")
    })
}

/// The first file in `folder`, by name, of one of these extensions whose first part passes the test.
fn first_with(folder: &Path, extensions: &[&str], test: impl Fn(&str) -> bool) -> Option<PathBuf> {
    files_with(folder, extensions).into_iter().find(|path| test(&beginning(path)))
}

fn files_with(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let fits = |p: &PathBuf| p.is_file() && p.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).filter(fits).collect();
    files.sort();
    files
}

/// The first 64 KiB of a file, as far as they are text.
fn beginning(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What cannot be read does not look like anything.
        let _ = file.take(1 << 16).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The COCO files in a folder and its `annotations`.
fn coco_files(root: &Path) -> Option<Vec<PathBuf>> {
    let looks = |p: &PathBuf| {
        let text = beginning(p);
        text.contains("\"images\"") || text.contains("\"annotations\"") || text.contains("\"categories\"")
    };
    let mut files = files_with(&root.join("annotations"), &["json"]);
    files.extend(files_with(root, &["json"]));
    files.retain(looks);
    (!files.is_empty()).then_some(files)
}

/// Whether a file's name says that it is of a split: `instances_val2017.json` is of `val`.
fn is_of_split(file: &Path, split: &str) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let year = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()) == split || word == split;
    stem.split(|c: char| !c.is_alphanumeric()).any(year)
}

/// The COCO file for a split. Several without a split, or none for it, is an error.
fn choose_coco(root: &Path, split: Option<&str>) -> Result<Option<PathBuf>> {
    let Some(all) = coco_files(root) else { return Ok(None) };
    let mut fitting: Vec<&PathBuf> = match split {
        Some(split) => all.iter().filter(|f| is_of_split(f, split)).collect(),
        None => all.iter().collect(),
    };
    let is_instances = |f: &PathBuf| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("instances"));
    if fitting.len() > 1 && fitting.iter().any(|f| is_instances(f)) {
        fitting.retain(|f| is_instances(f));
    }
    let names = |files: &[&PathBuf]| {
        let name = |f: &&PathBuf| f.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    match (&fitting[..], split) {
        ([one], _) => Ok(Some(one.to_path_buf())),
        // One file that names no split is everything there is.
        ([], Some(_)) if all.len() == 1 && !SPLITS.iter().any(|s| is_of_split(&all[0], s)) => {
            Ok(all.into_iter().next())
        }
        ([], Some(split)) => {
            let have = names(&all.iter().collect::<Vec<_>>());
            Err(Error::file(root, format!("no COCO file of split '{split}' among {have}")))
        }
        (several, _) => Err(Error::file(root, format!("several COCO files, {}: name one, or a split", names(several)))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::labelled::LabelledPictures;
    use super::*;
    use std::fs;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn picture(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(40, 20).save(path).unwrap();
    }

    const XML: &str = "<annotation><filename>a.png</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin>\
                       <xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>";
    const JSON: &str = r#"{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 4, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 1, 5, 5]}]}"#;
    const TXT: &str = "0 0.5 0.5 0.5 0.5\n";

    /// What opening files made by `make` gives: the format, the classes, the number of boxes.
    fn opened(split: Option<&str>, make: impl Fn(&Path)) -> (&'static str, Vec<String>, usize) {
        let root = tempfile::tempdir().unwrap();
        make(root.path());
        let (files, report) = open_detection(root.path(), split, None).unwrap();
        (report.format, files.classes().to_vec(), report.boxes)
    }

    #[test]
    fn each_format_is_recognised() {
        let cat = || vec!["cat".to_string()];
        let voc = |r: &Path| {
            picture(r, "JPEGImages/a.png");
            write(r, "Annotations/a.xml", XML);
        };
        assert_eq!(opened(None, voc), ("Pascal VOC", cat(), 1));
        let roboflow_voc = |r: &Path| {
            picture(r, "train/a.png");
            write(r, "train/a.xml", XML);
        };
        assert_eq!(opened(Some("train"), roboflow_voc), ("Pascal VOC", cat(), 1));
        let voc_by_split = |r: &Path| {
            picture(r, "train/images/a.png");
            write(r, "train/Annotations/a.xml", XML);
        };
        assert_eq!(opened(Some("train"), voc_by_split), ("Pascal VOC", cat(), 1));
        let roboflow_coco = |r: &Path| {
            picture(r, "valid/a.png");
            write(r, "valid/_annotations.coco.json", JSON);
        };
        assert_eq!(opened(Some("val"), roboflow_coco), ("COCO JSON", cat(), 1));
        let coco = |r: &Path| {
            picture(r, "val2017/a.png");
            write(r, "annotations/instances_val2017.json", JSON);
            write(r, "annotations/instances_train2017.json", JSON);
            write(r, "annotations/captions_val2017.json", JSON);
        };
        assert_eq!(opened(Some("val"), coco), ("COCO JSON", cat(), 1));
        let yaml = |r: &Path| {
            picture(r, "images/val/a.png");
            write(r, "labels/val/a.txt", TXT);
            write(r, "data.yaml", "names: [cat]\nval: images/val\n");
        };
        assert_eq!(opened(Some("val"), yaml), ("YOLO data.yaml", cat(), 1));
        let label_studio = |r: &Path| {
            picture(r, "images/a.png");
            write(r, "labels/a.txt", TXT);
            write(r, "classes.txt", "cat\n");
            write(r, "notes.json", "{\"info\": 1}");
        };
        assert_eq!(opened(None, label_studio), ("YOLO labels", cat(), 1));
        let label_img = |r: &Path| {
            picture(r, "a.png");
            write(r, "a.txt", TXT);
            write(r, "classes.txt", "cat\n");
        };
        assert_eq!(opened(None, label_img), ("YOLO labels", cat(), 1));
    }

    #[test]
    fn what_fits_nothing_says_what_was_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let complaint = |split: Option<&str>| open_detection(root.path(), split, None).unwrap_err().to_string();
        assert!(complaint(None).contains("looked for data.yaml"), "{}", complaint(None));
        picture(root.path(), "images/a.png");
        write(root.path(), "labels/a.txt", TXT);
        assert!(complaint(None).contains("classes.txt"));
        let names = ["dog".to_string(), "cat".to_string()];
        let (files, _) = open_detection(root.path(), None, Some(&names)).unwrap();
        assert_eq!(files.classes(), names);
        assert!(complaint(Some("val")).contains("images/val: no such folder"));
        for name in ["a.json", "b.json"] {
            write(root.path(), name, JSON);
        }
        assert!(complaint(None).contains("several COCO files, a.json, b.json"));
        assert!(complaint(Some("val")).contains("no COCO file of split 'val' among a.json, b.json"));
        let text = open_detection(root.path().join("images/a.png"), None, None).unwrap_err().to_string();
        assert!(text.contains("this is none of them"), "{text}");
        assert!(open_detection("nowhere/at/all", None, None).unwrap_err().to_string().contains("no such file"));
    }

    #[test]
    fn a_flipped_byte_is_an_error_and_not_a_panic() {
        let yaml = "path: .\ntrain: images\nnames: {0: cat}\n";
        let root = tempfile::tempdir().unwrap();
        picture(root.path(), "images/a.png");
        picture(root.path(), "a.png");
        write(root.path(), "images/a.txt", TXT);
        let mut refused = 0;
        for (name, whole) in [("a.xml", XML), ("x.json", JSON), ("data.yaml", yaml), ("images/a.txt", TXT)] {
            for (at, flip) in (0..whole.len()).flat_map(|at| [0x01, 0x10, 0x55, 0x80].map(|flip| (at, flip))) {
                let mut bytes = whole.as_bytes().to_vec();
                bytes[at] ^= flip;
                fs::write(root.path().join(name), bytes).unwrap();
                let result = match name {
                    "a.xml" => voc::open(root.path(), None, None),
                    "x.json" => coco::open(&root.path().join(name)),
                    "data.yaml" => yolo_labels::open_yaml(&root.path().join(name), None),
                    _ => yolo_labels::open_folder(root.path(), &root.path().join("images"), vec!["cat".into()]),
                };
                if let Err(error) = result {
                    let text = error.to_string();
                    assert!(!text.contains('\n') && text.starts_with(root.path().to_str().unwrap()), "{text:?}");
                    refused += 1;
                }
            }
            write(root.path(), name, whole);
        }
        assert!(refused > 500, "{refused}");
    }

    #[test]
    fn splits_are_listed() {
        let root = tempfile::tempdir().unwrap();
        picture(root.path(), "images/train/a.png");
        write(root.path(), "labels/train/a.txt", TXT);
        assert_eq!(detection_splits(root.path()), ["train"]);
        write(root.path(), "instances_val.json", JSON);
        write(root.path(), "instances_train.json", JSON);
        assert_eq!(detection_splits(root.path()), ["train", "val"]);
        write(root.path(), "data.yaml", "names: [cat]\nval: images/val\n");
        assert_eq!(detection_splits(root.path()), ["val"]);
        assert!(detection_splits("nowhere").is_empty());
    }

    #[test]
    fn real_folders_when_given() {
        let Some(root) = std::env::var_os("WGVISION_DATA") else {
            eprintln!("skipped: WGVISION_DATA does not name a folder that holds bccd, coco_photos, nuclei and darknet");
            return;
        };
        let root = PathBuf::from(root);
        assert_eq!(detection_splits(root.join("bccd/BCCD")), ["test", "train", "trainval", "val"]);
        assert_eq!(open_detection(root.join("bccd/BCCD"), Some("test"), None).unwrap().0.len(), 72);
        assert_eq!(detection_splits(root.join("nuclei")), ["train", "val"]);
        assert_eq!(open_detection(root.join("nuclei"), Some("val"), None).unwrap().1.format, "COCO JSON");
        // The photos have both formats, and both say the same.
        let names = read_names(root.join("darknet/data/coco.names")).unwrap();
        let photos = root.join("coco_photos");
        let (json, _) = open_detection(&photos, None, Some(&names)).unwrap();
        let (text, report) = yolo_labels::open_folder(&photos, &photos.join("images"), names).unwrap();
        assert_eq!((json.len(), text.len(), report.boxes), (53, 53, 354));
        // COCO lists pictures in an order of its own.
        let named = |name| (0..text.len()).find(|&i| text.path(i).file_name() == name).expect("the same pictures");
        for index in 0..json.len() {
            let twin = named(json.path(index).file_name());
            let (a, b) = (json.labels(index).unwrap(), text.labels(twin).unwrap());
            assert_eq!((a.size, a.boxes.len()), (b.size, b.boxes.len()));
            for (a, b) in a.boxes.iter().zip(&b.boxes) {
                assert!(a.class == b.class && a.bbox.iou(&b.bbox) > 0.9, "{index}: {a:?} {b:?}");
            }
        }
    }
}
