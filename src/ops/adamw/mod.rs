//! AdamW: Adam whose weight decay acts on the parameter, not on the gradient. The work is done by [`super::adam::Adam`].

use super::adam::{ARGS, BETA1, BETA2, EPS, KERNELS, OUTPUTS, build};
use super::clip_guard::NO_GRADIENT;
use super::{Attr, Entry};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "adamw",
    summary: "a step of AdamW; control is clip_guard's",
    args: ARGS,
    attrs: &[
        BETA1,
        BETA2,
        EPS,
        Attr { name: "weight_decay", default: "0.01", doc: "times lr, taken off the parameter" },
    ],
    outputs: OUTPUTS,
    gradient: Err(NO_GRADIENT),
    kernels: KERNELS,
    build: |attrs, _| build(attrs, true, 0.01),
};
