//! Networks, each a function that reads like its paper's figure.

pub mod backbone;
pub mod darknet;
pub mod unet;
