//! Tensors in files: `.safetensors` with metadata, read with care and written so that a killed process leaves a whole file.
//!
//! On disk tensors have PyTorch's order of dimensions; [`crate::tensor::layout`] converts.

mod file;
pub mod torchvision;

pub use file::{TensorFile, write_atomically};
