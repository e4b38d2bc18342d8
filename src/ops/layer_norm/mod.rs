//! Layer norm (Ba, Kiros and Hinton, 2016): normalises over some dimensions of each sample, then scales and shifts each element of
//! them. It runs on group norm's kernels.
//!
//! PyTorch normalises over the last dimensions of (N, C, H, W); pictures lie as (N, H, W, C) here, so the dimensions are named.

use super::group_norm::dispatch::{self, Segments, Use};
use super::group_norm::{affine, segments};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::layout::Layout;
use crate::tensor::{Shape, TensorType};
use std::sync::Arc;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "layer_norm",
    summary: "(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, of (N, C, H, W) as PyTorch counts them",
    args: &[Arg::f32("x"), Arg::optional("weight"), Arg::optional("bias")],
    attrs: &[
        Attr { name: "normalized_shape", default: "last", doc: "extents of the last dimensions" },
        Attr { name: "channels", default: "false", doc: "over C of (N, C, H, W) alone, as ConvNeXt does" },
        Attr { name: "eps", default: "1e-5", doc: "added to the variance" },
    ],
    outputs: &["y", "mean", "rstd"],
    gradient: Ok(()),
    kernels: super::group_norm::ENTRY.kernels,
    build: |attrs, inputs| {
        let affine = affine(inputs)?;
        let x = inputs[0].as_ref().map(|x| x.shape.to_vec()).unwrap_or_default();
        let default = x.last().iter().map(|&&e| e as i64).collect();
        let given = attrs.list("normalized_shape")?.unwrap_or(default);
        let k = given.len();
        let tail: Vec<i64> = x[x.len().saturating_sub(k)..].iter().map(|&e| e as i64).collect();
        if k == 0 || given != tail {
            return Err(attrs.fail("normalized_shape", format!("must end the shape {x:?} of x, got {given:?}")));
        }
        let over = match (x.len(), attrs.flag("channels", false)?, k) {
            (4, true, _) => Over::Last(1),
            (4, false, 1) => Over::Width,
            (4, false, 2) => Over::Plane,
            _ => Over::Last(k),
        };
        let weight = if x.len() == 4 && over == Over::Last(3) { Layout::Chw } else { Layout::Plain };
        let weight = if over == Over::Last(4) { Layout::Image } else { weight };
        let op = Arc::new(LayerNorm { over, eps: attrs.float("eps", 1e-5)?, affine });
        let inputs = [Layout::Image, weight, weight][..if affine { 3 } else { 1 }].to_vec();
        Ok(Built { op, inputs, outputs: vec![Layout::Image, Layout::Plain, Layout::Plain] })
    },
};

/// Dimensions that are normalised over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The last dimensions as they lie in memory: of (N, H, W, C), 1 is the channels and 3 the whole picture.
    Last(usize),
    /// W of (N, H, W, C).
    Width,
    /// H and W of (N, H, W, C).
    Plane,
}

/// (x, [weight, bias]) -> (y, mean, rstd). Weight and bias have the extents of the dimensions normalised over; the statistics are
/// a matrix with one element for each combination of the others.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// Dimensions that are normalised over.
    pub over: Over,
    /// Added to the variance.
    pub eps: f32,
    /// Whether weight and bias are inputs.
    pub affine: bool,
}

impl LayerNorm {
    /// The view of x, and the shape of the weight. `None` if x has not the dimensions.
    fn segments(&self, x: &Shape) -> Option<(Segments, Shape)> {
        let s = |images, plane, groups, per_group| Segments { images, plane, groups, per_group, by_element: true };
        match (self.over, x.nhwc()) {
            (Over::Width, Some([n, h, w, c])) => Some((s(n * h, w, c, 1), Shape::from([w]))),
            (Over::Plane, Some([n, h, w, c])) => Some((s(n, h * w, c, 1), Shape::from([h, w]))),
            (Over::Last(k), _) if (1..=x.rank()).contains(&k) => {
                let (outer, inner) = x.split_at(x.rank() - k);
                let (last, plane) = inner.split_last().expect("k is at least 1");
                let plane: usize = plane.iter().product();
                Some((s(outer.iter().product(), plane, 1, *last), Shape::from(inner)))
            }
            _ => None,
        }
    }

    fn use_of(&self, segments: Segments) -> Use {
        Use { segments, affine: self.affine, leak: 1.0 }
    }
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        segments::infer(("layer_norm", node), inputs, self.affine, |x| {
            let wrong = || shape_error("layer_norm", node, "x", format!("dimensions for {:?}", self.over), x);
            self.segments(x).ok_or_else(wrong)
        })
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (segments, _) = self.segments(&cx.inputs[0].shape).expect("checked when added");
        Ok(dispatch::forward(self.use_of(segments), self.eps, cx))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        segments::stores_half(tensor)
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let (segments, _) = self.segments(&cx.ty(cx.inputs[0]).shape).expect("checked when added");
        segments::grad(cx, self.use_of(segments))
    }
}
