//! The hyperbolic tangent. The gradient needs the output alone.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Built, Entry};

wide!(FORWARD, "tanh.forward", "tanh/forward.wgsl", Params);
wide!(GRAD, "tanh.grad", "tanh/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "tanh",
    summary: "y = tanh(x)",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Tanh, 1, 1)),
};

/// y = tanh(x), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Map for Tanh {
    const NAME: &'static str = "tanh";
    const GRAD_NAME: &'static str = "tanh.grad";

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
