//! Pictures and their labels: where they come from and how they reach a network.

pub mod anchors;
pub mod augment;
pub mod border;
pub mod cache;
pub mod classes;
pub mod coco;
pub mod coco_names;
pub mod detection;
pub mod formats;
pub mod jitter;
mod jpeg;
pub mod labelled;
pub mod letterbox;
pub mod loader;
pub mod normalise;
pub mod pairs;
mod palette;
pub mod picture;
pub mod plates;
pub mod rng;
pub mod scenes;
pub mod schedule;
pub mod segmentation;
pub mod tiles;
pub mod voc;
pub mod warp;
pub mod yolo_labels;
