//! Networks, each a function that reads like its paper's figure.

pub mod backbone;
pub mod classifier;
pub mod darknet;
pub mod instance;
pub mod rcnn;
pub mod retinanet;
pub mod unet;
