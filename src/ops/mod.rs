//! The kernel library: one op, one room. A room holds the op's attributes and shape rule, its uniform struct, the choice of
//! kernel and grid, its gradient rule, and its entry in the registry. The graph sees all of them through [`Op`] alone.
//!
//! To add an op, follow `docs/adding-a-kernel.md`: a folder here and in `shaders/`, a file in `kernels-tests/`, one `mod`
//! line and one line in [`REGISTRY`].

mod attrs;
mod entry;
mod lanes;
mod op;
mod strided;

pub use attrs::Attrs;
pub use entry::{Arg, Attr, Built, Entry, image_dim};
pub use op::{Activation, Emit, Epilogue, GradCx, LaunchCx, Op, OpRef, Value, Work, shape_error};

pub mod add;
pub mod concat;
pub mod relu;
pub mod slice;

/// Every op, by name: what `wgvision op --list` prints and the tests walk through.
pub static REGISTRY: &[&Entry] = &[&add::ENTRY, &concat::ENTRY, &relu::ENTRY, &slice::ENTRY];

/// The entry of an op. Fails with the names that exist.
pub fn entry(name: &str) -> crate::Result<&'static Entry> {
    REGISTRY.iter().copied().find(|e| e.name == name).ok_or_else(|| {
        let names: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
        crate::Error::Usage(format!("no op is named '{name}'; there are: {}", names.join(", ")))
    })
}
