//! `[yolo]`, `[region]` and `[detection]` sections as heads, with Darknet's keys and defaults.

use super::cfg::Reader;
use crate::Result;
use crate::detection::{CoordinateLoss, DetectionHead, Head, RegionHead, YoloHead};

/// Most classes, anchors or cells that a head may have.
const MOST: usize = 1 << 16;

/// A `[yolo]` section.
pub fn yolo(s: &Reader<'_>) -> Result<Head> {
    s.refuse(&["new_coords"])?;
    let anchors = anchors(s, s.bounded("num", 1)?)?;
    let mask: Vec<usize> = s.list("mask", "anchor numbers between commas")?;
    let mask = if mask.is_empty() { (0..anchors.len()).collect() } else { mask };
    if let Some(beyond) = mask.iter().find(|&&m| m >= anchors.len()) {
        return Err(s.wrong("mask", format!("names anchor {beyond}, there are {} (from 0)", anchors.len())));
    }
    Ok(Head::Yolo(YoloHead {
        anchors,
        mask,
        classes: s.bounded("classes", 20)?,
        ignore_thresh: s.float("ignore_thresh", 0.5)?,
        iou_thresh: s.float("iou_thresh", 1.0)?,
        scale_x_y: s.float("scale_x_y", 1.0)?,
        coordinate_loss: coordinate_loss(s)?,
        iou_normalizer: s.float("iou_normalizer", 0.75)?,
        cls_normalizer: s.float("cls_normalizer", 1.0)?,
        obj_normalizer: s.float("obj_normalizer", 1.0)?,
    }))
}

/// A `[region]` section.
pub fn region(s: &Reader<'_>) -> Result<Head> {
    s.refuse(&["background", "tree", "map", "log"])?;
    four_coordinates(s, 4)?;
    Ok(Head::Region(RegionHead {
        anchors: anchors(s, s.bounded("num", 1)?)?,
        classes: s.bounded("classes", 20)?,
        softmax: s.flag("softmax", false)?,
        bias_match: s.flag("bias_match", false)?,
        rescore: s.flag("rescore", false)?,
        thresh: s.float("thresh", 0.5)?,
        object_scale: s.float("object_scale", 1.0)?,
        noobject_scale: s.float("noobject_scale", 1.0)?,
        class_scale: s.float("class_scale", 1.0)?,
        coord_scale: s.float("coord_scale", 1.0)?,
        coordinate_loss: coordinate_loss(s)?,
    }))
}

/// A `[detection]` section.
pub fn detection(s: &Reader<'_>) -> Result<Head> {
    four_coordinates(s, 1)?;
    Ok(Head::Detection(DetectionHead {
        side: s.bounded("side", 7)?,
        num: s.bounded("num", 1)?,
        classes: s.bounded("classes", 1)?,
        sqrt: s.flag("sqrt", false)?,
        softmax: s.flag("softmax", false)?,
        rescore: s.flag("rescore", false)?,
        object_scale: s.float("object_scale", 1.0)?,
        noobject_scale: s.float("noobject_scale", 1.0)?,
        class_scale: s.float("class_scale", 1.0)?,
        coord_scale: s.float("coord_scale", 1.0)?,
        coordinate_loss: coordinate_loss(s)?,
    }))
}

/// Features in each cell that the head reads, or in all of a `[detection]` head.
pub fn features(head: &Head) -> usize {
    match head {
        Head::Yolo(h) => h.mask.len() * (5 + h.classes),
        Head::Region(h) => h.anchors.len() * (5 + h.classes),
        Head::Detection(h) => h.side * h.side * (h.classes + 5 * h.num),
    }
}

impl Reader<'_> {
    /// A count of at least 1 that a head can have.
    fn bounded(&self, key: &str, default: usize) -> Result<usize> {
        match self.positive(key, default)? {
            n if n <= MOST => Ok(n),
            n => Err(self.wrong(key, format!("is {n}, beyond {MOST}"))),
        }
    }
}

/// `num` pairs. Without `anchors` all sides are a half, as in Darknet.
fn anchors(s: &Reader<'_>, num: usize) -> Result<Vec<[f32; 2]>> {
    let numbers: Vec<f32> = s.list("anchors", "numbers between commas")?;
    if numbers.is_empty() {
        return Ok(vec![[0.5, 0.5]; num]);
    }
    if numbers.len() != 2 * num {
        return Err(s.wrong("anchors", format!("holds {} numbers, num={num} asks for {}", numbers.len(), 2 * num)));
    }
    match numbers.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
        Some(v) => Err(s.wrong("anchors", format!("must be positive, got {v}"))),
        None => Ok(numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()),
    }
}

fn coordinate_loss(s: &Reader<'_>) -> Result<CoordinateLoss> {
    Ok(match s.word("iou_loss", "mse") {
        "mse" => CoordinateLoss::Mse,
        "iou" => CoordinateLoss::Iou,
        "giou" => CoordinateLoss::Giou,
        "diou" => CoordinateLoss::Diou,
        "ciou" => CoordinateLoss::Ciou,
        other => {
            return Err(s.wrong("iou_loss", format!("'{other}' is not known; known are mse, iou, giou, diou, ciou")));
        }
    })
}

fn four_coordinates(s: &Reader<'_>, default: usize) -> Result<()> {
    match s.count("coords", default)? {
        4 => Ok(()),
        other => Err(s.wrong("coords", format!("must be 4, got {other}"))),
    }
}
