//! ReLU: y = max(x, 0). The gradient looks at the output, so the input need not be kept.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Activation, Arg, Built, Entry, Epilogue};

wide!(FORWARD, "relu.forward", "relu/forward.wgsl", Params);
wide!(GRAD, "relu.grad", "relu/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "relu",
    summary: "y = max(x, 0)",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Relu, 1, 1)),
};

/// y = max(x, 0), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Map for Relu {
    const NAME: &'static str = "relu";
    const GRAD_NAME: &'static str = "relu.grad";

    fn kept(&self) -> Kept {
        Kept::Output
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Activation(Activation::Relu))
    }
}
