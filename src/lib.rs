//! wgvision: detection and segmentation networks, trained and run in hand-written WGSL.
//!
//! The modules are listed in the order in which data flows; each may use only those above it.

pub mod error;
pub mod tensor;

pub mod gpu;
pub mod ops;

pub mod graph;

pub mod nn;

pub mod detection;
pub mod losses;
pub mod optim;

pub mod data;
pub mod draw;
pub mod metrics;
pub mod models;
pub mod weights;

pub mod engine;

pub mod cli;

pub use error::{Error, Result};
