//! An op's entry in the registry: how the command line and the tests build it from names and JSON.

use super::{Attrs, OpRef};
use crate::gpu::Kernel;
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

/// What is known of an op by name.
#[derive(Debug)]
pub struct Entry {
    /// The op's name.
    pub name: &'static str,
    /// What it computes, in a line.
    pub summary: &'static str,
    /// Its tensors, in order.
    pub args: &'static [Arg],
    /// Its attributes, with defaults.
    pub attrs: &'static [Attr],
    /// Names of its outputs, in order.
    pub outputs: &'static [&'static str],
    /// Whether it has a gradient; if not, why.
    pub gradient: Result<(), &'static str>,
    /// Every kernel in its room.
    pub kernels: &'static [&'static Kernel],
    /// Builds it. Input types come in PyTorch's order of dimensions; absent optional arguments are `None`.
    pub build: fn(&Attrs, &[Option<TensorType>]) -> Result<Built>,
}

/// A tensor argument.
#[derive(Debug)]
pub struct Arg {
    /// PyTorch's name: `x`, `weight`, `bias`, `target`.
    pub name: &'static str,
    /// Element type.
    pub dtype: DType,
    /// May be left out.
    pub optional: bool,
}

impl Arg {
    /// A float tensor that must be given.
    pub const fn f32(name: &'static str) -> Self {
        Self { name, dtype: DType::F32, optional: false }
    }

    /// A float tensor that may be left out.
    pub const fn optional(name: &'static str) -> Self {
        Self { name, dtype: DType::F32, optional: true }
    }

    /// An i32 tensor that must be given.
    pub const fn i32(name: &'static str) -> Self {
        Self { name, dtype: DType::I32, optional: false }
    }

    /// A u32 tensor that must be given.
    pub const fn u32(name: &'static str) -> Self {
        Self { name, dtype: DType::U32, optional: false }
    }
}

/// An attribute as `wgvision op --list` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Attr {
    /// PyTorch's name.
    pub name: &'static str,
    /// The default, as JSON.
    pub default: &'static str,
    /// What it means, in a few words.
    pub doc: &'static str,
}

/// An op built from an entry, with the layouts that convert its tensors.
#[derive(Debug)]
pub struct Built {
    /// The op; its inputs are the given arguments in order.
    pub op: OpRef,
    /// Layout of each given argument (absent optional ones left out).
    pub inputs: Vec<Layout>,
    /// Layout of each output.
    pub outputs: Vec<Layout>,
}

impl Built {
    /// An op whose tensors are all pictures (rank 4) or plain.
    pub fn images(op: impl super::Op + 'static, inputs: usize, outputs: usize) -> Self {
        Self { op: std::sync::Arc::new(op), inputs: vec![Layout::Image; inputs], outputs: vec![Layout::Image; outputs] }
    }
}

/// Maps PyTorch's `dim` of a tensor of `rank` to this crate's: NCHW to NHWC for rank 4, the same otherwise.
/// Negative counts from the end. Fails outside the rank.
pub fn image_dim(attrs: &Attrs, name: &'static str, dim: i64, rank: usize) -> Result<usize> {
    let wrapped = if dim < 0 { dim + rank as i64 } else { dim };
    let outside = |_| Error::Attribute {
        op: attrs.op().into(),
        message: format!("attribute '{name}' is {dim}, outside a tensor of rank {rank}"),
    };
    let dim = usize::try_from(wrapped).map_err(|_| outside(()))?;
    if dim >= rank {
        return Err(outside(()));
    }
    Ok(if rank == 4 { [0, 3, 1, 2][dim] } else { dim })
}
