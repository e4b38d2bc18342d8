//! Whole networks: planning, training steps, fusing, resuming, and what happens with bad input.

mod backbone;
mod bad_detection;
mod bad_input;
mod bad_instances;
mod darknet;
mod detection;
mod instances;
mod measuring;
mod plan;
mod rcnn;
mod training;
mod tune;
mod unet;
