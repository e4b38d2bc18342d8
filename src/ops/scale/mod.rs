//! y = alpha * x + beta with two numbers.

use super::lanes::wide;
use super::map::{self, Params};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::{DType, TensorType};

wide!(FORWARD, "scale.forward", "scale/forward.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "scale",
    summary: "y = alpha * x + beta",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "alpha", default: "1.0", doc: "the factor" },
        Attr { name: "beta", default: "0.0", doc: "what is added" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, _| {
        Ok(Built::images(Scale { alpha: attrs.float("alpha", 1.0)?, beta: attrs.float("beta", 0.0)? }, 1, 1))
    },
};

/// y = alpha * x + beta, any shape.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The factor.
    pub alpha: f32,
    /// What is added.
    pub beta: f32,
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [x] if x.dtype == DType::F32 => Ok(vec![x.clone()]),
            [x] => Err(shape_error("scale", node, "x", "f32", x)),
            _ => Err(shape_error("scale", node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(map::launch(&FORWARD, cx, [self.alpha, self.beta], vec![Slot::Input(0), Slot::Output(0)]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(Self { beta: 0.0, ..*self }, &[cx.grad()])?)])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
