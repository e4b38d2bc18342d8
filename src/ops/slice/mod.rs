//! Slices with a start, an end and a step in each dimension. The gradient gathers: each element of the input looks for its own
//! place in the slice.

use super::lanes::wide;
use super::strided::{self, Dim};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, image_dim, shape_error};
use crate::gpu::Slot;
use crate::tensor::{Shape, TensorType};
use crate::{Error, Result};

wide!(FORWARD, "slice.forward", "slice/forward.wgsl", strided::Params);
wide!(GRAD, "slice.grad", "slice/grad.wgsl", strided::WindowParams);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "slice",
    summary: "x[start:end:step, ...]",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "start", default: "zeros", doc: "first index in each dimension, from the end if negative" },
        Attr {
            name: "end",
            default: "extents",
            doc: "index behind the last; from the end if negative, cut at the extent",
        },
        Attr { name: "step", default: "ones", doc: "distance in each dimension, at least 1" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four],
    build: |attrs, inputs| {
        let shape = inputs[0].as_ref().map(|x| x.shape.clone()).unwrap_or_default();
        let rank = shape.rank();
        let list = |name: &'static str, default: Vec<i64>| {
            let given = attrs.list(name)?.unwrap_or(default);
            match given.len() == rank {
                true => Ok(given),
                false => Err(attrs.fail(name, format!("needs {rank} numbers, got {}", given.len()))),
            }
        };
        let start = list("start", vec![0; rank])?;
        let end = list("end", shape.iter().map(|&e| e as i64).collect())?;
        let step = list("step", vec![1; rank])?;
        let mut op = Slice { start: vec![0; rank], end: vec![0; rank], step: vec![1; rank] };
        for d in 0..rank {
            let extent = shape[d] as i64;
            // As Python: negative counts from the end, and what lies outside is cut.
            let wrap = |v: i64| if v < 0 { (v + extent).max(0) } else { v.min(extent) };
            if step[d] < 1 {
                return Err(attrs.fail("step", format!("must be at least 1, got {}", step[d])));
            }
            let to = image_dim(attrs, "start", d as i64, rank)?;
            op.start[to] = wrap(start[d]) as usize;
            op.end[to] = wrap(end[d]) as usize;
            op.step[to] = step[d] as usize;
        }
        Ok(Built::images(op, 1, 1))
    },
};

/// Elements start, start + step, ... below end, in each dimension. The output's extent is ceil((end - start) / step).
#[derive(Clone, Debug)]
pub struct Slice {
    /// First index in each dimension.
    pub start: Vec<usize>,
    /// Index behind the last in each dimension.
    pub end: Vec<usize>,
    /// Distance between elements in each dimension.
    pub step: Vec<usize>,
}

impl Slice {
    /// Everything of a tensor of `rank`, but along `dim` only `start..end`. An end beyond the tensor means to its end.
    pub fn along(rank: usize, dim: usize, start: usize, end: usize) -> Self {
        let mut slice = Self { start: vec![0; rank], end: vec![usize::MAX; rank], step: vec![1; rank] };
        slice.start[dim] = start;
        slice.end[dim] = end;
        slice
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("slice", node, "inputs", "x", inputs.len())) };
        let rank = self.start.len();
        if x.shape.rank() != rank || self.end.len() != rank || self.step.len() != rank {
            return Err(shape_error("slice", node, "x", format!("{rank} dimensions, as start, end and step have"), x));
        }
        strided::check_rank("slice", node, "x", x)?;
        let mut shape = Vec::with_capacity(rank);
        for d in 0..rank {
            let (start, end, step) = (self.start[d], self.end[d].min(x.shape[d]), self.step[d]);
            if start >= end || step == 0 {
                let got = format!("{start}..{end} in steps of {step}");
                let expected = format!("a range that is not empty within 0..{}", x.shape[d]);
                return Err(shape_error("slice", node, format!("dimension {d}"), expected, got));
            }
            shape.push((end - start).div_ceil(step));
        }
        Ok(vec![TensorType { shape: shape.into(), dtype: x.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let strides = cx.inputs[0].shape.strides();
        let base = self.start.iter().zip(&strides).map(|(a, b)| a * b).sum();
        let dims: Vec<Dim<1>> =
            cx.outputs[0].shape.iter().enumerate().map(|(d, &e)| (e, [strides[d] * self.step[d]])).collect();
        Ok(strided::walk(&FORWARD, cx, base, &dims))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let start = self.start.iter().map(|&s| s as i64).collect();
        let op = SliceGrad { shape: cx.ty(cx.inputs[0]).shape, start, step: self.step.clone() };
        Ok(vec![Some(cx.emit(op, &[cx.grad()])?)])
    }
}

/// (grad_y) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct SliceGrad {
    shape: Shape,
    start: Vec<i64>,
    step: Vec<usize>,
}

impl Op for SliceGrad {
    fn name(&self) -> &'static str {
        "slice.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType { shape: self.shape.clone(), dtype: inputs[0].dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(strided::window(&GRAD, cx, &self.start, &self.step, 0))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let why = "second derivatives are not offered".to_string();
        Err(Error::NotDifferentiable { op: self.name().into(), node: cx.node.into(), why })
    }
}
