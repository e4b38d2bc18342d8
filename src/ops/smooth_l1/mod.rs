//! Smooth L1: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = x - target; PyTorch's `smooth_l1_loss`.
//! The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{ARGS, Formula, KERNELS, PointwiseLoss};
use super::{Attr, Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "smooth_l1",
    summary: "d^2 / (2 beta) where |d| < beta, else |d| - beta / 2",
    args: ARGS,
    attrs: &[Attr { name: "beta", default: "1", doc: "where the parabola ends; 0 is L1" }, Reduction::ATTR],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let beta = attrs.float("beta", 1.0)?;
        if beta.is_nan() || beta < 0.0 {
            return Err(attrs.fail("beta", format!("must not be negative, got {beta}")));
        }
        PointwiseLoss::build(Formula::SmoothL1 { beta }, attrs, given)
    },
};
