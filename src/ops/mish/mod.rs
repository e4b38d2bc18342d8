//! Mish: y = x * tanh(softplus(x)). Misra, 2019.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Built, Entry};

wide!(FORWARD, "mish.forward", "mish/forward.wgsl", Params);
wide!(GRAD, "mish.grad", "mish/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "mish",
    summary: "y = x * tanh(log(1 + exp(x)))",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Mish, 1, 1)),
};

/// y = x * tanh(log(1 + exp(x))), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Mish;

impl Map for Mish {
    const NAME: &'static str = "mish";
    const GRAD_NAME: &'static str = "mish.grad";

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
