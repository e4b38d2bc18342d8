//! The three forms in which an annotation gives its mask: polygons, run lengths, and those as a compact string.

use serde::Deserialize;

use crate::detection::Mask;
use crate::{Error, Result};

/// An annotation's `segmentation` as it stands in the file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a segmentation is a list of polygons, or run lengths as size and counts")]
pub(super) enum Segmentation {
    /// Lists of x, y, x, y, ...; the mask is what lies in any of them.
    Polygons(Vec<Vec<f64>>),
    /// Height and width, and runs.
    Runs { size: [u32; 2], counts: Counts },
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Counts {
    Text(String),
    Runs(Vec<u32>),
}

impl Segmentation {
    /// The mask on a picture of height and width `size`; none if the list of polygons is empty. Fails on what is no
    /// polygon, on runs that do not fill the mask or go beyond it, and on a mask of another size.
    pub fn mask(self, size: [u32; 2]) -> Result<Option<Mask>> {
        let mask = match self {
            Self::Polygons(list) if list.is_empty() => return Ok(None),
            Self::Polygons(list) => Mask::from_polygons(size, &list)?,
            Self::Runs { size: own, .. } if own != size => {
                return Err(Error::Usage(format!(
                    "RLE: a mask of {} by {} for a picture of {} by {} pixels (height by width)",
                    own[0], own[1], size[0], size[1]
                )));
            }
            Self::Runs { counts: Counts::Text(text), .. } => Mask::parse(size, &text)?,
            Self::Runs { counts: Counts::Runs(runs), .. } => Mask::from_counts(size, runs)?,
        };
        Ok(Some(mask))
    }
}
