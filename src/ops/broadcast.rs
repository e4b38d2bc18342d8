//! Broadcasting of two tensors, as numpy and PyTorch have it: what add and mul share. Shapes are aligned at the last dimension;
//! an extent of 1, or a missing one, is repeated.

use super::lanes::Wide;
use super::reduce_sum::ReduceSum;
use super::reshape::Reshape;
use super::strided::{self, Dim, collapse, pack};
use super::{GradCx, LaunchCx, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Launch, Slot};
use crate::tensor::{DType, Shape, TensorType};

crate::uniform! {
    /// Uniform of `binary.wgsl`: dimensions from the innermost out, in lanes.
    pub struct Params {
        n: u32, rank: u32, pad0: u32, pad1: u32,
        extent: [[u32; 4]; 2],
        step_a: [[u32; 4]; 2],
        step_b: [[u32; 4]; 2],
    }
}

/// Type of `op` applied to two float tensors of at most [`strided::MAX_RANK`] - 1 dimensions that broadcast.
pub fn infer(op: &str, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
    let [a, b] = inputs else { return Err(shape_error(op, node, "inputs", "a and b", inputs.len())) };
    for (name, ty) in [("a", a), ("b", b)] {
        if ty.dtype != DType::F32 {
            return Err(shape_error(op, node, name, "f32", ty));
        }
        strided::check_rank(op, node, name, ty)?;
    }
    let rank = a.shape.rank().max(b.shape.rank());
    let mut shape = Vec::with_capacity(rank);
    for d in 0..rank {
        match (extent(&a.shape, rank, d), extent(&b.shape, rank, d)) {
            (x, y) if x == y || y == 1 => shape.push(x),
            (1, y) => shape.push(y),
            _ => return Err(shape_error(op, node, "b", format!("a shape that broadcasts with {}", a.shape), b)),
        }
    }
    Ok(vec![TensorType::f32(shape)])
}

/// Extent of dimension `d` of a shape seen with `rank` dimensions.
fn extent(shape: &Shape, rank: usize, d: usize) -> usize {
    (d + shape.rank()).checked_sub(rank).map_or(1, |own| shape[own])
}

/// Steps through `shape` along the dimensions of `whole`, 0 where it is repeated.
pub fn steps(shape: &Shape, whole: &Shape) -> Vec<usize> {
    let strides = shape.strides();
    let own = |d: usize| (d + shape.rank()).checked_sub(whole.rank());
    let step = |d: usize| own(d).filter(|&o| shape[o] == whole[d]).map_or(0, |o| strides[o]);
    (0..whole.rank()).map(step).collect()
}

/// The launch of a kernel of `binary.wgsl`.
pub fn launch(kernel: &'static Wide, cx: &LaunchCx<'_>) -> Work {
    let whole = &cx.outputs[0].shape;
    let (a, b) = (steps(&cx.inputs[0].shape, whole), steps(&cx.inputs[1].shape, whole));
    let dims: Vec<Dim<2>> = (0..whole.rank()).map(|d| (whole[d], [a[d], b[d]])).collect();
    let mut dims = collapse(&dims);
    let (inner, outer) = dims.split_last_mut().expect("never empty");
    let fits = inner.1 == [1, 1] && inner.0 % 4 == 0 && outer.iter().flat_map(|d| d.1).all(|step| step % 4 == 0);
    let (kernel, lanes) = kernel.pick(fits);
    inner.0 /= lanes as usize;
    outer.iter_mut().flat_map(|d| &mut d.1).for_each(|step| *step /= lanes as usize);
    let n = whole.elements() as u32 / lanes;
    let params = Params {
        n,
        rank: dims.len() as u32,
        extent: pack(dims.iter().map(|d| d.0 as u32), 1),
        step_a: pack(dims.iter().map(|d| d.1[0] as u32), 0),
        step_b: pack(dims.iter().map(|d| d.1[1] as u32), 0),
        ..Default::default()
    };
    let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
    let cost = cx.elementwise(1);
    Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes))
}

/// Emits the sum of `value` over the dimensions along which `shape` was repeated: the gradient of repeating.
pub fn reduce_to(cx: &mut GradCx<'_>, value: Value, shape: &Shape) -> Result<Value> {
    let whole = cx.ty(value).shape;
    if whole == *shape {
        return Ok(value);
    }
    let repeated = |d: &usize| extent(shape, whole.rank(), *d) != whole[*d];
    let dims: Vec<usize> = (0..whole.rank()).filter(repeated).collect();
    let sum = match dims.is_empty() {
        true => value,
        false => cx.emit(ReduceSum { dims, keepdim: true, mean: false }, &[value])?,
    };
    match cx.ty(sum).shape == *shape {
        true => Ok(sum),
        false => cx.emit(Reshape { shape: shape.clone() }, &[sum]),
    }
}
