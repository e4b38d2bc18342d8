//! What the ops on detection heads share on the host side: the layout of a raw head, its constants, the uniform of all their
//! kernels. `shaders/lib/head.wgsl` has the other side, formulas included.

use super::{Attr, Attrs, shape_error};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

/// Anchors that fit the uniform.
pub const MOST_ANCHORS: usize = 32;

crate::uniform! {
    /// Uniform of the kernels on heads. Those that only decode leave the members from `truths` on at zero, but for `softmax` and `root`.
    pub struct Params {
        pictures: u32, height: u32, width: u32, boxes: u32,
        classes: u32, anchor_count: u32, softmax: u32, root: u32,
        input_width: f32, input_height: f32, scale_xy: f32, truths: u32,
        coordinate: u32, bias_match: u32, rescore: u32, has_prior: u32,
        ignore_thresh: f32, match_thresh: f32, object_scale: f32, noobject_scale: f32,
        class_scale: f32, coord_scale: f32, iou_scale: f32, pad0: u32,
        anchor: [[f32; 4]; MOST_ANCHORS / 2],
        mask: [[u32; 4]; MOST_ANCHORS / 4],
    }
}

/// Override sets of the kernels on heads: one for each kind.
pub const VARIANTS: &[crate::gpu::Variant] = &[&[("KIND", 1.0)], &[("KIND", 2.0)]];

/// Whose layout and formulas a head has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Darknet's `[yolo]`, YOLOv3.
    Yolo,
    /// Darknet's `[region]`, YOLOv2.
    Region,
    /// Darknet's `[detection]`, YOLOv1.
    Detection,
}

/// Layout and constants of a head, as far as decoding needs them.
///
/// `Yolo` and `Region` are (N, H, W, A*(5+C)): for each of the A own anchors x, y, w, h, objectness, classes. `Detection` is
/// (N, side*side*(C+5B)): the classes of all cells, then all confidences (cell, box), then all boxes (cell, box, x y w h).
#[derive(Clone, Debug, PartialEq)]
pub struct HeadSpec {
    /// Which kind.
    pub kind: HeadKind,
    /// Width and height of all anchors of the network: in pixels of its input (`Yolo`) or in cells (`Region`); at most 32.
    pub anchors: Vec<[f32; 2]>,
    /// Those of this head, in the order of its channels. `Region` and `Yolo` alone.
    pub mask: Vec<usize>,
    /// Cells in each direction; `Detection` alone.
    pub side: usize,
    /// Boxes per cell; `Detection` alone.
    pub num: usize,
    /// Number of classes.
    pub classes: usize,
    /// Stretch of the centre's sigmoid around its middle; `Yolo` alone.
    pub scale_x_y: f32,
    /// Classes by softmax; `Region` and `Detection`.
    pub softmax: bool,
    /// Width and height are squared; `Detection` alone.
    pub sqrt: bool,
    /// Height and width of the network's input in pixels.
    pub input: [usize; 2],
}

impl HeadSpec {
    /// Attributes of the registry's entries that [`HeadSpec::from_attrs`] reads.
    pub const ATTRS: [Attr; 10] = [
        Attr { name: "kind", default: "yolo", doc: "yolo, region or detection: Darknet's section" },
        Attr { name: "anchors", default: "[]", doc: "w, h, w, h, ... in pixels of the input (yolo) or cells (region)" },
        Attr { name: "mask", default: "all", doc: "this head's anchors" },
        Attr { name: "side", default: "7", doc: "detection: cells in each direction" },
        Attr { name: "num", default: "2", doc: "detection: boxes per cell" },
        Attr { name: "classes", default: "20", doc: "number of classes" },
        Attr { name: "scale_x_y", default: "1", doc: "yolo: stretch of the centre's sigmoid" },
        Attr { name: "softmax", default: "false", doc: "region, detection: classes by softmax" },
        Attr { name: "sqrt", default: "false", doc: "detection: width and height are squared" },
        Attr { name: "input", default: "416", doc: "h, w of the network's input in pixels" },
    ];

    /// From attributes. Fails on those that make no head.
    pub fn from_attrs(attrs: &Attrs) -> Result<Self> {
        let kind = match attrs.choice("kind", "yolo", &["yolo", "region", "detection"])?.as_str() {
            "yolo" => HeadKind::Yolo,
            "region" => HeadKind::Region,
            _ => HeadKind::Detection,
        };
        let flat = attrs.floats("anchors")?.unwrap_or_default();
        let (pairs, []) = flat.as_chunks::<2>() else {
            return Err(attrs.fail("anchors", format!("must be pairs of width and height, got {} numbers", flat.len())));
        };
        let mask = match attrs.list("mask")? {
            None => (0..pairs.len()).collect(),
            Some(list) => list
                .iter()
                .map(|&i| usize::try_from(i).map_err(|_| attrs.fail("mask", format!("must not be negative, got {i}"))))
                .collect::<Result<_>>()?,
        };
        let spec = Self {
            kind,
            anchors: pairs.to_vec(),
            mask,
            side: attrs.size("side", 7)?,
            num: attrs.size("num", 2)?,
            classes: attrs.size("classes", 20)?,
            scale_x_y: attrs.float("scale_x_y", 1.0)?,
            softmax: attrs.flag("softmax", false)?,
            sqrt: attrs.flag("sqrt", false)?,
            input: attrs.pair("input", [416, 416])?,
        };
        spec.check().map_err(|(name, message)| attrs.fail(name, message))?;
        Ok(spec)
    }

    /// The attribute that cannot be used, and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let positive = |v: f32| v.is_finite() && v > 0.0;
        if self.classes == 0 {
            return Err(("classes", "must be positive".into()));
        }
        if self.input.contains(&0) {
            return Err(("input", format!("must be positive, got {:?}", self.input)));
        }
        if self.kind == HeadKind::Detection {
            let empty = self.side == 0 || self.num == 0;
            return if empty { Err(("side", "and num must be positive".into())) } else { Ok(()) };
        }
        if self.anchors.is_empty() || self.anchors.len() > MOST_ANCHORS {
            return Err(("anchors", format!("must be 1 to {MOST_ANCHORS} pairs, got {}", self.anchors.len())));
        }
        if let Some(bad) = self.anchors.iter().flatten().find(|v| !positive(**v)) {
            return Err(("anchors", format!("must be positive, got {bad}")));
        }
        if let Some(bad) = self.mask.iter().find(|&&m| m >= self.anchors.len()) {
            return Err(("mask", format!("names anchor {bad} of {}", self.anchors.len())));
        }
        if self.mask.is_empty() || self.mask.len() > MOST_ANCHORS {
            return Err(("mask", format!("must name 1 to {MOST_ANCHORS} anchors, got {}", self.mask.len())));
        }
        if !positive(self.scale_x_y) {
            return Err(("scale_x_y", format!("must be positive, got {}", self.scale_x_y)));
        }
        Ok(())
    }

    /// Boxes in a cell.
    pub fn boxes(&self) -> usize {
        if self.kind == HeadKind::Detection { self.num } else { self.mask.len() }
    }

    /// Pictures, rows and columns of a raw head. Fails where `x` is not one.
    pub fn grid(&self, op: &str, node: &str, x: &TensorType) -> Result<[usize; 3]> {
        if let Err((name, message)) = self.check() {
            return Err(Error::Attribute { op: op.into(), message: format!("'{node}': attribute '{name}' {message}") });
        }
        let (boxes, side) = (self.boxes(), self.side);
        let float = x.dtype == DType::F32 && x.elements() > 0;
        let (grid, expected) = if self.kind == HeadKind::Detection {
            let row = side * side * (self.classes + 5 * boxes);
            let fits = float && x.shape.rank() == 2 && x.shape[1] == row;
            (fits.then(|| [x.shape[0], side, side]), format!("f32 (N, {row})"))
        } else {
            let channels = boxes * (5 + self.classes);
            let grid = x.shape.nhwc().filter(|s| float && s[3] == channels).map(|[n, h, w, _]| [n, h, w]);
            (grid, format!("f32 (N, H, W, {channels})"))
        };
        grid.ok_or_else(|| shape_error(op, node, "x", expected, x))
    }

    /// Boxes of a picture.
    pub fn places(&self, [_, height, width]: [usize; 3]) -> usize {
        height * width * self.boxes()
    }

    /// The kind as the kernels take it.
    pub fn overrides(&self) -> [(&'static str, f64); 1] {
        let kind = match self.kind {
            HeadKind::Yolo => 0.0,
            HeadKind::Region => 1.0,
            HeadKind::Detection => 2.0,
        };
        [("KIND", kind)]
    }

    /// The uniform as far as decoding needs it. Anchors become shares of the input.
    pub fn params(&self, [pictures, height, width]: [usize; 3]) -> Params {
        let unit = if self.kind == HeadKind::Yolo { self.input } else { [height, width] };
        let mut anchor = [[0.0; 4]; MOST_ANCHORS / 2];
        for (i, [w, h]) in self.anchors.iter().enumerate().take(MOST_ANCHORS) {
            anchor[i / 2][2 * (i % 2)] = w / unit[1] as f32;
            anchor[i / 2][2 * (i % 2) + 1] = h / unit[0] as f32;
        }
        let mut mask = [[0; 4]; MOST_ANCHORS / 4];
        for (i, &m) in self.mask.iter().enumerate().take(MOST_ANCHORS) {
            mask[i / 4][i % 4] = m as u32;
        }
        Params {
            pictures: pictures as u32,
            height: height as u32,
            width: width as u32,
            boxes: self.boxes() as u32,
            classes: self.classes as u32,
            anchor_count: self.anchors.len() as u32,
            softmax: u32::from(self.softmax && self.kind != HeadKind::Yolo),
            root: u32::from(self.sqrt),
            input_width: self.input[1] as f32,
            input_height: self.input[0] as f32,
            scale_xy: if self.kind == HeadKind::Yolo { self.scale_x_y } else { 1.0 },
            anchor,
            mask,
            ..Default::default()
        }
    }
}
