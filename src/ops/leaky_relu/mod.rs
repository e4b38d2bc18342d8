//! Leaky ReLU: a small slope where the input is negative. With a slope that is not negative the gradient looks at the output.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Activation, Arg, Attr, Built, Entry, Epilogue};

wide!(FORWARD, "leaky_relu.forward", "leaky_relu/forward.wgsl", Params);
wide!(GRAD, "leaky_relu.grad", "leaky_relu/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "leaky_relu",
    summary: "y = x where x > 0, negative_slope * x elsewhere",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "negative_slope", default: "0.01", doc: "the slope of the negative side" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| Ok(Built::images(LeakyRelu { slope: attrs.float("negative_slope", 0.01)? }, 1, 1)),
};

/// y = x where x > 0, negative_slope * x elsewhere, any shape.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope of the negative side.
    pub slope: f32,
}

impl Map for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const GRAD_NAME: &'static str = "leaky_relu.grad";

    fn kept(&self) -> Kept {
        if self.slope >= 0.0 { Kept::Output } else { Kept::Input }
    }

    fn forward(&self) -> &'static Wide {
        &FORWARD
    }

    fn gradient(&self) -> &'static Wide {
        &GRAD
    }

    fn coefficients(&self) -> [f32; 2] {
        [self.slope, 0.0]
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Activation(Activation::Leaky(self.slope)))
    }
}
