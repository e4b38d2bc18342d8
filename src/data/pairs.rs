//! Segmentation data: a picture and its mask, and folders of such pairs.
//!
//! The folder holds `images/SPLIT/x.png` beside `masks/SPLIT/x.png`, or the same without splits. What the grey
//! values of a mask mean is said by [`Labels`]. Knows nothing of augmentation or batches.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::picture::{is_picture, picture_size, read_mask, read_picture};
use super::rng::Rng;
use crate::{Error, Result};

/// The class value of pixels that take no part in losses or metrics.
pub const IGNORE: u8 = 255;

/// What the grey values of mask files mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// Foreground against background. In a file whose largest value is 0 or 1, 1 is foreground; in a file
    /// with a value of 128 or more, 128 and above are. Any other file looks like class numbers and is refused.
    Binary,
    /// The grey value is the class, 0 to `classes - 1`, and 255 is [`IGNORE`]. Anything else is refused.
    Classes(u8),
}

impl Labels {
    /// Number of classes, background included; 2 for a binary mask.
    pub fn classes(self) -> usize {
        match self {
            Self::Binary => 2,
            Self::Classes(n) => n.into(),
        }
    }

    /// Turns the grey values of the file `path` into classes in place.
    fn decode(self, mask: &mut GrayImage, path: &Path) -> Result<()> {
        match self {
            Self::Binary => {
                let threshold = match mask.iter().copied().max().unwrap_or(0) {
                    0 | 1 => 1,
                    128.. => 128,
                    top => {
                        return Err(Error::file(
                            path,
                            format!(
                                "the mask's values end at {top}, neither 0 and 1 nor 0 and 255; if they are class numbers, give the number of classes"
                            ),
                        ));
                    }
                };
                mask.iter_mut().for_each(|v| *v = u8::from(*v >= threshold));
            }
            Self::Classes(classes) => {
                if let Some((x, y, v)) =
                    mask.enumerate_pixels().map(|(x, y, p)| (x, y, p[0])).find(|p| p.2 >= classes && p.2 != IGNORE)
                {
                    return Err(Error::file(
                        path,
                        format!(
                            "class {v} at pixel ({x}, {y}), but there are only {classes} classes (0 to {}, and {IGNORE} for ignored pixels)",
                            classes.saturating_sub(1)
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A picture and the class of each of its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedPicture {
    /// What reports call it, usually the file's name.
    pub name: String,
    /// The picture.
    pub picture: RgbImage,
    /// The class of each pixel, or [`IGNORE`]; of the picture's size.
    pub mask: GrayImage,
}

impl MaskedPicture {
    /// Bytes it holds in memory.
    pub fn bytes(&self) -> usize {
        self.picture.len() + self.mask.len()
    }
}

/// Pictures with masks, addressed by number: files, or made by a formula.
pub trait MaskedPictures: Send + Sync + 'static {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the masks hold.
    fn labels(&self) -> Labels;

    /// The picture with number `index`, the same each time. [`Error::Picture`] says that it does not decode.
    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>>;
}

impl<D: MaskedPictures + ?Sized> MaskedPictures for Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn labels(&self) -> Labels {
        (**self).labels()
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        (**self).get(index)
    }
}

/// A folder of picture and mask pairs, in the order of their names.
#[derive(Debug)]
pub struct PairFolder {
    pairs: Vec<(PathBuf, PathBuf)>,
    labels: Labels,
}

impl PairFolder {
    /// The pairs of `split` under `root`, or all of them with an empty `split`. Only names are looked at.
    ///
    /// Fails if a folder is missing, holds no pictures, or a picture has no mask.
    pub fn open(root: impl AsRef<Path>, split: &str, labels: Labels) -> Result<Self> {
        let root = root.as_ref();
        let (images, masks) = (root.join("images").join(split), root.join("masks").join(split));
        if !images.is_dir() {
            let have = splits(root);
            let have = if have.is_empty() { "no splits".into() } else { format!("the splits {}", have.join(", ")) };
            return Err(Error::file(
                images,
                format!("no such folder; pictures belong in images/SPLIT and masks in masks/SPLIT ({have} found)"),
            ));
        }
        let pictures = list_pictures(&images)?;
        if pictures.is_empty() {
            return Err(Error::file(images, "holds no pictures (png, jpg, bmp, webp)"));
        }
        let masks_by_stem: HashMap<_, _> = list_pictures(&masks)?.into_iter().map(|p| (stem(&p), p)).collect();
        let pairs = pictures
            .into_iter()
            .map(|picture| match masks_by_stem.get(&stem(&picture)) {
                Some(mask) => Ok((picture, mask.clone())),
                None => Err(Error::file(picture, format!("has no mask of that name in {}", masks.display()))),
            })
            .collect::<Result<_>>()?;
        Ok(Self { pairs, labels })
    }

    /// Paths of picture and mask.
    pub fn paths(&self, index: usize) -> (&Path, &Path) {
        (&self.pairs[index].0, &self.pairs[index].1)
    }

    /// Two parts, for data that comes without a split: what remains, and a random `share` (0 to 1, rounded up) to be
    /// held out. The same for the same names and seed.
    pub fn divide(self, share: f64, seed: u64) -> (Self, Self) {
        let mut order: Vec<usize> = (0..self.pairs.len()).collect();
        Rng::new(seed).shuffle(&mut order);
        let count = (self.pairs.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        let held: HashSet<usize> = order.into_iter().take(count).collect();
        let part = |wanted: bool| {
            let chosen = self.pairs.iter().enumerate().filter(|(i, _)| held.contains(i) == wanted);
            Self { pairs: chosen.map(|(_, pair)| pair.clone()).collect(), labels: self.labels }
        };
        (part(false), part(true))
    }

    /// Width and height of every picture as its header has them; unreadable ones are left out.
    pub fn sizes(&self) -> Vec<(u32, u32)> {
        self.pairs.iter().filter_map(|(picture, _)| picture_size(picture).ok()).collect()
    }
}

impl MaskedPictures for PairFolder {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn labels(&self) -> Labels {
        self.labels
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        let (picture_path, mask_path) = self.paths(index);
        let picture = read_picture(picture_path)?;
        let mut mask = read_mask(mask_path)?;
        if mask.dimensions() != picture.dimensions() {
            let ((w, h), (pw, ph)) = (mask.dimensions(), picture.dimensions());
            return Err(Error::file(
                mask_path,
                format!(
                    "the mask is {w}x{h}, its picture {} is {pw}x{ph}; they must be of one size",
                    picture_path.display()
                ),
            ));
        }
        self.labels.decode(&mut mask, mask_path)?;
        let name = picture_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Arc::new(MaskedPicture { name, picture, mask }))
    }
}

/// Names of the folders under `root/images`, sorted; empty if there is none.
pub fn splits(root: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(root.as_ref().join("images")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The pictures directly in `folder`, sorted by name.
pub fn list_pictures(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut paths = entries
        .map(|e| e.map(|e| e.path()).map_err(|e| Error::io(folder, e)))
        .filter(|p| p.as_ref().map_or(true, |p| is_picture(p) && p.is_file()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgb};
    use std::fs;

    /// A folder with one picture `images/train/a.png` of 8x6 and its mask of `values` in stripes.
    fn folder(values: &[u8]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for kind in ["images/train", "masks/train"] {
            fs::create_dir_all(root.path().join(kind)).unwrap();
        }
        RgbImage::from_pixel(8, 6, Rgb([10, 20, 30])).save(root.path().join("images/train/a.png")).unwrap();
        let mask = GrayImage::from_fn(8, 6, |x, _| Luma([values[x as usize % values.len()]]));
        mask.save(root.path().join("masks/train/a.png")).unwrap();
        root
    }

    fn complaint<T>(result: Result<T>, words: &[&str]) {
        let text = result.err().expect("an error").to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text:?} has {words:?}");
        assert!(!text.contains('\n'));
    }

    fn first(root: &tempfile::TempDir, labels: Labels) -> Result<Arc<MaskedPicture>> {
        PairFolder::open(root, "train", labels)?.get(0)
    }

    #[test]
    fn binary_masks_come_as_0_and_1_or_as_0_and_255() {
        for (values, want) in [([0, 1], [0, 1]), ([0, 255], [0, 1]), ([127, 128], [0, 1]), ([0, 0], [0, 0])] {
            let pair = first(&folder(&values), Labels::Binary).unwrap();
            assert_eq!(pair.mask.as_raw()[..2], want, "{values:?}");
            assert_eq!(pair.name, "a.png");
        }
        complaint(
            first(&folder(&[0, 3]), Labels::Binary),
            &["masks/train/a.png", "values end at 3", "number of classes"],
        );
    }

    #[test]
    fn class_masks_are_checked_against_the_number_of_classes() {
        let pair = first(&folder(&[0, 2, 255]), Labels::Classes(3)).unwrap();
        assert_eq!(pair.mask.as_raw()[..3], [0, 2, IGNORE]);
        complaint(first(&folder(&[0, 3]), Labels::Classes(3)), &["a.png", "class 3 at pixel (1, 0)", "only 3 classes"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = folder(&[0, 1]);
        complaint(PairFolder::open(&root, "val", Labels::Binary), &["images/val", "no such folder", "splits train"]);
        fs::create_dir_all(root.path().join("images/val")).unwrap();
        complaint(PairFolder::open(&root, "val", Labels::Binary), &["images/val", "holds no pictures"]);
        fs::copy(root.path().join("images/train/a.png"), root.path().join("images/train/b.png")).unwrap();
        complaint(PairFolder::open(&root, "train", Labels::Binary), &["b.png", "has no mask", "masks/train"]);
    }

    #[test]
    fn a_mask_of_another_size_names_both() {
        let root = folder(&[0, 1]);
        GrayImage::new(8, 5).save(root.path().join("masks/train/a.png")).unwrap();
        complaint(first(&root, Labels::Binary), &["masks/train/a.png", "8x5", "8x6", "one size"]);
    }

    #[test]
    fn a_folder_without_splits_will_do() {
        let root = folder(&[0, 1]);
        for kind in ["images", "masks"] {
            fs::rename(root.path().join(kind).join("train/a.png"), root.path().join(kind).join("a.png")).unwrap();
        }
        let pairs = PairFolder::open(&root, "", Labels::Binary).unwrap();
        assert_eq!((pairs.len(), pairs.sizes()), (1, vec![(8, 6)]));
    }

    #[test]
    fn dividing_keeps_every_pair_once() {
        let root = folder(&[0, 1]);
        for i in 0..9 {
            for kind in ["images/train", "masks/train"] {
                let folder = root.path().join(kind);
                fs::copy(folder.join("a.png"), folder.join(format!("b{i}.png"))).unwrap();
            }
        }
        let open = || PairFolder::open(&root, "train", Labels::Binary).unwrap();
        let (train, held) = open().divide(0.25, 1);
        assert_eq!((train.len(), held.len()), (7, 3));
        let mut all: Vec<_> = train.pairs.iter().chain(&held.pairs).cloned().collect();
        all.sort();
        assert_eq!(all, open().pairs);
        assert!(held.pairs.is_sorted() && open().divide(0.25, 1).1.pairs == held.pairs);
        assert_ne!(open().divide(0.25, 2).1.pairs, held.pairs);
        assert_eq!(open().divide(0.0, 1).1.len(), 0);
    }

    #[test]
    fn real_pictures_when_given() {
        let Some(root) = std::env::var_os("WGVISION_DATA") else {
            eprintln!("skipped: WGVISION_DATA does not name a folder that holds nuclei/images and nuclei/masks");
            return;
        };
        let root = PathBuf::from(root).join("nuclei");
        let found = splits(&root);
        assert!(!found.is_empty(), "{} has splits", root.display());
        for split in found {
            let pairs = PairFolder::open(&root, &split, Labels::Binary).unwrap();
            for index in 0..pairs.len() {
                let pair = pairs.get(index).unwrap();
                assert!(pair.mask.contains(&1), "{} has foreground", pair.name);
            }
        }
    }
}
