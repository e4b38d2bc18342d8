//! Labels as Darknet and YOLO have them: a text file for each picture, a line for each box.
//!
//! A line is `class x y w h`, centre and size as shares of the picture; or a class and a polygon of at least three
//! points, of which the bounding box is taken. The file is beside the picture, or in `labels` where the picture is in
//! `images`; a picture without one has no objects. Pictures and names are listed by a `data.yaml`, by Darknet's
//! `.data`, or are simply there with a `classes.txt`.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::classes::read_names;
use super::labelled::{LabelledFiles, RawBox, RawPicture, Report, Unit, at_line};
use super::pairs::list_pictures;
use crate::detection::{BBox, Labelled};
use crate::{Error, Result};

/// The splits a `data.yaml` may name, and what to look for when another of them is asked for.
const SPLITS: [(&str, &str); 3] = [("train", "train"), ("val", "valid"), ("test", "test")];

/// Opens a `data.yaml`: `names` (a list, or a map from numbers), `train`, `val`, `test` (a folder, a text file of
/// picture paths, or a list of those), relative to `path`, which is relative to the file. Without a split all are taken.
pub fn open_yaml(file: &Path, split: Option<&str>) -> Result<(LabelledFiles, Report)> {
    let yaml = Yaml::read(file)?;
    let names = yaml.names()?;
    let there: Vec<(&str, &Value)> = yaml.splits();
    let chosen: Vec<&(&str, &Value)> = match split {
        None => there.iter().collect(),
        Some(split) => {
            let found = there.iter().find(|(name, _)| *name == split);
            let have: Vec<&str> = there.iter().map(|s| s.0).collect();
            let none = || Error::file(file, format!("has no split '{split}' (it has {})", have.join(", ")));
            vec![found.ok_or_else(none)?]
        }
    };
    let mut pictures = Vec::new();
    for (name, value) in chosen {
        let entries = match value {
            Value::Array(list) => list.iter().collect(),
            one => vec![*one],
        };
        for entry in entries {
            let text = entry.as_str().ok_or_else(|| Error::file(file, format!("'{name}' is {entry}, not a path")))?;
            pictures.extend(yaml.pictures(name, text)?);
        }
    }
    assemble("YOLO data.yaml", file, pictures, names)
}

/// Opens Darknet's `.data` file, as CVAT writes it: `names`, `train` and `valid` name files relative to it.
pub fn open_data(file: &Path, split: Option<&str>) -> Result<(LabelledFiles, Report)> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    let pairs: HashMap<&str, &str> =
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
    let folder = file.parent().unwrap_or(Path::new(""));
    // Paths are written from where Darknet is run, such as `data/obj.names`: the folder's own name may come first.
    let find = |text: &str| -> Result<PathBuf> {
        let path = Path::new(text);
        let inner: PathBuf = path.components().skip(1).collect();
        let tried = [folder.join(path), folder.join(inner), folder.join(path.file_name().unwrap_or_default())];
        let found = tried.iter().find(|p| p.exists() && p.as_path() != folder);
        found.cloned().ok_or_else(|| Error::file(file, format!("names '{text}', which is not in {}", folder.display())))
    };
    let get =
        |key: &str| pairs.get(key).copied().ok_or_else(|| Error::file(file, format!("has no line '{key} = ...'")));
    let names = read_names(find(get("names")?)?)?;
    let lists: Vec<&str> = match split {
        None => ["train", "valid", "test"].iter().filter_map(|k| pairs.get(k).copied()).collect(),
        Some("val" | "valid") => vec![get("valid")?],
        Some(split) => vec![get(split)?],
    };
    let mut pictures = Vec::new();
    for list in lists {
        let list = find(list)?;
        for (number, line) in lines(&list)? {
            pictures.push(find(&line).map_err(|_| at_line(&list, number, format!("there is no picture '{line}'")))?);
        }
    }
    assemble("Darknet .data", file, pictures, names)
}

/// Opens all pictures in `pictures` and below; `root` is for messages.
pub fn open_folder(root: &Path, pictures: &Path, names: Vec<String>) -> Result<(LabelledFiles, Report)> {
    assemble("YOLO labels", root, all_pictures(pictures)?, names)
}

/// The splits that a `data.yaml` has.
pub fn yaml_splits(file: &Path) -> Result<Vec<String>> {
    Ok(Yaml::read(file)?.splits().into_iter().map(|s| s.0.to_string()).collect())
}

/// A `data.yaml`.
struct Yaml {
    file: PathBuf,
    value: Value,
}

impl Yaml {
    fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
        let value = serde_saphyr::from_str(&text).map_err(|e| {
            let line = e.location().map_or(1, |l| l.line() as usize);
            let rendered = e.without_snippet().to_string();
            at_line(file, line, format!("malformed YAML: {}", rendered.lines().next().unwrap_or_default()))
        })?;
        Ok(Self { file: file.to_path_buf(), value })
    }

    fn names(&self) -> Result<Vec<String>> {
        let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
        let wrong = |what: String| Error::file(&self.file, what);
        let names: Vec<String> = match &self.value["names"] {
            Value::Array(list) => list.iter().map(plain).collect(),
            Value::Object(map) => {
                let mut numbered: Vec<(usize, String)> = Vec::new();
                for (key, name) in map {
                    let number = key.parse().map_err(|_| wrong(format!("names: '{key}' is not a class number")))?;
                    numbered.push((number, plain(name)));
                }
                numbered.sort();
                if let Some((i, (n, _))) = numbered.iter().enumerate().find(|(i, (n, _))| i != n) {
                    return Err(wrong(format!("names: after {i} classes comes number {n}; none may be left out")));
                }
                numbered.into_iter().map(|(_, name)| name).collect()
            }
            _ => return Err(wrong("has no 'names': a list, or a map from class numbers to names".into())),
        };
        match self.value["nc"].as_u64() {
            Some(count) if count as usize != names.len() => {
                Err(wrong(format!("says nc: {count}, but names {} classes", names.len())))
            }
            _ => Ok(names),
        }
    }

    /// Names and values of the splits that are given.
    fn splits(&self) -> Vec<(&'static str, &Value)> {
        let value = |(name, other): &(&'static str, &str)| {
            let given = [*name, *other].iter().find_map(|key| self.value.get(key).filter(|v| !v.is_null()))?;
            Some((*name, given))
        };
        SPLITS.iter().filter_map(value).collect()
    }

    /// The pictures of one path of split `name`.
    fn pictures(&self, name: &str, entry: &str) -> Result<Vec<PathBuf>> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let base = self.value["path"].as_str().map(|p| folder.join(p)).filter(|p| p.is_dir());
        let base = base.unwrap_or_else(|| folder.to_path_buf());
        // Some exports write `../train/images` for what lies beside the file.
        let inner = entry.trim_start_matches("../");
        let tried = [base.join(entry), folder.join(entry), folder.join(inner)];
        let Some(found) = tried.iter().find(|p| p.exists()) else {
            return Err(Error::file(&self.file, format!("{name}: there is no {}", tried[0].display())));
        };
        if found.is_dir() { all_pictures(found) } else { listed(found, &base) }
    }
}

/// The pictures that a text file lists, relative to `base` or to the file.
fn listed(list: &Path, base: &Path) -> Result<Vec<PathBuf>> {
    let beside = list.parent().unwrap_or(Path::new(""));
    let find = |(number, line): (usize, String)| {
        let found = [base.join(&line), beside.join(&line)].into_iter().find(|p| p.is_file());
        found.ok_or_else(|| at_line(list, number, format!("there is no picture '{line}'")))
    };
    lines(list)?.into_iter().map(find).collect()
}

/// The lines of a text file that are not empty, with their numbers.
fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let numbered = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim().to_string()));
    Ok(numbered.filter(|(_, l)| !l.is_empty()).collect())
}

/// How deep folders of pictures may lie in each other.
const DEPTH: usize = 8;

/// The pictures in `folder` and the folders in it, sorted.
fn all_pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<()> {
        out.extend(list_pictures(folder)?);
        let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
        let below = entries.flatten().map(|e| e.path()).filter(|p| depth > 0 && p.is_dir());
        below.into_iter().try_for_each(|p| walk(&p, depth - 1, out))
    }
    let mut out = Vec::new();
    walk(folder, DEPTH, &mut out)?;
    out.sort();
    if out.is_empty() { Err(Error::file(folder, "holds no pictures (png, jpg, bmp, webp)")) } else { Ok(out) }
}

/// Where the labels of a picture may be: in `labels` for the last `images` of its path, and beside it.
fn label_files(picture: &Path) -> [PathBuf; 2] {
    let parts: Vec<Component> = picture.components().collect();
    let last = parts.iter().rposition(|p| p.as_os_str() == "images");
    let swap = |(i, part): (usize, &Component)| match last {
        Some(at) if at == i => Path::new("labels").to_path_buf(),
        _ => Path::new(part).to_path_buf(),
    };
    let swapped: PathBuf = parts.iter().enumerate().map(swap).collect();
    [swapped.with_extension("txt"), picture.with_extension("txt")]
}

fn assemble(
    format: &'static str,
    place: &Path,
    pictures: Vec<PathBuf>,
    names: Vec<String>,
) -> Result<(LabelledFiles, Report)> {
    let Some(first) = pictures.first() else {
        return Err(Error::file(place, "names no pictures"));
    };
    let looked_for = label_files(first);
    let mut raw = Vec::with_capacity(pictures.len());
    for path in pictures {
        let label_file = label_files(&path).into_iter().find(|p| p.is_file());
        let boxes = match &label_file {
            Some(file) => read_labels(file, names.len())?,
            None => Vec::new(),
        };
        raw.push(RawPicture { path, id: None, size: None, label_file, boxes });
    }
    if raw.iter().all(|p| p.label_file.is_none()) {
        let [a, b] = looked_for.map(|p| p.display().to_string());
        let places = if a == b { a } else { format!("{a} or {b}") };
        return Err(Error::file(place, format!("none of {} pictures has labels, such as {places}", raw.len())));
    }
    LabelledFiles::assemble(format, raw, names, Unit::Shares)
}

/// The boxes of a label file, as shares.
fn read_labels(path: &Path, classes: usize) -> Result<Vec<RawBox>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let filled = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty());
    filled
        .map(|(number, line)| {
            let label = parse_line(line, classes).map_err(|what| at_line(path, number, what))?;
            Ok(RawBox::new(label, format!("line {number}")))
        })
        .collect()
}

fn parse_line(line: &str, classes: usize) -> Result<Labelled, String> {
    let mut parts = line.split_whitespace();
    let class = parts.next().unwrap_or_default();
    // Some tools write class numbers as 3.0.
    let number = class.parse::<f64>().ok().filter(|c| c.fract() == 0.0 && *c >= 0.0);
    let class = number.ok_or_else(|| format!("'{class}' is no class number"))? as usize;
    if class >= classes {
        return Err(format!(
            "class {class}, but there are only {classes} classes (0 to {})",
            classes.saturating_sub(1)
        ));
    }
    let number =
        |text: &str| text.parse::<f32>().ok().filter(|v| v.is_finite()).ok_or(format!("'{text}' is no number"));
    let v: Vec<f32> = parts.map(number).collect::<Result<_, _>>()?;
    let bbox = match v.len() {
        4 => BBox::from_centre(v[0], v[1], v[2], v[3]),
        n if n >= 6 && n % 2 == 0 => {
            v.chunks_exact(2).fold(BBox { x0: f32::MAX, y0: f32::MAX, x1: f32::MIN, y1: f32::MIN }, |b, p| BBox {
                x0: b.x0.min(p[0]),
                y0: b.y0.min(p[1]),
                x1: b.x1.max(p[0]),
                y1: b.y1.max(p[1]),
            })
        }
        n => return Err(format!("{n} numbers after the class; a box has 4 (x y w h), a polygon 6 or more in pairs")),
    };
    if v.iter().any(|x| x.abs() > 16.0) {
        return Err("numbers far beyond 1: boxes are shares of the picture's size, not pixels".into());
    }
    Ok(Labelled::new(bbox, class))
}

#[cfg(test)]
mod tests {
    use super::super::labelled::LabelledPictures;
    use super::*;
    use std::fs;

    fn complaint<T>(result: Result<T>, words: &[&str]) {
        let text = result.err().expect("an error").to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text:?} has {words:?}");
        assert!(!text.contains('\n'), "{text:?} is one line");
    }

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

    /// `images/train/a.png` and `b.png`, `images/val/c.png`; b has no labels.
    fn folder(yaml: &str, labels: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in ["train/a.png", "train/b.png", "val/c.png"] {
            picture(root.path(), &format!("images/{name}"));
        }
        write(root.path(), "labels/train/a.txt", labels);
        write(root.path(), "labels/val/c.txt", "1 0.25 0.5 0.5 1.0\n");
        write(root.path(), "data.yaml", yaml);
        root
    }

    const YAML: &str =
        "# a comment\npath: .\ntrain: images/train\nval: [images/val]\ntest:\nnc: 2\nnames: ['cat', no]\n";

    #[test]
    fn boxes_become_pixels() {
        let root = folder(YAML, "0 0.5 0.5 0.5 0.5\n\n1 0.1 0.2 0.3 0.2 0.2 0.6\n");
        let (files, report) = open_yaml(&root.path().join("data.yaml"), Some("train")).unwrap();
        assert_eq!((files.len(), report.boxes, report.empty), (2, 2, 1));
        assert_eq!(files.classes().len(), 2);
        let boxes = files.get(0).unwrap().boxes.clone();
        assert_eq!(boxes[0], Labelled::new(BBox { x0: 10.0, y0: 5.0, x1: 30.0, y1: 15.0 }, 0));
        assert_eq!(boxes[1].class, 1);
        let want = BBox { x0: 4.0, y0: 4.0, x1: 12.0, y1: 12.0 };
        assert!(boxes[1].bbox.iou(&want) > 0.999, "the polygon's box: {:?}", boxes[1].bbox);
        assert_eq!(files.labels(0).unwrap(), super::super::labelled::PictureLabels { size: [20, 40], boxes });
        let (all, _) = open_yaml(&root.path().join("data.yaml"), None).unwrap();
        assert_eq!(all.len(), 3);
        complaint(
            open_yaml(&root.path().join("data.yaml"), Some("test")),
            &["data.yaml", "no split 'test'", "train, val"],
        );
    }

    #[test]
    fn names_may_be_a_map_and_splits_text_files() {
        let yaml = "train: lists/train.txt\nval: ../images/val\nnames:\n  0: cat\n  1: dog\n";
        let root = folder(yaml, "1 0.5 0.5 0.5 0.5");
        write(root.path(), "lists/train.txt", "./images/train/a.png\n\n");
        let file = root.path().join("data.yaml");
        let (files, _) = open_yaml(&file, Some("train")).unwrap();
        assert_eq!((files.len(), files.classes()), (1, &["cat".to_string(), "dog".to_string()][..]));
        assert_eq!(open_yaml(&file, Some("val")).unwrap().0.len(), 1, "with one ../ too many");
        assert_eq!(yaml_splits(&file).unwrap(), ["train", "val"]);
        write(root.path(), "lists/train.txt", "images/train/a.png\nimages/train/none.png\n");
        complaint(open_yaml(&file, Some("train")), &["train.txt: line 2", "no picture 'images/train/none.png'"]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (labels, words) in [
            ("0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n", vec!["a.txt: line 2", "class 2", "only 2 classes (0 to 1)"]),
            ("-1 0.5 0.5 0.5 0.5\n", vec!["line 1", "'-1' is no class number"]),
            ("0 0.5 0.5 0.5\n", vec!["line 1", "3 numbers"]),
            ("0 0.5 0.5 0.5 x\n", vec!["line 1", "'x' is no number"]),
            ("0 0.5 nan 0.5 0.5\n", vec!["line 1", "'nan' is no number"]),
            ("0 120 80 20 20\n", vec!["line 1", "not pixels"]),
        ] {
            complaint(open_yaml(&folder(YAML, labels).path().join("data.yaml"), Some("train")), &words);
        }
        let (_, report) =
            open_yaml(&folder(YAML, "0 0.5 0.5 0 0.5\n0 1.5 0.5 0.2 0.2").path().join("data.yaml"), None).unwrap();
        assert_eq!((report.boxes, report.dropped.len()), (1, 2));
        assert!(report.dropped[0].to_string().contains("a.txt: line 1: box of class 'cat' has no area"), "{report}");
    }

    #[test]
    fn bad_yaml_is_named() {
        for (yaml, words) in [
            ("names: [a, b\ntrain: images/train\n", vec!["data.yaml: line ", "malformed YAML"]),
            ("train: images/train\n", vec!["has no 'names'"]),
            ("train: images/none\nnames: [a, b]\n", vec!["train: there is no", "images/none"]),
            ("train: images/train\nnames: {0: a, 2: b}\n", vec!["after 1 classes comes number 2"]),
            ("train: images/train\nnc: 3\nnames: [a, b]\n", vec!["nc: 3", "names 2 classes"]),
            ("train: images/train\nnames: {cat: 0}\n", vec!["'cat' is not a class number"]),
        ] {
            complaint(open_yaml(&folder(yaml, "").path().join("data.yaml"), Some("train")), &words);
        }
    }

    #[test]
    fn darknet_data_as_cvat_writes_it() {
        let root = tempfile::tempdir().unwrap();
        picture(root.path(), "obj_train_data/a.png");
        write(root.path(), "obj_train_data/a.txt", "0 0.5 0.5 0.5 0.5\n");
        write(root.path(), "obj.names", "cat\n");
        write(root.path(), "train.txt", "data/obj_train_data/a.png\n");
        write(
            root.path(),
            "obj.data",
            "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        );
        let file = root.path().join("obj.data");
        assert_eq!(open_data(&file, Some("train")).unwrap().1.boxes, 1);
        complaint(open_data(&file, Some("val")), &["obj.data", "valid = ..."]);
        write(root.path(), "train.txt", "data/obj_train_data/none.png\n");
        complaint(open_data(&file, None), &["train.txt: line 1", "no picture"]);
    }

    #[test]
    fn pictures_without_any_labels_are_refused() {
        let root = tempfile::tempdir().unwrap();
        picture(root.path(), "images/a.png");
        let names = vec!["cat".to_string()];
        complaint(
            open_folder(root.path(), &root.path().join("images"), names.clone()),
            &["none of 1 pictures has labels", "labels/a.txt"],
        );
    }
}
