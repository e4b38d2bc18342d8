//! GELU: y = x * P(N <= x) for a standard normal N, by its definition or by the tanh approximation.
//! Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

use super::lanes::{Wide, wide};
use super::map::{Kept, Map, Params};
use super::{Arg, Attr, Built, Entry};

wide!(FORWARD, "gelu.forward", "gelu/forward.wgsl", Params);
wide!(GRAD, "gelu.grad", "gelu/grad.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "gelu",
    summary: "y = x * (1 + erf(x / sqrt 2)) / 2",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "approximate", default: "none", doc: "none (erf) or tanh" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        let approximate = attrs.choice("approximate", "none", &["none", "tanh"])? == "tanh";
        Ok(Built::images(Gelu { approximate }, 1, 1))
    },
};

/// y = x * (1 + erf(x / sqrt 2)) / 2, any shape.
#[derive(Clone, Copy, Debug)]
pub struct Gelu {
    /// Use tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) in place of erf.
    pub approximate: bool,
}

impl Map for Gelu {
    const NAME: &'static str = "gelu";
    const GRAD_NAME: &'static str = "gelu.grad";

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
        [f32::from(u8::from(self.approximate)), 0.0]
    }
}
