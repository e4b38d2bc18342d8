//! Sigmoid focal loss: alpha_t (1 - p_t)^gamma BCE, torchvision's `sigmoid_focal_loss`. Lin, Goyal, Girshick, He, Dollár,
//! "Focal Loss for Dense Object Detection", 2017. The work is done by [`PointwiseLoss`].

use super::pointwise_loss::{ARGS, Formula, KERNELS, PointwiseLoss};
use super::{Attr, Entry, Reduction};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "focal",
    summary: "sigmoid focal loss of logits; targets in [0, 1]",
    args: ARGS,
    attrs: &[
        Attr {
            name: "alpha",
            default: "0.25",
            doc: "weight of positive targets, 1 - alpha of negative; below 0: none",
        },
        Attr { name: "gamma", default: "2", doc: "exponent of the modulating factor" },
        Reduction::ATTR,
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let (alpha, gamma) = (attrs.float("alpha", 0.25)?, attrs.float("gamma", 2.0)?);
        if gamma.is_nan() || gamma < 0.0 {
            return Err(attrs.fail("gamma", format!("must not be negative, got {gamma}")));
        }
        PointwiseLoss::build(Formula::Focal { alpha, gamma }, attrs, given)
    },
};
