//! Piecewise linear sigmoid: y = min(max(x + 3, 0), 6) / 6. Howard et al., "Searching for MobileNetV3", 2019. The gradient looks
//! at the input: near the kinks the rounded output cannot tell the sides apart.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Built, Entry};

wide!(FORWARD, "hardsigmoid.forward", "hardsigmoid/forward.wgsl", Params);
wide!(GRAD, "hardsigmoid.grad", "hardsigmoid/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "hardsigmoid",
    summary: "y = min(max(x + 3, 0), 6) / 6",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(HardSigmoid, 1, 1)),
};

/// y = min(max(x + 3, 0), 6) / 6, any shape.
#[derive(Clone, Copy, Debug)]
pub struct HardSigmoid;

impl Map for HardSigmoid {
    const NAME: &'static str = "hardsigmoid";
    const GRAD_NAME: &'static str = "hardsigmoid.grad";

    fn kept(&self) -> Kept {
        Kept::Input
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }
}
