//! Parameters with their names and first values, and the layers networks are made of.
//!
//! A layer is a function that adds nodes under a scope and returns a value. Names follow PyTorch: `conv.weight`, `bn.running_mean`.

mod connected;
pub mod formula;
mod init;
mod layers;
mod norm;

pub use connected::{BINDING, Connected, WeightInit};
pub use init::{Init, Net, ParameterSpec, first_value, initialise, reserve};
pub use layers::{Conv, UpConv};
pub use norm::{After, BatchNormLayer, Norm};
