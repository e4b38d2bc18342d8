//! alpha BCE + (1 - alpha) Jaccard of logits, read once. The work is done by [`OverlapLoss`].

use super::overlap_loss::{KERNELS, OUTPUTS, Overlap, OverlapLoss};
use super::{Arg, Attr, Entry};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "bce_jaccard",
    summary: "alpha mean(weight BCE) + (1 - alpha) Jaccard loss",
    args: &[Arg::f32("x"), Arg::f32("target"), Arg::optional("weight")],
    attrs: &[
        Attr { name: "alpha", default: "0.5", doc: "share of the cross-entropy, in [0, 1]" },
        Attr { name: "log", default: "true", doc: "1 - log J; false: 1 - J" },
        Attr { name: "eps", default: "1", doc: "added above and below the fraction line" },
        Attr { name: "per_picture", default: "false", doc: "one Jaccard loss for each picture, averaged" },
    ],
    outputs: OUTPUTS,
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| {
        let alpha = attrs.float("alpha", 0.5)?;
        if !(0.0..=1.0).contains(&alpha) {
            return Err(attrs.fail("alpha", format!("must be between 0 and 1, got {alpha}")));
        }
        OverlapLoss::build(Overlap::BceJaccard { alpha, log: attrs.flag("log", true)? }, "eps", attrs, given)
    },
};
