//! The three kinds of Darknet's detection heads, with the constants that decoding and loss need.

use serde::{Deserialize, Serialize};

/// A detection head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// YOLOv3's, one of several scales.
    Yolo(YoloHead),
    /// YOLOv2's.
    Region(RegionHead),
    /// YOLOv1's.
    Detection(DetectionHead),
}

impl Head {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Yolo(h) => h.classes,
            Self::Region(h) => h.classes,
            Self::Detection(h) => h.classes,
        }
    }
}

/// What the coordinates are trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoordinateLoss {
    /// The head's own squared errors.
    #[default]
    Mse,
    /// 1 - IoU.
    Iou,
    /// 1 - GIoU (Rezatofighi et al. 2019).
    Giou,
    /// 1 - DIoU (Zheng et al. 2020).
    Diou,
    /// 1 - CIoU (Zheng et al. 2020).
    Ciou,
}

/// A `[yolo]` section: YOLOv3, and what forks added to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct YoloHead {
    /// All anchors of the network, width and height in pixels of its input.
    pub anchors: Vec<[f32; 2]>,
    /// Which of them are this head's, in the order of its channels.
    pub mask: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// No objectness loss where a prediction overlaps a true box by more than this.
    pub ignore_thresh: f32,
    /// An anchor beside the best one is trained too where its shape's IoU is above this (1: never; `iou_thresh` in cfg).
    pub iou_thresh: f32,
    /// Stretch of the centre's sigmoid around its middle (`scale_x_y`).
    pub scale_x_y: f32,
    /// What the coordinates are trained with.
    pub coordinate_loss: CoordinateLoss,
    /// Weight of the coordinate loss where it is an IoU loss (`iou_normalizer`).
    pub iou_normalizer: f32,
    /// Weight of the classes (`cls_normalizer`).
    pub cls_normalizer: f32,
    /// Weight of the objectness (`obj_normalizer`).
    pub obj_normalizer: f32,
}

impl Default for YoloHead {
    fn default() -> Self {
        Self {
            anchors: Vec::new(),
            mask: Vec::new(),
            classes: 20,
            ignore_thresh: 0.5,
            iou_thresh: 1.0,
            scale_x_y: 1.0,
            coordinate_loss: CoordinateLoss::Mse,
            iou_normalizer: 0.75,
            cls_normalizer: 1.0,
            obj_normalizer: 1.0,
        }
    }
}

/// A `[region]` section: YOLOv2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionHead {
    /// Anchors, width and height in cells.
    pub anchors: Vec<[f32; 2]>,
    /// Number of classes.
    pub classes: usize,
    /// Classes by softmax (else by independent sigmoids).
    pub softmax: bool,
    /// Boxes are matched to anchors by the anchors' shapes rather than the predictions'.
    pub bias_match: bool,
    /// The confidence's target is the IoU rather than 1.
    pub rescore: bool,
    /// No confidence loss where a prediction overlaps a true box by more than this.
    pub thresh: f32,
    /// Weight of the confidence where there is an object.
    pub object_scale: f32,
    /// Weight of the confidence elsewhere.
    pub noobject_scale: f32,
    /// Weight of the classes.
    pub class_scale: f32,
    /// Weight of the coordinates.
    pub coord_scale: f32,
    /// What the coordinates are trained with.
    pub coordinate_loss: CoordinateLoss,
}

impl Default for RegionHead {
    fn default() -> Self {
        Self {
            anchors: Vec::new(),
            classes: 20,
            softmax: true,
            bias_match: true,
            rescore: true,
            thresh: 0.6,
            object_scale: 5.0,
            noobject_scale: 1.0,
            class_scale: 1.0,
            coord_scale: 1.0,
            coordinate_loss: CoordinateLoss::Mse,
        }
    }
}

/// A `[detection]` section: YOLOv1. Its input is the last connected layer's output, (N, side*side*(classes + num*5)): first the
/// classes of every cell, then every cell's confidences, then every cell's boxes (x, y in the cell, w, h or their roots).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionHead {
    /// Cells in each direction.
    pub side: usize,
    /// Boxes per cell.
    pub num: usize,
    /// Number of classes.
    pub classes: usize,
    /// The network predicts square roots of width and height.
    pub sqrt: bool,
    /// Classes by softmax.
    pub softmax: bool,
    /// The confidence's target is the IoU (the paper and Darknet) rather than 1 (the lectures).
    pub rescore: bool,
    /// Weight of the confidence where there is an object.
    pub object_scale: f32,
    /// Weight of the confidence elsewhere.
    pub noobject_scale: f32,
    /// Weight of the classes.
    pub class_scale: f32,
    /// Weight of the coordinates.
    pub coord_scale: f32,
    /// What the coordinates are trained with.
    pub coordinate_loss: CoordinateLoss,
}

impl Default for DetectionHead {
    fn default() -> Self {
        Self {
            side: 7,
            num: 2,
            classes: 20,
            sqrt: true,
            softmax: false,
            rescore: true,
            object_scale: 1.0,
            noobject_scale: 0.5,
            class_scale: 1.0,
            coord_scale: 5.0,
            coordinate_loss: CoordinateLoss::Mse,
        }
    }
}
