//! Detection data: a picture with its labelled boxes and, for instance segmentation, their masks; and lists of such files.
//!
//! What the label files look like is the affair of [`super::voc`], [`super::yolo_labels`] and [`super::coco`]; which of
//! them fits a folder is found in [`super::formats`]. Here their boxes are checked: what has no area or lies outside of
//! its picture is dropped and reported, what reaches over the edge is cut off there. Knows nothing of batches.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::picture::{picture_size, read_picture};
use super::rng::Rng;
use crate::detection::{BBox, Labelled, Mask};
use crate::{Error, Result};

/// A picture and its boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPicture {
    /// What reports call it, usually the file's name.
    pub name: String,
    /// COCO's image id; for other labels the number that the file's name is, where all are numbers, else its index.
    pub id: u64,
    /// The picture.
    pub picture: RgbImage,
    /// Its boxes, in pixels.
    pub boxes: Vec<Labelled>,
    /// The mask of each box, of the picture's size, where there is one; empty where the labels have boxes only.
    pub masks: Vec<Option<Mask>>,
}

impl LabelledPicture {
    /// Bytes it holds in memory.
    pub fn bytes(&self) -> usize {
        let masks: usize = self.masks.iter().flatten().map(|m| size_of_val(m.counts())).sum();
        self.picture.len() + size_of_val(&self.boxes[..]) + size_of_val(&self.masks[..]) + masks
    }

    /// The mask of box number `index`, if there is one.
    pub fn mask(&self, index: usize) -> Option<&Mask> {
        self.masks.get(index)?.as_ref()
    }
}

/// The boxes of a picture without its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureLabels {
    /// The picture's height and width.
    pub size: [usize; 2],
    /// Its boxes, in pixels.
    pub boxes: Vec<Labelled>,
}

/// Pictures with boxes, addressed by number: files, or made by a formula.
pub trait LabelledPictures: Send + Sync + 'static {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes.
    fn classes(&self) -> &[String];

    /// For each class, what results call it: COCO's category id. Counted from 1 unless the labels say otherwise.
    fn category_ids(&self) -> Vec<u64> {
        (1..=self.classes().len() as u64).collect()
    }

    /// The boxes of number `index`, without decoding the picture where that is possible.
    fn labels(&self, index: usize) -> Result<PictureLabels> {
        let whole = self.get(index)?;
        let size = [whole.picture.height() as usize, whole.picture.width() as usize];
        Ok(PictureLabels { size, boxes: whole.boxes.clone() })
    }

    /// The picture with number `index`, the same each time. [`Error::Picture`] says that it does not decode.
    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>>;
}

macro_rules! pass_on {
    ($($pointer:ident),*) => {$(
        impl<D: LabelledPictures + ?Sized> LabelledPictures for $pointer<D> {
            fn len(&self) -> usize {
                (**self).len()
            }
            fn classes(&self) -> &[String] {
                (**self).classes()
            }
            fn category_ids(&self) -> Vec<u64> {
                (**self).category_ids()
            }
            fn labels(&self, index: usize) -> Result<PictureLabels> {
                (**self).labels(index)
            }
            fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
                (**self).get(index)
            }
        }
    )*};
}
pass_on!(Arc, Box);

/// In what a label file gives its boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    /// Pixels of the picture.
    Pixels,
    /// Shares of the picture's width and height.
    Shares,
}

/// A box as a label file has it.
pub(super) struct RawBox {
    pub label: Labelled,
    /// Where in the label file it stands, for reports: a line, or an annotation's id.
    pub place: String,
    /// Its mask as COCO's compact string, see [`Mask::compact`].
    pub mask: Option<Box<str>>,
    /// What is wrong with it besides its box.
    pub flaw: Option<&'static str>,
}

impl RawBox {
    /// A box without a mask.
    pub fn new(label: Labelled, place: String) -> Self {
        Self { label, place, mask: None, flaw: None }
    }
}

/// A picture as a label file has it.
pub(super) struct RawPicture {
    pub path: PathBuf,
    /// [`None`]: see [`numbered`].
    pub id: Option<u64>,
    /// Height and width that the labels claim.
    pub size: Option<[usize; 2]>,
    /// The file with its boxes, if there is one.
    pub label_file: Option<PathBuf>,
    pub boxes: Vec<RawBox>,
}

/// A box that was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The label file.
    pub file: PathBuf,
    /// Where in it, such as `line 12`.
    pub place: String,
    /// Name of its class.
    pub class: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}: box of class '{}' {}", self.file.display(), self.place, self.class, self.why)
    }
}

/// What was found, and what was wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Name of the format.
    pub format: &'static str,
    /// Number of pictures.
    pub pictures: usize,
    /// Number of boxes kept.
    pub boxes: usize,
    /// Number of pictures without a box.
    pub empty: usize,
    /// Boxes that reached over the edge of their picture and were cut off there.
    pub clipped: usize,
    /// Boxes left out.
    pub dropped: Vec<Dropped>,
}

impl fmt::Display for Report {
    /// One line with the counts, then one for each box that was left out, ten at most.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {} pictures, {} boxes", self.format, self.pictures, self.boxes)?;
        if self.empty > 0 {
            write!(f, ", {} pictures without any", self.empty)?;
        }
        if self.clipped > 0 {
            write!(f, ", {} cut off at the picture's edge", self.clipped)?;
        }
        if !self.dropped.is_empty() {
            write!(f, ", {} left out", self.dropped.len())?;
        }
        const SHOWN: usize = 10;
        for dropped in self.dropped.iter().take(SHOWN) {
            write!(f, "\n  left out: {dropped}")?;
        }
        match self.dropped.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// One picture of a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    path: PathBuf,
    id: u64,
    size: Option<[usize; 2]>,
    pub(super) boxes: Vec<Labelled>,
    /// One for each box as a compact string, or none at all.
    pub(super) masks: Vec<Option<Box<str>>>,
}

impl Entry {
    fn masks(&self) -> Vec<Option<Mask>> {
        let size = self.size.unwrap_or_default().map(|v| v as u32);
        let parse = |text: &str| Mask::parse(size, text).expect("was checked when the file was opened");
        self.masks.iter().map(|text| text.as_deref().map(parse)).collect()
    }
}

/// Picture files with the boxes that label files gave them. Opened by [`super::formats::open_detection`].
#[derive(Clone, Debug)]
pub struct LabelledFiles {
    pub(super) entries: Vec<Entry>,
    pub(super) classes: Vec<String>,
    pub(super) category_ids: Vec<u64>,
    unit: Unit,
}

/// A box that sticks out by no more than this many pixels, or this share, was rounded and is cut off in silence.
const ROUNDED: [f32; 2] = [1.0, 2e-3];

impl LabelledFiles {
    /// Checks the boxes of `pictures`. Classes must be below `classes.len()`.
    pub(super) fn assemble(
        format: &'static str,
        pictures: Vec<RawPicture>,
        classes: Vec<String>,
        unit: Unit,
    ) -> Result<(Self, Report)> {
        let mut report =
            Report { format, pictures: pictures.len(), boxes: 0, empty: 0, clipped: 0, dropped: Vec::new() };
        let numbers = numbered(&pictures);
        let mut entries = Vec::with_capacity(pictures.len());
        for (index, raw) in pictures.into_iter().enumerate() {
            let mut size = raw.size;
            if unit == Unit::Pixels && size.is_none() && !raw.boxes.is_empty() {
                size = Some(header_size(&raw.path)?);
            }
            let [height, width] = match unit {
                Unit::Shares => [1.0; 2],
                Unit::Pixels => size.map_or([0.0; 2], |s| s.map(|v| v as f32)),
            };
            let mut boxes = Vec::with_capacity(raw.boxes.len());
            let mut masks = Vec::new();
            for RawBox { mut label, place, mask, flaw } in raw.boxes {
                match flaw.map_or(checked(label.bbox, width, height), Err) {
                    Ok(inside) => {
                        let moved =
                            sides(&inside).zip(sides(&label.bbox)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                        report.clipped += usize::from(moved > ROUNDED[usize::from(unit == Unit::Shares)]);
                        label.bbox = inside;
                        boxes.push(label);
                        masks.push(mask);
                    }
                    Err(why) => report.dropped.push(Dropped {
                        file: raw.label_file.clone().unwrap_or_default(),
                        place,
                        class: classes[label.class].clone(),
                        why,
                    }),
                }
            }
            report.boxes += boxes.len();
            report.empty += usize::from(boxes.is_empty());
            let id = raw.id.unwrap_or(numbers.as_ref().map_or(index as u64, |n| n[index]));
            if masks.iter().all(Option::is_none) {
                masks = Vec::new();
            }
            entries.push(Entry { path: raw.path, id, size, boxes, masks });
        }
        let category_ids = (1..=classes.len() as u64).collect();
        Ok((Self { entries, classes, category_ids, unit }, report))
    }

    /// How many boxes there are, and how many of them have a mask.
    pub fn masked(&self) -> [usize; 2] {
        let all = self.entries.iter().map(|e| e.boxes.len()).sum();
        [all, self.entries.iter().flat_map(|e| &e.masks).flatten().count()]
    }

    /// Path of a picture.
    pub fn path(&self, index: usize) -> &Path {
        &self.entries[index].path
    }

    /// Two parts, for data that comes without a split: what remains, and a random `share` (0 to 1, rounded up) to be
    /// held out. The same for the same number of pictures and seed.
    pub fn divide(self, share: f64, seed: u64) -> (Self, Self) {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        Rng::new(seed).shuffle(&mut order);
        let count = (self.entries.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        let held: HashSet<usize> = order.into_iter().take(count).collect();
        let part = |wanted: bool| {
            let chosen = self.entries.iter().enumerate().filter(|(i, _)| held.contains(i) == wanted);
            Self { entries: chosen.map(|(_, e)| e.clone()).collect(), ..self.without_entries() }
        };
        (part(false), part(true))
    }

    fn without_entries(&self) -> Self {
        let (classes, category_ids) = (self.classes.clone(), self.category_ids.clone());
        Self { entries: Vec::new(), classes, category_ids, unit: self.unit }
    }

    /// The boxes of an entry in pixels of a picture of height and width `size`.
    fn in_pixels(&self, entry: &Entry, [height, width]: [usize; 2]) -> Vec<Labelled> {
        let scale = |label: &Labelled| match self.unit {
            Unit::Pixels => *label,
            Unit::Shares => {
                let (w, h, b) = (width as f32, height as f32, label.bbox);
                Labelled { bbox: BBox { x0: b.x0 * w, y0: b.y0 * h, x1: b.x1 * w, y1: b.y1 * h }, ..*label }
            }
        };
        entry.boxes.iter().map(scale).collect()
    }
}

impl LabelledPictures for LabelledFiles {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn category_ids(&self) -> Vec<u64> {
        self.category_ids.clone()
    }

    fn labels(&self, index: usize) -> Result<PictureLabels> {
        let entry = &self.entries[index];
        let size = match entry.size {
            Some(size) => size,
            None => header_size(&entry.path)?,
        };
        Ok(PictureLabels { size, boxes: self.in_pixels(entry, size) })
    }

    /// Fails with [`Error::Picture`] also where the labels were made for a picture of another size.
    fn get(&self, index: usize) -> Result<Arc<LabelledPicture>> {
        let entry = &self.entries[index];
        let picture = read_picture(&entry.path)?;
        let size = [picture.height() as usize, picture.width() as usize];
        if let Some([h, w]) = entry.size.filter(|s| *s != size && !entry.boxes.is_empty()) {
            let text = format!("is {}x{}, but its labels were made for {w}x{h} pixels", size[1], size[0]);
            return Err(Error::picture(&entry.path, text));
        }
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (boxes, masks) = (self.in_pixels(entry, size), entry.masks());
        Ok(Arc::new(LabelledPicture { name, id: entry.id, picture, boxes, masks }))
    }
}

/// The part of a box inside its picture, or what is wrong with it.
fn checked(bbox: BBox, width: f32, height: f32) -> Result<BBox, &'static str> {
    if bbox.area() <= 0.0 {
        return Err("has no area");
    }
    let inside = bbox.clipped(width, height);
    if inside.area() <= 0.0 { Err("lies outside of the picture") } else { Ok(inside) }
}

fn sides(b: &BBox) -> impl Iterator<Item = f32> + use<> {
    [b.x0, b.y0, b.x1, b.y1].into_iter()
}

fn header_size(path: &Path) -> Result<[usize; 2]> {
    picture_size(path).map(|(w, h)| [h as usize, w as usize])
}

/// The numbers that the files are named by, if all are numbers and no two the same.
fn numbered(pictures: &[RawPicture]) -> Option<Vec<u64>> {
    let number = |p: &RawPicture| p.path.file_stem()?.to_str()?.parse().ok();
    let numbers: Vec<u64> = pictures.iter().map(number).collect::<Option<_>>()?;
    let distinct: HashSet<u64> = numbers.iter().copied().collect();
    (distinct.len() == numbers.len()).then_some(numbers)
}

/// An error in a line of a file.
pub(super) fn at_line(path: &Path, line: usize, message: impl fmt::Display) -> Error {
    Error::file(path, format!("line {line}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(path: &str, size: [usize; 2], boxes: &[BBox]) -> RawPicture {
        let boxed = |(i, b): (usize, &BBox)| RawBox::new(Labelled::new(*b, 0), format!("line {}", i + 1));
        RawPicture {
            path: path.into(),
            id: None,
            size: Some(size),
            label_file: Some(format!("{path}.xml").into()),
            boxes: boxes.iter().enumerate().map(boxed).collect(),
        }
    }

    #[test]
    fn boxes_without_area_and_outside_are_dropped_and_named() {
        let boxes = [
            BBox { x0: 10.0, y0: 10.0, x1: 30.0, y1: 20.0 },
            BBox { x0: 10.0, y0: 10.0, x1: 10.0, y1: 20.0 },
            BBox { x0: 30.0, y0: 10.0, x1: 10.0, y1: 20.0 },
            BBox { x0: -20.0, y0: 10.0, x1: 5.0, y1: 90.0 },
            BBox { x0: 120.0, y0: 10.0, x1: 130.0, y1: 20.0 },
            BBox { x0: 90.0, y0: 10.0, x1: 100.4, y1: 20.0 },
        ];
        let pictures = vec![raw("a.png", [50, 100], &boxes), raw("b.png", [50, 100], &[])];
        let (files, report) = LabelledFiles::assemble("test", pictures, vec!["cell".into()], Unit::Pixels).unwrap();
        let kept: Vec<BBox> = files.labels(0).unwrap().boxes.iter().map(|l| l.bbox).collect();
        assert_eq!(kept, [boxes[0], BBox { x0: 0.0, y0: 10.0, x1: 5.0, y1: 50.0 }, BBox { x1: 100.0, ..boxes[5] }]);
        assert_eq!((report.boxes, report.empty, report.clipped), (3, 1, 1), "0.4 pixels are rounding");
        let text = report.to_string();
        assert!(text.starts_with("test: 2 pictures, 3 boxes, 1 pictures without any, 1 cut off"), "{text}");
        for want in [
            "a.png.xml: line 2: box of class 'cell' has no area",
            "a.png.xml: line 3: box of class 'cell' has no area",
            "a.png.xml: line 5: box of class 'cell' lies outside of the picture",
        ] {
            assert!(text.contains(want), "{text} has {want}");
        }
        assert_eq!(report.dropped.len(), 3);
    }

    #[test]
    fn ids_are_the_numbers_of_the_names_or_the_index() {
        let of = |names: [&str; 2]| {
            let pictures = names.iter().map(|n| raw(n, [5, 5], &[])).collect();
            let (files, _) = LabelledFiles::assemble("test", pictures, vec![], Unit::Pixels).unwrap();
            files.entries.iter().map(|e| e.id).collect::<Vec<_>>()
        };
        assert_eq!(of(["000030.png", "000007.png"]), [30, 7]);
        assert_eq!(of(["000030.png", "a.png"]), [0, 1]);
        assert_eq!(of(["30.png", "030.png"]), [0, 1]);
    }

    #[test]
    fn dividing_keeps_every_picture_once() {
        let pictures = (0..10).map(|i| raw(&format!("{i}.png"), [5, 5], &[])).collect();
        let (files, _) = LabelledFiles::assemble("test", pictures, vec![], Unit::Pixels).unwrap();
        let (train, held) = files.divide(0.25, 3);
        assert_eq!((train.len(), held.len()), (7, 3));
        let mut ids: Vec<u64> = train.entries.iter().chain(&held.entries).map(|e| e.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_picture_of_another_size_than_its_labels_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(30, 20).save(&path).unwrap();
        let bbox = BBox { x0: 1.0, y0: 2.0, x1: 9.0, y1: 8.0 };
        let open = |size| {
            let pictures = vec![raw(path.to_str().unwrap(), size, &[bbox])];
            LabelledFiles::assemble("test", pictures, vec!["c".into()], Unit::Pixels).unwrap().0
        };
        assert_eq!(open([20, 30]).get(0).unwrap().boxes[0].bbox, bbox);
        let error = open([30, 20]).get(0).unwrap_err();
        assert!(matches!(error, Error::Picture { .. }));
        assert!(error.to_string().contains("a.png: is 30x20, but its labels were made for 20x30"), "{error}");
    }
}
