//! How good predictions are, compared with the truth. Plain counting on the host.

pub mod segmentation;
