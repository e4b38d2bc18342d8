//! SiLU, also called swish: y = x * sigmoid(x). Elfwing, Uchibe and Doya, 2017.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Activation, Arg, Built, Entry, Epilogue};

wide!(FORWARD, "silu.forward", "silu/forward.wgsl", Params);
wide!(GRAD, "silu.grad", "silu/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "silu",
    summary: "y = x / (1 + exp(-x))",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Silu, 1, 1)),
};

/// y = x / (1 + exp(-x)), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Silu;

impl Map for Silu {
    const NAME: &'static str = "silu";
    const GRAD_NAME: &'static str = "silu.grad";

    fn kept(&self) -> Kept {
        Kept::Input
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Activation(Activation::Silu))
    }
}
