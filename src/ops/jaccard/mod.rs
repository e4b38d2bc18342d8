//! Jaccard loss of logits: 1 - log J or 1 - J, with the soft index J = (sum p t + eps) / (sum p + sum t - sum p t + eps). Iglovikov,
//! Shvets, "TernausNet", 2018, uses the logarithm. The work is done by [`OverlapLoss`].

use super::overlap_loss::{KERNELS, OUTPUTS, Overlap, OverlapLoss};
use super::{Arg, Attr, Entry};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "jaccard",
    summary: "1 - log J (or 1 - J) of sigmoid(x) and target, over the batch or over each picture",
    args: &[Arg::f32("x"), Arg::f32("target")],
    attrs: &[
        Attr { name: "log", default: "true", doc: "1 - log J; false: 1 - J" },
        Attr { name: "eps", default: "1", doc: "added above and below the fraction line" },
        Attr { name: "per_picture", default: "false", doc: "one loss for each picture, averaged" },
    ],
    outputs: OUTPUTS,
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| OverlapLoss::build(Overlap::Jaccard { log: attrs.flag("log", true)? }, "eps", attrs, given),
};
