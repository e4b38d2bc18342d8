//! Dice loss of logits: 1 - (2 sum p t + smooth) / (sum p + sum t + smooth). Milletari, Navab, Ahmadi, "V-Net", 2016, with plain
//! sums below the line. The work is done by [`OverlapLoss`].

use super::overlap_loss::{KERNELS, OUTPUTS, Overlap, OverlapLoss};
use super::{Arg, Attr, Entry};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "dice",
    summary: "1 - dice coefficient of sigmoid(x) and target, over the batch or over each picture",
    args: &[Arg::f32("x"), Arg::f32("target")],
    attrs: &[
        Attr { name: "smooth", default: "1", doc: "added above and below the fraction line" },
        Attr { name: "per_picture", default: "false", doc: "one loss for each picture, averaged" },
    ],
    outputs: OUTPUTS,
    gradient: Ok(()),
    kernels: KERNELS,
    build: |attrs, given| OverlapLoss::build(Overlap::Dice, "smooth", attrs, given),
};
