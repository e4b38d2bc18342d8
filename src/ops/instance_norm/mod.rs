//! Instance norm (Ulyanov, Vedaldi and Lempitsky, 2016): each channel of each picture is normalised alone. It is group norm with as
//! many groups as channels and runs on its kernels. Running statistics are not offered.

use super::group_norm::dispatch::{self, Segments, Use};
use super::group_norm::{affine, segments};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::{Shape, TensorType};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "instance_norm",
    summary: "(x - mean) / sqrt(var + eps) * weight + bias with statistics of each picture's channel",
    args: &[Arg::f32("x"), Arg::optional("weight"), Arg::optional("bias")],
    attrs: &[Attr { name: "eps", default: "1e-5", doc: "added to the variance" }],
    outputs: &["y", "mean", "rstd"],
    gradient: Ok(()),
    kernels: super::group_norm::ENTRY.kernels,
    build: |attrs, inputs| {
        let affine = affine(inputs)?;
        Ok(Built::images(InstanceNorm { eps: attrs.float("eps", 1e-5)?, affine }, if affine { 3 } else { 1 }, 3))
    },
};

/// (x, [weight, bias]) -> (y, mean, rstd): x is (N, H, W, C), weight and bias (C), the statistics (N, C).
#[derive(Clone, Copy, Debug)]
pub struct InstanceNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Whether weight and bias are inputs.
    pub affine: bool,
}

fn of(x: &Shape) -> Segments {
    let [images, h, w, groups] = x.nhwc().expect("a picture");
    Segments { images, plane: h * w, groups, per_group: 1, by_element: false }
}

impl InstanceNorm {
    fn use_of(&self, x: &Shape) -> Use {
        Use { segments: of(x), affine: self.affine, leak: 1.0 }
    }
}

impl Op for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        segments::infer(("instance_norm", node), inputs, self.affine, |x| match x.nhwc() {
            Some([_, h, w, c]) if h * w > 1 => Ok((of(x), Shape::from([c]))),
            Some(_) => Err(shape_error("instance_norm", node, "x", "more than one element for each channel", x)),
            None => Err(shape_error("instance_norm", node, "x", "f32(N, H, W, C)", x)),
        })
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(dispatch::forward(self.use_of(&cx.inputs[0].shape), self.eps, cx))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        segments::stores_half(tensor)
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let x = cx.ty(cx.inputs[0]).shape;
        segments::grad(cx, self.use_of(&x))
    }
}
