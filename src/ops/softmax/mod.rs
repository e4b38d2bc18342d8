//! Softmax along a dimension. The gradient needs the output alone.

use super::rows::{self, Params, RowsGrad};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, image_dim};
use crate::Result;
use crate::gpu::{Kernel, Needs, Slot, Uniform};
use crate::tensor::TensorType;

static FORWARD: Kernel = Kernel {
    label: "softmax.forward",
    source: include_str!("../../../shaders/softmax/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[&[("LONG", 1.0)]],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "softmax.grad",
    source: include_str!("../../../shaders/softmax/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[&[("LONG", 1.0)]],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "softmax",
    summary: "exp(x) / sum of exp(x) along a dimension",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "dim", default: "-1", doc: "the dimension, from the end if negative" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank());
        let dim = image_dim(attrs, "dim", attrs.int("dim", -1)?, rank)?;
        Ok(Built::images(Softmax { dim }, 1, 1))
    },
};

/// y = exp(x) / sum of exp(x) along a dimension, of x's shape.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The dimension, in this crate's order (NHWC: channels are 3).
    pub dim: usize,
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        rows::infer("softmax", node, self.dim, inputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(rows::launch(&FORWARD, cx, self.dim, vec![Slot::Input(0), Slot::Output(0)]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(
            cx.emit(RowsGrad { name: "softmax.grad", kernel: &GRAD, dim: self.dim }, &[cx.grad(), cx.outputs[0]])?,
        )])
    }

    // Whoever writes an element is the only one to read it after the reductions.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
