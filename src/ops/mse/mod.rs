//! Squared difference (x - target)^2; PyTorch's `mse_loss`.
//! The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{ARGS, Formula, KERNELS, PointwiseLoss};
use super::{Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "mse",
    summary: "(x - target)^2",
    args: ARGS,
    attrs: &[Reduction::ATTR],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| PointwiseLoss::build(Formula::Mse, attrs, given),
};
