//! The whole flow: train a network, load it, run it on pictures, measure it. Each on a screen or two.

pub mod bench;
pub mod bench_models;
pub mod checkpoint;
pub mod demo;
pub mod detection_model;
pub mod detector;
pub mod detector_model;
pub mod evaluate;
pub mod evaluate_detection;
pub mod instance_model;
pub mod model;
pub mod network;
pub mod parameters;
pub mod segmenter;
pub mod train;
pub mod train_detection;
pub mod train_instances;
pub mod train_segmentation;
pub mod tune;

pub use detection_model::DetectionModel;
pub use detector::{Detector, Found};
pub use detector_model::DetectorModel;
pub use instance_model::InstanceModel;
pub use model::SegmentationModel;
pub use segmenter::{Segmentation, Segmenter};
pub use train::{Progress, TrainSettings, Trainer};
