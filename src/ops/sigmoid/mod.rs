//! The logistic function: y = 1 / (1 + exp(-x)). The gradient needs the output alone.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Activation, Arg, Built, Entry, Epilogue};

wide!(FORWARD, "sigmoid.forward", "sigmoid/forward.wgsl", Params);
wide!(GRAD, "sigmoid.grad", "sigmoid/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "sigmoid",
    summary: "y = 1 / (1 + exp(-x))",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |_, _| Ok(Built::images(Sigmoid, 1, 1)),
};

/// y = 1 / (1 + exp(-x)), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl Map for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const GRAD_NAME: &'static str = "sigmoid.grad";

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
        Some(Epilogue::Activation(Activation::Sigmoid))
    }
}
