//! How good predictions are, compared with the truth. Plain counting on the host.

mod average;
pub mod coco;
pub mod segmentation;
pub mod voc;
