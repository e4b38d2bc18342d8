//! The list of detections that COCO calls results, written and read back.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::malformed;
use crate::data::labelled::LabelledPictures;
use crate::detection::{BBox, Detection, Instance, Mask};
use crate::{Error, Result};

/// One detection as COCO's results have it, with names beside the ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct ResultRow {
    /// COCO's image id, see [`super::labelled::LabelledPicture::id`].
    pub image_id: u64,
    /// The picture's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file_name: String,
    /// COCO's category id.
    pub category_id: u64,
    /// The class's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Left, top, width and height in pixels of the original picture.
    pub bbox: [f32; 4],
    /// The mask, of the original picture's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<Mask>,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// A row as others write it: names are ours alone, and with a mask the box may be missing.
#[derive(Deserialize)]
struct Written {
    image_id: u64,
    #[serde(default)]
    file_name: String,
    category_id: u64,
    #[serde(default)]
    category: String,
    bbox: Option<[f32; 4]>,
    segmentation: Option<Mask>,
    score: f32,
}

impl TryFrom<Written> for ResultRow {
    type Error = String;
    fn try_from(row: Written) -> Result<Self, String> {
        let Written { image_id, file_name, category_id, category, bbox, segmentation, score } = row;
        let around = || segmentation.as_ref().map(|mask| mask.bbox().map(|v| v as f32));
        let bbox = bbox.or_else(around).ok_or("missing field `bbox`, and no `segmentation` to take it from")?;
        Ok(Self { image_id, file_name, category_id, category, bbox, segmentation, score })
    }
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
            segmentation: None,
            score: found.score,
        }
    }

    /// The same with the mask of the detection.
    pub fn with_mask(self, mask: Mask) -> Self {
        Self { segmentation: Some(mask), ..self }
    }
}

/// Reads a list of results. Fails, naming the line, if the file is no such JSON.
pub fn read_results(file: impl AsRef<Path>) -> Result<Vec<ResultRow>> {
    let file = file.as_ref();
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    serde_json::from_str(&text).map_err(|e| malformed(file, &text, &e))
}

/// Results by picture, in the order of `pictures`, with classes for category ids. Fails on ids that are not there.
pub fn results_by_picture<D: LabelledPictures + ?Sized>(
    rows: &[ResultRow],
    pictures: &D,
    ids: &[u64],
) -> Result<Vec<Vec<Detection>>> {
    by_picture(rows, pictures, ids, |_, _, found| Ok(found))
}

/// The same with masks. Fails also on a result without one, and on a mask of another size than its picture.
pub fn instances_by_picture<D: LabelledPictures + ?Sized>(
    rows: &[ResultRow],
    pictures: &D,
    ids: &[u64],
) -> Result<Vec<Vec<Instance>>> {
    let sizes: Vec<[usize; 2]> = (0..ids.len()).map(|i| Ok(pictures.labels(i)?.size)).collect::<Result<_>>()?;
    by_picture(rows, pictures, ids, |number, picture, found| {
        let wrong = |what: String| Error::Usage(format!("results: number {number} {what}"));
        let mask = rows[number].segmentation.clone().ok_or_else(|| wrong("has no segmentation".into()))?;
        let ([h, w], own) = (sizes[picture], mask.size());
        if own.map(|v| v as usize) != [h, w] {
            return Err(wrong(format!("has a mask of {} by {} for a picture of {h} by {w} pixels", own[0], own[1])));
        }
        Ok(Instance { found, mask })
    })
}

/// `make` turns the number of a row, the index of its picture and its detection into what is listed.
fn by_picture<D: LabelledPictures + ?Sized, T: Clone>(
    rows: &[ResultRow],
    pictures: &D,
    ids: &[u64],
    make: impl Fn(usize, usize, Detection) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let index: HashMap<u64, usize> = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
    let classes: HashMap<u64, usize> = pictures.category_ids().into_iter().enumerate().map(|(c, id)| (id, c)).collect();
    let mut out = vec![Vec::new(); ids.len()];
    for (number, row) in rows.iter().enumerate() {
        let unknown = |what: &str, id| {
            Error::Usage(format!("results: number {number} is of {what} {id}, which the labels have not"))
        };
        let picture = *index.get(&row.image_id).ok_or_else(|| unknown("image", row.image_id))?;
        let class = *classes.get(&row.category_id).ok_or_else(|| unknown("category", row.category_id))?;
        let [x, y, w, h] = row.bbox;
        let found = Detection { bbox: BBox::from_xywh(x, y, w, h), class, score: row.score };
        out[picture].push(make(number, picture, found)?);
    }
    Ok(out)
}
