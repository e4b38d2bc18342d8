//! Masks of single objects, kept as COCO writes them: run lengths down the columns.
//!
//! Runs alternate between 0 and 1 and begin with 0, which may be empty. The compact string is in [`text`], masks from
//! polygons in [`polygon`], unions and overlaps in [`overlap`].

mod overlap;
mod polygon;
mod text;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// No mask has more pixels: as many as the largest picture that is read.
const MAX_PIXELS: u64 = 1 << 27;

/// A binary mask of a picture's size as run lengths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Mask {
    height: u32,
    width: u32,
    counts: Vec<u32>,
}

/// As it stands in JSON: `{"size": [height, width], "counts": "..." or [...]}`.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    size: [u32; 2],
    counts: Counts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Counts {
    Text(String),
    Runs(Vec<u32>),
}

impl TryFrom<Written> for Mask {
    type Error = Error;
    fn try_from(written: Written) -> Result<Self> {
        match written.counts {
            Counts::Text(text) => Self::parse(written.size, &text),
            Counts::Runs(runs) => Self::from_counts(written.size, runs),
        }
    }
}

impl From<Mask> for Written {
    fn from(mask: Mask) -> Self {
        Self { size: mask.size(), counts: Counts::Text(mask.compact()) }
    }
}

impl Mask {
    /// From a mask (H, W), row by row; anything but 0 is set. `size` is height and width.
    pub fn encode(mask: &[u8], size: [u32; 2]) -> Self {
        let [height, width] = size;
        assert_eq!(mask.len(), height as usize * width as usize, "one value per pixel");
        let mut runs = Runs::new();
        for i in 0..mask.len() {
            let (x, y) = (i / height as usize, i % height as usize);
            runs.push(mask[y * width as usize + x] != 0, 1);
        }
        runs.finish(size)
    }

    /// Without a set pixel.
    pub fn empty(size: [u32; 2]) -> Self {
        Self { height: size[0], width: size[1], counts: vec![size[0] * size[1]] }
    }

    /// From run lengths. Fails unless they add up to the mask's pixels, 2^27 at most.
    pub fn from_counts(size: [u32; 2], counts: Vec<u32>) -> Result<Self> {
        let pixels = u64::from(size[0]) * u64::from(size[1]);
        if pixels > MAX_PIXELS {
            return Err(Error::Usage(format!(
                "RLE: a mask of {} by {} is larger than any picture read",
                size[0], size[1]
            )));
        }
        let sum: u64 = counts.iter().copied().map(u64::from).sum();
        if sum != pixels {
            return Err(Error::Usage(format!(
                "RLE: runs of {sum} pixels in all {} a mask of {} by {} ({pixels} pixels)",
                if sum < pixels { "do not fill" } else { "go beyond" },
                size[0],
                size[1]
            )));
        }
        Ok(Self { height: size[0], width: size[1], counts })
    }

    /// The mask (H, W) of 0 and 1, row by row.
    pub fn decode(&self) -> Vec<u8> {
        let (h, w) = (self.height as usize, self.width as usize);
        let mut mask = vec![0; h * w];
        for (start, end) in self.runs() {
            (start..end).for_each(|i| mask[i % h * w + i / h] = 1);
        }
        mask
    }

    /// The window `[x, y, width, height]` of the mask, of 0 and 1, row by row. Panics if it reaches over the edges.
    pub fn within(&self, [x, y, w, h]: [u32; 4]) -> Vec<u8> {
        assert!(x + w <= self.width && y + h <= self.height, "a window in the mask");
        let [x, y, w, h, height] = [x, y, w, h, self.height].map(|v| v as usize);
        let mut window = vec![0; w * h];
        for (start, end) in self.runs() {
            for i in start.max(x * height)..end.min((x + w) * height) {
                let (column, row) = (i / height - x, i % height);
                if (y..y + h).contains(&row) {
                    window[(row - y) * w + column] = 1;
                }
            }
        }
        window
    }

    /// Height and width.
    pub fn size(&self) -> [u32; 2] {
        [self.height, self.width]
    }

    /// Run lengths, zeros first.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Number of set pixels.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).copied().map(u64::from).sum()
    }

    /// `[x, y, width, height]` of the smallest box around the set pixels; zeros if there are none.
    pub fn bbox(&self) -> [u32; 4] {
        let h = self.height as usize;
        let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
        for (start, end) in self.runs() {
            let last = end - 1;
            (x0, x1) = (x0.min(start / h), x1.max(last / h + 1));
            // A run that goes on in the next column passes the lower and the upper edge.
            let (top, bottom) = if start / h == last / h { (start % h, last % h + 1) } else { (0, h) };
            (y0, y1) = (y0.min(top), y1.max(bottom));
        }
        if x1 == 0 { [0; 4] } else { [x0 as u32, y0 as u32, (x1 - x0) as u32, (y1 - y0) as u32] }
    }

    /// Beginnings and ends of the runs of set pixels, counted down the columns; none is empty.
    fn runs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut at = 0;
        let runs = self.counts.iter().enumerate().map(move |(i, &count)| {
            let start = at;
            at += count as usize;
            (i % 2 == 1, start, at)
        });
        runs.filter(|&(set, start, end)| set && start < end).map(|(_, start, end)| (start, end))
    }
}

/// Puts runs together, down the columns; neighbours of one kind become one.
pub(super) struct Runs(Vec<u32>);

impl Runs {
    pub(super) fn new() -> Self {
        Self(vec![0])
    }

    /// `length` more pixels, set or not.
    pub(super) fn push(&mut self, set: bool, length: u32) {
        let goes_on = self.0.len().is_multiple_of(2) == set;
        if goes_on {
            *self.0.last_mut().expect("begins with one") += length;
        } else if length > 0 {
            self.0.push(length);
        }
    }

    /// The mask. Panics unless the runs fill it.
    pub(super) fn finish(self, [height, width]: [u32; 2]) -> Mask {
        assert_eq!(self.0.iter().sum::<u32>(), height * width, "one run for every pixel");
        Mask { height, width, counts: self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;

    #[test]
    fn runs_go_down_the_columns() {
        // 1 0 1
        // 0 0 1
        let mask = Mask::encode(&[1, 0, 1, 0, 0, 1], [2, 3]);
        assert_eq!(mask.counts(), [0, 1, 3, 2]);
        assert_eq!(mask.decode(), [1, 0, 1, 0, 0, 1]);
        assert_eq!((mask.area(), mask.bbox()), (3, [0, 0, 3, 2]));
    }

    #[test]
    fn random_masks_come_back() {
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let size = [1 + rng.below(40) as u32, 1 + rng.below(40) as u32];
            let density = rng.unit();
            let bits: Vec<u8> = (0..size[0] * size[1]).map(|_| u8::from(rng.chance(density))).collect();
            let mask = Mask::encode(&bits, size);
            assert_eq!(mask.decode(), bits);
            assert_eq!(Mask::parse(size, &mask.compact()).unwrap(), mask);
            let set = |i: &usize| bits[*i] != 0;
            let (w, all) = (size[1] as usize, 0..bits.len());
            assert_eq!(mask.area(), all.clone().filter(set).count() as u64);
            let xs = || all.clone().filter(set).map(|i| (i % w) as u32);
            let ys = || all.clone().filter(set).map(|i| (i / w) as u32);
            let want = match (xs().min(), ys().min()) {
                (Some(x), Some(y)) => [x, y, xs().max().unwrap() + 1 - x, ys().max().unwrap() + 1 - y],
                _ => [0; 4],
            };
            assert_eq!(mask.bbox(), want);
            let [x, y] = [rng.below(size[1] as usize), rng.below(size[0] as usize)];
            let [w2, h] = [1 + rng.below(size[1] as usize - x), 1 + rng.below(size[0] as usize - y)];
            let cut: Vec<u8> = (y..y + h).flat_map(|y| bits[y * w + x..][..w2].to_vec()).collect();
            assert_eq!(mask.within([x, y, w2, h].map(|v| v as u32)), cut);
        }
    }

    #[test]
    fn json_has_both_forms() {
        let from_text: Mask = serde_json::from_str(r#"{"size": [6, 6], "counts": "56d0M^O"}"#).unwrap();
        let from_runs: Mask = serde_json::from_str(r#"{"size": [6, 6], "counts": [5, 6, 20, 3, 2]}"#).unwrap();
        assert_eq!(from_text, from_runs);
        assert_eq!(serde_json::to_string(&from_runs).unwrap(), r#"{"size":[6,6],"counts":"56d0M^O"}"#);
        assert!(serde_json::from_str::<Mask>(r#"{"size": [6, 6], "counts": [5]}"#).is_err());
    }

    #[test]
    fn real_annotations_when_given() {
        let Some(root) = std::env::var_os("WGVISION_DATA") else {
            eprintln!("skipped: WGVISION_DATA does not name a folder that holds nuclei/instances_val.json");
            return;
        };
        let text = std::fs::read_to_string(std::path::Path::new(&root).join("nuclei/instances_val.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let annotations = json["annotations"].as_array().unwrap();
        assert!(!annotations.is_empty());
        for annotation in annotations {
            let written = &annotation["segmentation"];
            let mask: Mask = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(&serde_json::to_value(&mask).unwrap(), written);
            assert_eq!(Mask::encode(&mask.decode(), mask.size()), mask);
            assert_eq!(mask.area() as f64, annotation["area"].as_f64().unwrap());
            let bbox: Vec<f64> = annotation["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(mask.bbox().map(f64::from)[..], bbox);
        }
    }
}
