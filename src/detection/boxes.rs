//! Boxes on the host: in labels, in detections, in measures.

use serde::{Deserialize, Serialize};

use super::Mask;

/// A box by its corners, in pixels of the picture it belongs to: the left and top edges of its first pixels, the right and
/// bottom edges of its last, so that a box around one pixel is 1 wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl BBox {
    /// From left, top, width and height, as COCO writes boxes.
    pub fn from_xywh(x: f32, y: f32, w: f32, h: f32) -> Self {
        Self { x0: x, y0: y, x1: x + w, y1: y + h }
    }

    /// From the centre, width and height.
    pub fn from_centre(x: f32, y: f32, w: f32, h: f32) -> Self {
        Self { x0: x - w / 2.0, y0: y - h / 2.0, x1: x + w / 2.0, y1: y + h / 2.0 }
    }

    /// Left, top, width and height.
    pub fn xywh(&self) -> [f32; 4] {
        [self.x0, self.y0, self.width(), self.height()]
    }

    /// x1 - x0; negative for a box turned inside out.
    pub fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    /// y1 - y0.
    pub fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    /// Area, 0 for a box turned inside out.
    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Centre x and y.
    pub fn centre(&self) -> [f32; 2] {
        [(self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0]
    }

    /// The part inside a picture of `width` by `height` pixels; its area is 0 if there is none.
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        Self {
            x0: self.x0.clamp(0.0, width),
            y0: self.y0.clamp(0.0, height),
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
        }
    }

    /// Area shared with another box.
    pub fn intersection(&self, other: &Self) -> f32 {
        let w = self.x1.min(other.x1) - self.x0.max(other.x0);
        let h = self.y1.min(other.y1) - self.y0.max(other.y0);
        w.max(0.0) * h.max(0.0)
    }

    /// Intersection over union, 0 where the union is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let both = self.intersection(other);
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// A labelled box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labelled {
    /// Where.
    pub bbox: BBox,
    /// Index into the class names.
    pub class: usize,
    /// COCO's `iscrowd`: stands for many objects, and is neither a hit nor a miss in the measures.
    pub crowd: bool,
    /// VOC's `difficult`: neither a hit nor a miss in the measures, and not trained on.
    pub difficult: bool,
    /// COCO's `area` of the object (of its mask, not of the box), where the labels give one.
    pub area: Option<f32>,
}

impl Labelled {
    /// An ordinary box.
    pub fn new(bbox: BBox, class: usize) -> Self {
        Self { bbox, class, crowd: false, difficult: false, area: None }
    }
}

/// A box that a network found, in pixels of the original picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where.
    pub bbox: BBox,
    /// Index into the class names.
    pub class: usize,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// A box that a network found, with the mask of what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Box, class and score.
    pub found: Detection,
    /// Of the original picture's size.
    pub mask: Mask,
}
