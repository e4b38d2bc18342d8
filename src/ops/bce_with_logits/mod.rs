//! Binary cross-entropy of logits: (1 - t) softplus(x) + pos_weight t softplus(-x), times the weight, PyTorch's
//! `binary_cross_entropy_with_logits`. The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{Formula, KERNELS, PointwiseLoss};
use super::{Arg, Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "bce_with_logits",
    summary: "binary cross-entropy of logits; weight: one for each element or pixel; pos_weight: one for each channel",
    args: &[Arg::f32("x"), Arg::f32("target"), Arg::optional("weight"), Arg::optional("pos_weight")],
    attrs: &[Reduction::ATTR],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| PointwiseLoss::build(Formula::Bce, attrs, given),
};
