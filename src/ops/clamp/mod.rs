//! Values cut at a lower and an upper bound. The gradient passes where the input lies between them, bounds included.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Attr, Built, Entry};

wide!(FORWARD, "clamp.forward", "clamp/forward.wgsl", Params);
wide!(GRAD, "clamp.grad", "clamp/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "clamp",
    summary: "y = min(max(x, min), max)",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "min", default: "none", doc: "the lower bound" },
        Attr { name: "max", default: "none", doc: "the upper bound; it wins if the two cross" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        Ok(Built::images(Clamp { min: attrs.float("min", f32::MIN)?, max: attrs.float("max", f32::MAX)? }, 1, 1))
    },
};

/// y = min(max(x, min), max), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Clamp {
    /// The lower bound.
    pub min: f32,
    /// The upper bound; it wins if the two cross.
    pub max: f32,
}

impl Map for Clamp {
    const NAME: &'static str = "clamp";
    const GRAD_NAME: &'static str = "clamp.grad";

    fn kept(&self) -> Kept {
        Kept::Input
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }

    fn coefficients(&self) -> [f32; 2] {
        [self.min, self.max]
    }
}
