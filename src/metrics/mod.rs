//! How good predictions are, compared with the truth. Plain counting on the host.

mod average;
pub mod coco;
mod coco_masks;
pub mod segmentation;
pub mod voc;
