//! Walks over tensors in strides: what slice, permute, expand, pad and the broadcasting ops share on the host side.
//! `shaders/lib/strided.wgsl` and `shaders/lib/window.wgsl` have the other side.

use super::lanes::Wide;
use super::{LaunchCx, Work, shape_error};
use crate::Result;
use crate::gpu::{Launch, Slot};
use crate::tensor::TensorType;

/// Dimensions a walk can have.
pub const MAX_RANK: usize = 8;

crate::uniform! {
    /// Uniform of `strided.wgsl`: dimensions from the innermost out.
    pub struct Params {
        n: u32, rank: u32, base: u32, pad0: u32,
        extent: [[u32; 4]; 2],
        step: [[u32; 4]; 2],
    }
}

crate::uniform! {
    /// Uniform of `window.wgsl`: dimensions from the innermost out.
    pub struct WindowParams {
        n: u32, rank: u32, fill: u32, pad0: u32,
        extent: [[u32; 4]; 2],
        start: [[i32; 4]; 2],
        step: [[i32; 4]; 2],
        inside: [[i32; 4]; 2],
        stride: [[u32; 4]; 2],
    }
}

/// One dimension of a walk that reads `K` tensors: how many elements, and the distance between them in each.
pub type Dim<const K: usize> = (usize, [usize; K]);

/// The same walk in as few dimensions as possible: extents of 1 go, and neighbours that every tensor steps through as through
/// one dimension become one. Never empty.
pub fn collapse<const K: usize>(dims: &[Dim<K>]) -> Vec<Dim<K>> {
    let mut merged: Vec<Dim<K>> = Vec::new();
    for &(extent, steps) in dims.iter().filter(|d| d.0 != 1) {
        match merged.last_mut() {
            Some((outer, outer_steps)) if (0..K).all(|k| outer_steps[k] == extent * steps[k]) => {
                *outer *= extent;
                *outer_steps = steps;
            }
            _ => merged.push((extent, steps)),
        }
    }
    if merged.is_empty() {
        merged.push((1, [1; K]));
    }
    merged
}

/// Values of each dimension, outermost first, as a uniform holds them: innermost first, padded with `rest`.
pub fn pack<T: Copy>(values: impl DoubleEndedIterator<Item = T>, rest: T) -> [[T; 4]; 2] {
    let mut packed = [[rest; 4]; 2];
    for (d, value) in values.rev().enumerate() {
        packed[d / 4][d % 4] = value;
    }
    packed
}

/// The launch of a walk over input 0 that starts at `base` and fills output 0 in order.
pub fn walk(kernel: &'static Wide, cx: &LaunchCx<'_>, base: usize, dims: &[Dim<1>]) -> Work {
    let mut dims = collapse(dims);
    let (inner, outer) = dims.split_last_mut().expect("never empty");
    let fits = inner.1 == [1] && inner.0 % 4 == 0 && base.is_multiple_of(4) && outer.iter().all(|d| d.1[0] % 4 == 0);
    let (kernel, lanes) = kernel.pick(fits);
    inner.0 /= lanes as usize;
    outer.iter_mut().for_each(|d| d.1[0] /= lanes as usize);
    let n = cx.outputs[0].elements() as u32 / lanes;
    let params = Params {
        n,
        rank: dims.len() as u32,
        base: base as u32 / lanes,
        extent: pack(dims.iter().map(|d| d.0 as u32), 1),
        step: pack(dims.iter().map(|d| d.1[0] as u32), 0),
        ..Default::default()
    };
    let slots = vec![Slot::Input(0), Slot::Output(0)];
    Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(0, 2 * cx.outputs[0].bytes()))
}

/// The launch that fills output 0 with input 0 seen through a window: element `i` of the output is element
/// `(i - start) / step` of the input, or `fill` where there is none.
pub fn window(kernel: &'static Wide, cx: &LaunchCx<'_>, start: &[i64], step: &[usize], fill: u32) -> Work {
    let (x, y) = (&cx.inputs[0], &cx.outputs[0]);
    // Trailing dimensions that are the same on both sides become one.
    let same = |d: &usize| x.shape[*d] == y.shape[*d] && start[*d] == 0 && step[*d] == 1;
    let whole = (0..x.shape.rank()).rev().take_while(same).count();
    let split = x.shape.rank() - whole;
    let run: usize = x.shape[split..].iter().product();
    // (extent of y, start, step, extent of x)
    let mut dims: Vec<(usize, i64, usize, usize)> =
        (0..split).map(|d| (y.shape[d], start[d], step[d], x.shape[d])).collect();
    dims.push((run, 0, 1, run));
    let (kernel, lanes) = kernel.pick(run.is_multiple_of(4));
    let inner = dims.last_mut().expect("pushed above");
    inner.0 /= lanes as usize;
    inner.3 /= lanes as usize;
    if inner.0 == 1 && dims.len() > 1 {
        dims.pop();
    }
    let mut strides = vec![1; dims.len()];
    for d in (1..dims.len()).rev() {
        strides[d - 1] = strides[d] * dims[d].3;
    }
    let n = y.elements() as u32 / lanes;
    let params = WindowParams {
        n,
        rank: dims.len() as u32,
        fill,
        extent: pack(dims.iter().map(|d| d.0 as u32), 1),
        start: pack(dims.iter().map(|d| d.1 as i32), 0),
        step: pack(dims.iter().map(|d| d.2 as i32), 1),
        inside: pack(dims.iter().map(|d| d.3 as i32), 1),
        stride: pack(strides.iter().map(|&s| s as u32), 0),
        ..Default::default()
    };
    let slots = vec![Slot::Input(0), Slot::Output(0)];
    Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(0, cx.traffic()))
}

/// Refuses tensors of more dimensions than a walk can have.
pub fn check_rank(op: &str, node: &str, what: &str, ty: &TensorType) -> Result<()> {
    if ty.shape.rank() >= MAX_RANK {
        return Err(shape_error(op, node, what, format!("at most {} dimensions", MAX_RANK - 1), ty));
    }
    Ok(())
}
