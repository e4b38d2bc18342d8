//! Huber: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = x - target; PyTorch's `huber_loss`.
//! The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{ARGS, Formula, KERNELS, PointwiseLoss};
use super::{Attr, Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "huber",
    summary: "d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)",
    args: ARGS,
    attrs: &[Attr { name: "delta", default: "1", doc: "where the parabola ends" }, Reduction::ATTR],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let delta = attrs.float("delta", 1.0)?;
        if delta.is_nan() || delta <= 0.0 {
            return Err(attrs.fail("delta", format!("must be positive, got {delta}")));
        }
        PointwiseLoss::build(Formula::Huber { delta }, attrs, given)
    },
};
