//! Absolute difference |x - target|; PyTorch's `l1_loss`. The gradient at a difference of 0 is 0.
//! The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{ARGS, Formula, KERNELS, PointwiseLoss};
use super::{Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "l1",
    summary: "|x - target|",
    args: ARGS,
    attrs: &[Reduction::ATTR],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| PointwiseLoss::build(Formula::L1, attrs, given),
};
