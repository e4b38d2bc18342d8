//! Pascal VOC annotations: one XML file for each picture.
//!
//! VOC counts pixels from 1 and gives a box by its first and its last pixel, both inside. Our boxes are edges, so a box
//! becomes (xmin - 1, ymin - 1, xmax, ymax). Tools that write edges instead (LabelImg) are off by at most one pixel on
//! the left and top. A box whose xmax is not above its xmin, or ymax not above ymin, counts as one without area: real
//! objects are never one pixel wide, slips of the hand are. What stands below `<part>` is not read.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use super::classes::find_class;
use super::labelled::{LabelledFiles, RawBox, RawPicture, Report, Unit, at_line};
use super::pairs::list_pictures;
use super::picture::is_picture;
use crate::detection::{BBox, Labelled};
use crate::{Error, Result};

/// An annotation file.
#[derive(Debug, PartialEq)]
struct Annotation {
    filename: Option<String>,
    /// Height and width, where they are given and not 0.
    size: Option<[usize; 2]>,
    objects: Vec<Object>,
}

#[derive(Debug, PartialEq)]
struct Object {
    name: String,
    difficult: bool,
    /// xmin, ymin, xmax, ymax.
    corners: [f32; 4],
    line: usize,
}

/// Opens a VOC folder (`Annotations`, `JPEGImages` or `images`, `ImageSets/Main/SPLIT.txt`), or a folder in which XML
/// files lie beside their pictures. Without a split all annotations are taken. Without `classes` they are all names in
/// all annotations of the folder, sorted, so that every split has the same.
pub fn open(root: &Path, split: Option<&str>, classes: Option<&[String]>) -> Result<(LabelledFiles, Report)> {
    let inside = root.join("Annotations");
    let annotations = if inside.is_dir() { inside } else { root.to_path_buf() };
    let pictures = ["JPEGImages", "images", "Images"].map(|n| root.join(n)).into_iter().find(|p| p.is_dir());
    let pictures = pictures.unwrap_or_else(|| annotations.clone());
    let all = annotation_files(&annotations)?;
    if all.is_empty() {
        return Err(Error::file(annotations, "holds no XML annotations"));
    }
    let chosen = match split {
        Some(split) => split_files(root, &annotations, split)?,
        None => all.clone(),
    };
    let parsed: Vec<Annotation> = chosen.iter().map(|p| read(p)).collect::<Result<_>>()?;
    let names = match classes {
        Some(names) => names.to_vec(),
        None => collect_names(&all, &chosen, &parsed)?,
    };
    let by_stem: HashMap<String, PathBuf> = list_pictures(&pictures)?.into_iter().map(|p| (stem(&p), p)).collect();
    let raw = chosen
        .into_iter()
        .zip(parsed)
        .map(|(file, annotation)| {
            let path = picture_of(&file, &annotation, &pictures, &by_stem)?;
            let boxes = annotation.objects.into_iter().map(|o| o.into_raw(&names, &file)).collect::<Result<_>>()?;
            Ok(RawPicture { path, id: None, size: annotation.size, label_file: Some(file), boxes })
        })
        .collect::<Result<_>>()?;
    LabelledFiles::assemble("Pascal VOC", raw, names, Unit::Pixels)
}

/// Names of the lists in `ImageSets/Main`, without those of single classes (`dog_train`).
pub fn splits(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("ImageSets/Main")).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "txt")).map(|p| stem(&p)).collect();
    names.sort();
    let whole = names.clone();
    names.retain(|n| n.rsplit_once('_').is_none_or(|(_, tail)| !whole.iter().any(|w| w == tail)));
    names
}

/// The XML files directly in `folder`, sorted.
pub(super) fn annotation_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let xml = |p: &PathBuf| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(xml).collect();
    files.sort();
    Ok(files)
}

/// The annotations that the list of a split names.
fn split_files(root: &Path, annotations: &Path, split: &str) -> Result<Vec<PathBuf>> {
    let list = root.join("ImageSets/Main").join(format!("{split}.txt"));
    if !list.is_file() {
        let have = splits(root);
        let have = if have.is_empty() { "none".into() } else { have.join(", ") };
        return Err(Error::file(list, format!("no such list of pictures; splits found: {have}")));
    }
    let text = std::fs::read_to_string(&list).map_err(|e| Error::io(&list, e))?;
    let mut files = Vec::new();
    for (number, name) in text.lines().enumerate().filter_map(|(i, l)| Some((i + 1, l.split_whitespace().next()?))) {
        // Names come without an extension, from some tools with the picture's.
        let name = if is_picture(Path::new(name)) { name.rsplit_once('.').map_or(name, |n| n.0) } else { name };
        let file = annotations.join(format!("{name}.xml"));
        if !file.is_file() {
            return Err(at_line(&list, number, format!("'{name}' has no annotation {}", file.display())));
        }
        files.push(file);
    }
    if files.is_empty() { Err(Error::file(list, "names no pictures")) } else { Ok(files) }
}

/// All names in all annotations, sorted; those of `parsed` need not be read again.
fn collect_names(all: &[PathBuf], chosen: &[PathBuf], parsed: &[Annotation]) -> Result<Vec<String>> {
    let known: HashMap<&PathBuf, &Annotation> = chosen.iter().zip(parsed).collect();
    let mut names = BTreeSet::new();
    for file in all {
        match known.get(file) {
            Some(annotation) => names.extend(annotation.objects.iter().map(|o| o.name.clone())),
            None => names.extend(read(file)?.objects.into_iter().map(|o| o.name)),
        }
    }
    Ok(names.into_iter().collect())
}

/// The picture that belongs to an annotation: the one of its name, else the one it names.
fn picture_of(
    file: &Path,
    annotation: &Annotation,
    pictures: &Path,
    by_stem: &HashMap<String, PathBuf>,
) -> Result<PathBuf> {
    if let Some(path) = by_stem.get(&stem(file)) {
        return Ok(path.clone());
    }
    let named = annotation.filename.as_ref().map(|name| pictures.join(name));
    named.filter(|path| path.is_file()).ok_or_else(|| {
        let name = annotation.filename.as_ref().map_or(String::new(), |n| format!(" or '{n}'"));
        Error::file(file, format!("there is no picture '{}'{name} in {}", stem(file), pictures.display()))
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Object {
    fn into_raw(self, names: &[String], file: &Path) -> Result<RawBox> {
        let class = find_class(names, &self.name).ok_or_else(|| {
            at_line(file, self.line, format!("class '{}' is not one of {}", self.name, names.join(", ")))
        })?;
        let [xmin, ymin, xmax, ymax] = self.corners;
        let bbox = if xmax > xmin && ymax > ymin {
            BBox { x0: xmin - 1.0, y0: ymin - 1.0, x1: xmax, y1: ymax }
        } else {
            BBox { x0: xmin, y0: ymin, x1: xmin, y1: ymin }
        };
        let label = Labelled { difficult: self.difficult, ..Labelled::new(bbox, class) };
        Ok(RawBox::new(label, format!("line {}", self.line)))
    }
}

fn read(path: &Path) -> Result<Annotation> {
    parse(path, &std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?)
}

/// What has been read of an `<object>`.
#[derive(Default)]
struct Draft {
    line: usize,
    name: Option<String>,
    difficult: bool,
    corners: [Option<f32>; 4],
}

const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

impl Draft {
    fn finish(self, path: &Path) -> Result<Object> {
        let missing = |what: &str| at_line(path, self.line, format!("an <object> without <{what}>"));
        let name = self.name.ok_or_else(|| missing("name"))?;
        let mut corners = [0.0; 4];
        for (i, corner) in self.corners.into_iter().enumerate() {
            corners[i] = corner.ok_or_else(|| missing(CORNERS[i]))?;
        }
        Ok(Object { name, difficult: self.difficult, corners, line: self.line })
    }
}

/// Reads one annotation; `path` is for messages.
fn parse(path: &Path, text: &str) -> Result<Annotation> {
    let mut reader = Reader::from_str(text);
    let line_of = |position: u64| {
        text.as_bytes()[..(position as usize).min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1
    };
    let mut open: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut seen_root = false;
    let mut out = Annotation { filename: None, size: None, objects: Vec::new() };
    let mut size = [0usize; 2];
    let mut draft = Draft::default();
    loop {
        let event = reader.read_event().map_err(|e| {
            // Within a tag, a comment and the like, only the end of the file is a syntax error.
            let cut = if matches!(e, quick_xml::Error::Syntax(_)) { "; the file was cut short" } else { "" };
            at_line(path, line_of(reader.error_position()), format!("malformed XML: {e}{cut}"))
        })?;
        let line = line_of(reader.buffer_position());
        match event {
            Event::Start(tag) => {
                let name = tag.name().0.to_string();
                if open.is_empty() && name != "annotation" {
                    return Err(at_line(path, line, format!("<{name}> where Pascal VOC has <annotation>")));
                }
                seen_root = true;
                open.push(name);
                content.clear();
                if open[1..] == ["object"] {
                    draft = Draft { line, ..Draft::default() };
                }
            }
            Event::Text(part) => content.push_str(&part.xml10_content()),
            Event::CData(part) => content.push_str(&part.xml10_content()),
            Event::GeneralRef(entity) => content.push_str(&resolved(&entity)),
            Event::End(_) => {
                let number = |least: f32| -> Result<f32> {
                    let value = content.trim().parse::<f32>().ok().filter(|v| v.is_finite() && *v >= least);
                    value.ok_or_else(|| {
                        let tag = open.last().expect("the reader checks that tags match");
                        at_line(
                            path,
                            line,
                            format!("<{tag}> holds '{}', which is no number it could be", content.trim()),
                        )
                    })
                };
                let names: Vec<&str> = open.iter().skip(1).map(String::as_str).collect();
                match names[..] {
                    ["filename"] => out.filename = Some(content.trim().to_string()),
                    ["size", "height"] => size[0] = number(0.0)? as usize,
                    ["size", "width"] => size[1] = number(0.0)? as usize,
                    ["object", "name"] => draft.name = Some(content.trim().to_string()),
                    ["object", "difficult"] => {
                        draft.difficult = !matches!(content.trim(), "0" | "" | "false" | "Unspecified")
                    }
                    ["object", "bndbox", corner] => {
                        if let Some(i) = CORNERS.iter().position(|c| *c == corner) {
                            draft.corners[i] = Some(number(f32::NEG_INFINITY)?);
                        }
                    }
                    ["object"] => out.objects.push(std::mem::take(&mut draft).finish(path)?),
                    _ => {}
                }
                open.pop();
                content.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let lines = text.lines().count().max(1);
    if let Some(unclosed) = open.last() {
        return Err(at_line(path, lines, format!("the file ends within <{unclosed}>; it was cut short")));
    }
    if !seen_root {
        return Err(at_line(path, lines, "no <annotation>; the file is empty or no XML"));
    }
    out.size = (size[0] > 0 && size[1] > 0).then_some(size);
    Ok(out)
}

/// `&amp;` and its like; what is unknown stays as it stands.
fn resolved(entity: &BytesRef) -> String {
    match entity.resolve_char_ref() {
        Ok(Some(character)) => character.into(),
        _ => resolve_predefined_entity(entity).map_or_else(|| format!("&{};", &**entity), str::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::super::labelled::LabelledPictures;
    use super::*;
    use std::fs;

    fn object(name: &str, corners: [&str; 4]) -> String {
        let [a, b, c, d] = corners;
        format!(
            "  <object>\n    <name>{name}</name>\n    <part><name>head</name><bndbox><xmin>x</xmin></bndbox></part>\n    \
             <difficult>1</difficult>\n    <bndbox><ymin>{b}</ymin><xmin>{a}</xmin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>\n  </object>\n"
        )
    }

    fn annotation(objects: &[String]) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<annotation verified=\"yes\">\n  <filename>a.png</filename>\n  <size><width>40</width><height>30</height></size>\n{}</annotation>\n",
            objects.concat()
        )
    }

    /// `Annotations/NAME.xml` beside `JPEGImages/NAME.png` of 40x30 pixels.
    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for kind in ["Annotations", "JPEGImages", "ImageSets/Main"] {
            fs::create_dir_all(root.path().join(kind)).unwrap();
        }
        for (name, text) in files {
            fs::write(root.path().join(format!("Annotations/{name}.xml")), text).unwrap();
            image::RgbImage::new(40, 30).save(root.path().join(format!("JPEGImages/{name}.png"))).unwrap();
        }
        root
    }

    fn complaint<T>(result: Result<T>, words: &[&str]) {
        let text = result.err().expect("an error").to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text:?} has {words:?}");
        assert!(!text.contains('\n'), "{text:?} is one line");
    }

    #[test]
    fn corners_are_pixels_counted_from_1() {
        let root = folder(&[("a", annotation(&[object("dog &amp; cat", ["1", "3.0", "40", "30"])]))]);
        let (files, report) = open(root.path(), None, None).unwrap();
        let whole = files.get(0).unwrap();
        assert_eq!(whole.boxes[0].bbox, BBox { x0: 0.0, y0: 2.0, x1: 40.0, y1: 30.0 });
        assert!(whole.boxes[0].difficult && !whole.boxes[0].crowd);
        assert_eq!((files.classes(), report.boxes), (&["dog & cat".to_string()][..], 1));
    }

    #[test]
    fn splits_share_their_classes() {
        let root = folder(&[
            ("a", annotation(&[object("zebra", ["2", "2", "9", "9"])])),
            ("b", annotation(&[object("ant", ["2", "2", "9", "9"])])),
        ]);
        let lists = root.path().join("ImageSets/Main");
        for (name, text) in [("train", "a\n"), ("val", "b.png\n\n"), ("ant_train", "a -1\n"), ("bad", "a\nnone\n")] {
            fs::write(lists.join(format!("{name}.txt")), text).unwrap();
        }
        assert_eq!(splits(root.path()), ["bad", "train", "val"]);
        let (train, _) = open(root.path(), Some("train"), None).unwrap();
        assert_eq!((train.len(), train.classes()), (1, &["ant".to_string(), "zebra".to_string()][..]));
        assert_eq!(open(root.path(), Some("val"), None).unwrap().0.labels(0).unwrap().boxes[0].class, 0);
        complaint(open(root.path(), Some("bad"), None), &["bad.txt: line 2", "'none' has no annotation"]);
        complaint(open(root.path(), Some("test"), None), &["test.txt", "splits found: bad, train, val"]);
        let ant = ["ant".to_string()];
        complaint(open(root.path(), Some("train"), Some(&ant)), &["a.xml: line 5", "class 'zebra' is not one of ant"]);
    }

    #[test]
    fn a_folder_of_xml_beside_pictures_will_do() {
        let root = folder(&[("a", annotation(&[object("ant", ["2", "2", "9", "9"])]))]);
        let flat = tempfile::tempdir().unwrap();
        for name in ["Annotations/a.xml", "JPEGImages/a.png"] {
            let from = root.path().join(name);
            fs::copy(&from, flat.path().join(from.file_name().unwrap())).unwrap();
        }
        assert_eq!(open(flat.path(), None, None).unwrap().0.get(0).unwrap().name, "a.png");
        fs::remove_file(flat.path().join("a.png")).unwrap();
        complaint(open(flat.path(), None, None), &["a.xml", "no picture 'a' or 'a.png'"]);
    }

    #[test]
    fn a_file_cut_short_names_the_line() {
        let whole = annotation(&[object("ant", ["2", "2", "9", "9"])]);
        for cut in (0..whole.len() - 2).filter(|&i| whole.is_char_boundary(i)) {
            let error = parse(Path::new("x.xml"), &whole[..cut]).unwrap_err().to_string();
            let lines = whole[..cut].lines().count().max(1);
            let (line, before) = (format!("x.xml: line {lines}: "), format!("x.xml: line {}: ", lines.max(2) - 1));
            assert!(error.starts_with(&line) || error.starts_with(&before), "cut at {cut} of line {lines}: {error}");
        }
        let within = whole.find("<part>").unwrap() + 6;
        complaint(parse(Path::new("x.xml"), &whole[..within]), &["line 7", "ends within <part>", "cut short"]);
        complaint(parse(Path::new("x.xml"), &whole[..within - 2]), &["line 7", "end of input", "cut short"]);
    }

    #[test]
    fn malformed_annotations_name_line_and_reason() {
        let bad = |from: &str, to: &str| {
            let text = annotation(&[object("ant", ["2", "2", "9", "9"])]).replacen(from, to, 1);
            parse(Path::new("x.xml"), &text)
        };
        complaint(bad("<xmax>9</xmax>", ""), &["line 5", "without <xmax>"]);
        complaint(bad("<name>ant</name>", ""), &["line 5", "without <name>"]);
        complaint(bad("<xmax>9<", "<xmax>nine<"), &["line 9", "<xmax> holds 'nine'"]);
        complaint(bad("<xmax>9<", "<xmax>inf<"), &["line 9", "no number"]);
        complaint(bad("</name>", "</nome>"), &["line 6", "malformed XML"]);
        complaint(parse(Path::new("x.xml"), "<html></html>"), &["<html> where Pascal VOC has <annotation>"]);
        complaint(parse(Path::new("x.xml"), "hello"), &["no <annotation>"]);
    }

    #[test]
    fn degenerate_boxes_are_dropped() {
        let root = folder(&[(
            "a",
            annotation(&[
                object("ant", ["5", "5", "5", "9"]),
                object("ant", ["9", "5", "5", "9"]),
                object("ant", ["50", "5", "60", "9"]),
                object("ant", ["5", "5", "6", "6"]),
            ]),
        )]);
        let (files, report) = open(root.path(), None, None).unwrap();
        assert_eq!((files.labels(0).unwrap().boxes.len(), report.dropped.len()), (1, 3));
        assert!(report.to_string().contains("a.xml: line 5: box of class 'ant' has no area"), "{report}");
    }

    #[test]
    fn blood_cells_when_given() {
        let Some(root) = std::env::var_os("WGVISION_DATA") else {
            eprintln!("skipped: WGVISION_DATA does not name a folder that holds bccd/BCCD");
            return;
        };
        let root = PathBuf::from(root).join("bccd/BCCD");
        let counts: Vec<usize> = ["train", "val", "test"].map(|s| open(&root, Some(s), None).unwrap().0.len()).to_vec();
        assert_eq!(counts, [205, 87, 72]);
        let (files, report) = open(&root, None, None).unwrap();
        assert_eq!(files.classes(), ["Platelets", "RBC", "WBC"]);
        assert_eq!((files.len(), report.dropped.len(), report.clipped), (364, 2, 0));
        assert!(report.dropped.iter().all(|d| d.why == "has no area"), "{report}");
        let first = files.get(0).unwrap();
        assert_eq!(first.picture.dimensions(), (640, 480));
    }
}
