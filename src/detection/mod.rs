//! Boxes, masks and detection heads: what labels, networks, losses, measures and pictures of detectors agree on.
//!
//! On the device, one convention everywhere:
//!
//! | tensor | type | what |
//! |---|---|---|
//! | truth boxes | f32 (N, T, 4) | centre x, centre y, width, height as shares of the network's input |
//! | truth classes | i32 (N, T) | class, or -1 where a picture has fewer than T boxes |
//! | raw head | f32 (N, H, W, A*(5+C)) | per anchor x, y, w, h, objectness, classes, as the last convolution left them |
//! | decoded boxes | f32 (N, M, 4) | corners x0, y0, x1, y1 in pixels of the network's input |
//! | decoded scores | f32 (N, M, C) | probability of each class |

pub mod anchors;
pub mod boxes;
pub mod decode;
pub mod heads;
pub mod loss;
pub mod mask;
pub mod paste;
pub mod retina_head;
pub mod roi_heads;
pub mod roi_parts;
pub mod rpn;
pub mod select;
mod shared;
pub mod truth;

pub use anchors::AnchorSpec;
pub use boxes::{BBox, Detection, Instance, Labelled};
pub use decode::decode;
pub use heads::{CoordinateLoss, DetectionHead, Head, RegionHead, YoloHead};
pub use loss::{HeadLoss, head_loss};
pub use mask::Mask;
pub use select::{Select, Selected, select_detections};
