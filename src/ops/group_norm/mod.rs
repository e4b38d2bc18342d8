//! Group norm (Wu and He, 2018): each picture's channels are normalised in groups, over the whole picture, then scaled by channel.
//! The kernels also serve [`instance_norm`](super::instance_norm) and [`layer_norm`](super::layer_norm).

pub(super) mod dispatch;
pub(super) mod segments;

use super::batch_norm::{check_activation, slope};
use super::{Activation, Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::{Shape, TensorType};
use dispatch::{Segments, Use};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "group_norm",
    summary: "(x - mean) / sqrt(var + eps) * weight + bias with statistics of each picture's groups of channels, activated",
    args: &[Arg::f32("x"), Arg::optional("weight"), Arg::optional("bias")],
    attrs: &[
        Attr { name: "num_groups", default: "1", doc: "groups of channels; divides their number" },
        Attr { name: "eps", default: "1e-5", doc: "added to the variance" },
        Attr { name: "activation", default: "none", doc: "applied last: none, relu or leaky_relu" },
        Attr { name: "negative_slope", default: "0.01", doc: "of leaky_relu, above 0" },
    ],
    outputs: &["y", "mean", "rstd"],
    gradient: Ok(()),
    kernels: &[
        &super::batch_norm::dispatch::MOMENTS.one,
        &super::batch_norm::dispatch::MOMENTS.four,
        &dispatch::FINISH,
        &dispatch::ROW_MOMENTS,
        &dispatch::NORMALISE.one,
        &dispatch::NORMALISE.four,
        &dispatch::GRAD_SUMS.one,
        &dispatch::GRAD_SUMS.four,
        &dispatch::GRAD_FINISH,
        &dispatch::ROW_GRADS,
        &dispatch::GRAD_X.one,
        &dispatch::GRAD_X.four,
        &dispatch::AFFINE_CHUNKS,
        &dispatch::AFFINE_FINISH,
    ],
    build: |attrs, inputs| {
        let affine = affine(inputs)?;
        let (groups, eps) = (attrs.size("num_groups", 1)?, attrs.float("eps", 1e-5)?);
        let op = GroupNorm { groups, eps, affine, activation: attrs.activation()? };
        Ok(Built::images(op, if affine { 3 } else { 1 }, 3))
    },
};

/// Whether weight and bias are given; both or neither.
pub(super) fn affine(inputs: &[Option<TensorType>]) -> Result<bool> {
    match (&inputs[1], &inputs[2]) {
        (Some(_), Some(_)) => Ok(true),
        (None, None) => Ok(false),
        _ => Err(crate::Error::Usage("weight and bias are given both or neither".into())),
    }
}

/// (x, [weight, bias]) -> (y, mean, rstd), y activated: x is (N, H, W, C) or (N, C), weight and bias (C), the statistics (N, groups).
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Groups of channels; must divide their number.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// Whether weight and bias are inputs.
    pub affine: bool,
    /// Applied last: none, ReLU or leaky ReLU of a positive slope.
    pub activation: Activation,
}

impl GroupNorm {
    fn segments(&self, x: &Shape) -> Segments {
        let (channels, images) = (x.channels(), x[0]);
        let plane = x.elements() / channels / images;
        Segments { images, plane, groups: self.groups, per_group: channels / self.groups, by_element: false }
    }

    fn use_of(&self, x: &Shape) -> Use {
        Use { segments: self.segments(x), affine: self.affine, leak: slope(self.activation) }
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        check_activation("group_norm", node, self.activation)?;
        segments::infer(("group_norm", node), inputs, self.affine, |x| {
            if !matches!(x.rank(), 2 | 4) {
                return Err(shape_error("group_norm", node, "x", "f32(N, H, W, C) or f32(N, C)", x));
            }
            if self.groups == 0 || x.channels() % self.groups != 0 {
                let expected = format!("a divisor of the {} channels", x.channels());
                return Err(shape_error("group_norm", node, "num_groups", expected, self.groups));
            }
            Ok((self.segments(x), Shape::from([x.channels()])))
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
