//! Masks as COCO writes them: run lengths down the columns, as numbers or as a compact string.
//!
//! Runs alternate between 0 and 1 and begin with 0, which may be empty. The string holds each run as 6-bit
//! characters from '0' on, five bits of the number and one that says whether more follow, low bits first and the
//! last one signed; from the fourth run on it is the difference to the run before the last.

use serde::{Deserialize, Serialize};

use super::picture::MAX_PIXELS;
use crate::{Error, Result};

/// A binary mask as run lengths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Rle {
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

impl TryFrom<Written> for Rle {
    type Error = Error;
    fn try_from(written: Written) -> Result<Self> {
        match written.counts {
            Counts::Text(text) => Self::parse(written.size, &text),
            Counts::Runs(runs) => Self::from_counts(written.size, runs),
        }
    }
}

impl From<Rle> for Written {
    fn from(rle: Rle) -> Self {
        Self { size: rle.size(), counts: Counts::Text(rle.compact()) }
    }
}

impl Rle {
    /// From a mask (H, W), row by row; anything but 0 is set. `size` is height and width.
    pub fn encode(mask: &[u8], size: [u32; 2]) -> Self {
        let [height, width] = size;
        assert_eq!(mask.len(), height as usize * width as usize, "one value per pixel");
        let mut counts = vec![0];
        let mut set = false;
        for i in 0..mask.len() {
            let (x, y) = (i / height as usize, i % height as usize);
            if (mask[y * width as usize + x] != 0) != set {
                set = !set;
                counts.push(0);
            }
            *counts.last_mut().expect("begins with one") += 1;
        }
        Self { height, width, counts }
    }

    /// From run lengths. Fails unless they add up to the mask's pixels, [`MAX_PIXELS`] at most.
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
                "RLE: runs of {sum} pixels in all do not fill a mask of {} by {} ({pixels} pixels)",
                size[0], size[1]
            )));
        }
        Ok(Self { height: size[0], width: size[1], counts })
    }

    /// From the compact string. Fails if it holds other characters, ends within a number, or does not fill the mask.
    pub fn parse(size: [u32; 2], text: &str) -> Result<Self> {
        let wrong = |at: usize, what: &str| Error::Usage(format!("RLE: {what} at character {at} of {text:.40?}"));
        let mut counts: Vec<u32> = Vec::new();
        let mut characters = text.bytes().enumerate();
        while let Some((at, mut byte)) = characters.next() {
            let (mut value, mut shift) = (0i64, 0);
            loop {
                let bits = byte.wrapping_sub(b'0');
                if bits >= 64 || shift > 35 {
                    return Err(wrong(at, "no number"));
                }
                value |= i64::from(bits & 31) << shift;
                shift += 5;
                if bits & 32 == 0 {
                    if bits & 16 != 0 {
                        value |= -1 << shift;
                    }
                    break;
                }
                byte = characters.next().ok_or_else(|| wrong(at, "a number that does not end"))?.1;
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            counts.push(u32::try_from(value).map_err(|_| wrong(at, "a run of impossible length"))?);
        }
        Self::from_counts(size, counts)
    }

    /// The compact string.
    pub fn compact(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let mut value = i64::from(count) - if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            loop {
                let bits = (value & 31) as u8;
                value >>= 5;
                // Done when what is left is only the sign of the last five bits.
                let more = value != if bits & 16 != 0 { -1 } else { 0 };
                text.push(char::from(b'0' + bits + if more { 32 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rng::Rng;

    #[test]
    fn runs_go_down_the_columns() {
        // 1 0 1
        // 0 0 1
        let rle = Rle::encode(&[1, 0, 1, 0, 0, 1], [2, 3]);
        assert_eq!(rle.counts(), [0, 1, 3, 2]);
        assert_eq!(rle.decode(), [1, 0, 1, 0, 0, 1]);
        assert_eq!((rle.area(), rle.bbox()), (3, [0, 0, 3, 2]));
    }

    #[test]
    fn known_strings() {
        // By hand: 5 -> '5'; 6 -> '6'; 20 -> 101001 0|00000 -> 'd0'; 3 - 6 = -3 -> 11101 -> 'M'; 2 - 20 -> -18 -> '^O'.
        let rle = Rle::from_counts([6, 6], vec![5, 6, 20, 3, 2]).unwrap();
        assert_eq!(rle.compact(), "56d0M^O");
        assert_eq!(Rle::parse([6, 6], "56d0M^O").unwrap(), rle);
        assert_eq!(Rle::encode(&[0; 4], [2, 2]).compact(), "4");
        assert_eq!(Rle::encode(&[1; 4], [2, 2]).compact(), "04");
    }

    #[test]
    fn random_masks_come_back() {
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let size = [1 + rng.below(40) as u32, 1 + rng.below(40) as u32];
            let density = rng.unit();
            let mask: Vec<u8> = (0..size[0] * size[1]).map(|_| u8::from(rng.chance(density))).collect();
            let rle = Rle::encode(&mask, size);
            assert_eq!(rle.decode(), mask);
            assert_eq!(Rle::parse(size, &rle.compact()).unwrap(), rle);
            let set = |i: &usize| mask[*i] != 0;
            let (w, all) = (size[1] as usize, 0..mask.len());
            assert_eq!(rle.area(), all.clone().filter(set).count() as u64);
            let xs = || all.clone().filter(set).map(|i| (i % w) as u32);
            let ys = || all.clone().filter(set).map(|i| (i / w) as u32);
            let want = match (xs().min(), ys().min()) {
                (Some(x), Some(y)) => [x, y, xs().max().unwrap() + 1 - x, ys().max().unwrap() + 1 - y],
                _ => [0; 4],
            };
            assert_eq!(rle.bbox(), want);
        }
    }

    #[test]
    fn malformed_strings_are_errors() {
        for (text, word) in [
            ("5é", "no number"),
            ("5!", "no number"),
            ("5d", "does not end"),
            ("M", "impossible length"),
            ("999", "do not fill"),
            ("dddddddddddddd0", "no number"),
        ] {
            let error = Rle::parse([6, 6], text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(Rle::from_counts([1 << 31, 1 << 10], vec![u32::MAX; 512]).unwrap_err().to_string().contains("larger"));
        assert!(Rle::parse([0, 0], "").unwrap().decode().is_empty());
    }

    #[test]
    fn json_has_both_forms() {
        let from_text: Rle = serde_json::from_str(r#"{"size": [6, 6], "counts": "56d0M^O"}"#).unwrap();
        let from_runs: Rle = serde_json::from_str(r#"{"size": [6, 6], "counts": [5, 6, 20, 3, 2]}"#).unwrap();
        assert_eq!(from_text, from_runs);
        assert_eq!(serde_json::to_string(&from_runs).unwrap(), r#"{"size":[6,6],"counts":"56d0M^O"}"#);
        assert!(serde_json::from_str::<Rle>(r#"{"size": [6, 6], "counts": [5]}"#).is_err());
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
            let rle: Rle = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(&serde_json::to_value(&rle).unwrap(), written);
            assert_eq!(Rle::encode(&rle.decode(), rle.size()), rle);
            assert_eq!(rle.area() as f64, annotation["area"].as_f64().unwrap());
            let bbox: Vec<f64> = annotation["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(rle.bbox().map(f64::from)[..], bbox);
        }
    }
}
