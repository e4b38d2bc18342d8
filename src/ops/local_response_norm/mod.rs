//! Local response normalisation over neighbouring channels: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep
//! Convolutional Neural Networks", 2012, which the first region-based detectors stand on. The gradient needs the input and is
//! made in two passes: each element's own part first, then a gather over the windows that hold it.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of all kernels.
    pub struct Params {
        n: u32, channels: u32, before: u32, after: u32,
        share: f32, beta: f32, k: f32, pad0: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $label:literal, $file:literal) => {
        static $name: Kernel = Kernel {
            label: $label,
            source: include_str!(concat!("../../../shaders/local_response_norm/", $file)),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(FORWARD, "local_response_norm.forward", "forward.wgsl");
kernel!(GRAD_OWN, "local_response_norm.grad_own", "grad_own.wgsl");
kernel!(GRAD_WINDOW, "local_response_norm.grad_window", "grad_window.wgsl");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "local_response_norm",
    summary: "y = x / (k + alpha / size * sum of x^2 over size neighbouring channels)^beta",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "size", default: "5", doc: "channels in the window" },
        Attr { name: "alpha", default: "0.0001", doc: "factor of the mean of squares" },
        Attr { name: "beta", default: "0.75", doc: "the exponent" },
        Attr { name: "k", default: "1.0", doc: "what is added, positive" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD_OWN, &GRAD_WINDOW],
    build: |attrs, _| {
        let op = LocalResponseNorm {
            size: attrs.size("size", 5)?,
            alpha: attrs.float("alpha", 1e-4)?,
            beta: attrs.float("beta", 0.75)?,
            k: attrs.float("k", 1.0)?,
        };
        op.check().map_err(|(name, message)| attrs.fail(name, message))?;
        Ok(Built::images(op, 1, 1))
    },
};

/// y = x / (k + alpha / size * sum of x^2)^beta, the sum over `size` neighbouring channels of a pixel: (N, H, W, C) -> (N, H, W, C).
#[derive(Clone, Copy, Debug)]
pub struct LocalResponseNorm {
    /// Channels in the window, its own in the middle; of an even number, one more before than behind.
    pub size: usize,
    /// Factor of the mean of squares; not negative.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added to the mean of squares; positive.
    pub k: f32,
}

impl LocalResponseNorm {
    /// The attribute that cannot be used, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let Self { size, alpha, beta, k } = *self;
        let rules = [
            (size >= 1, "size", format!("must be at least 1, got {size}")),
            (alpha >= 0.0 && alpha.is_finite(), "alpha", format!("must not be negative, got {alpha}")),
            (beta.is_finite(), "beta", format!("must be finite, got {beta}")),
            (k > 0.0 && k.is_finite(), "k", format!("must be positive, got {k}")),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map_or(Ok(()), |(_, name, message)| Err((name, message)))
    }

    fn launch(&self, kernel: &'static Kernel, cx: &LaunchCx<'_>, slots: Vec<Slot>) -> Launch {
        let n = cx.outputs[0].elements() as u32;
        let channels = cx.outputs[0].shape.channels();
        let params = Params {
            n,
            channels: channels as u32,
            // A window wider than the picture's channels holds them all; the cut keeps the sums of u32 from overflowing.
            before: (self.size / 2).min(channels) as u32,
            after: ((self.size - 1) / 2).min(channels) as u32,
            share: self.alpha / self.size as f32,
            beta: self.beta,
            k: self.k,
            ..Default::default()
        };
        let cost = cx.elementwise(2 * self.size.min(channels) as u64 + 16);
        Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes)
    }
}

impl Op for LocalResponseNorm {
    fn name(&self) -> &'static str {
        "local_response_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if let Err((name, message)) = self.check() {
            return Err(Error::Attribute { op: self.name().into(), message: format!("'{node}': {name} {message}") });
        }
        match inputs {
            [x] if x.dtype == DType::F32 && x.shape.rank() == 4 => Ok(vec![x.clone()]),
            [x] => Err(shape_error(self.name(), node, "x", "f32 of rank 4", x)),
            _ => Err(shape_error(self.name(), node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::one(self.launch(&FORWARD, cx, vec![Slot::Input(0), Slot::Output(0)])))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(LocalResponseNormGrad(*self), &[cx.grad(), cx.inputs[0]])?)])
    }
}

/// (grad_y, x) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct LocalResponseNormGrad(LocalResponseNorm);

impl Op for LocalResponseNormGrad {
    fn name(&self) -> &'static str {
        "local_response_norm.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let own = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0), Slot::Scratch(0)];
        let window = vec![Slot::Input(1), Slot::Scratch(0), Slot::Output(0)];
        Ok(Work {
            launches: vec![self.0.launch(&GRAD_OWN, cx, own), self.0.launch(&GRAD_WINDOW, cx, window)],
            scratch: vec![cx.outputs[0].bytes()],
        })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
