//! Every kernel against a float64 reference written from its definition. One file for each room of `src/ops`.

mod harness;

mod add;
mod concat;
mod relu;
mod shaders;
mod slice;
mod structure;
