//! One over each element: y = 1 / x. The gradient needs the output alone.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Built, Entry};

wide!(FORWARD, "reciprocal.forward", "reciprocal/forward.wgsl", Params);
wide!(GRAD, "reciprocal.grad", "reciprocal/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "reciprocal",
    summary: "y = 1 / x",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Reciprocal, 1, 1)),
};

/// y = 1 / x, any shape. What a device makes of 1 / 0 is not relied on: keep x away from it.
#[derive(Clone, Copy, Debug)]
pub struct Reciprocal;

impl Map for Reciprocal {
    const NAME: &'static str = "reciprocal";
    const GRAD_NAME: &'static str = "reciprocal.grad";

    fn kept(&self) -> Kept {
        Kept::Output
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }
}
