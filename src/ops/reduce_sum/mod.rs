//! Sum or mean over given dimensions, in a fixed order: passes over chunks, each a short sum. The gradient repeats.

use super::expand::Expand;
use super::lanes::wide;
use super::reshape::Reshape;
use super::scale::Scale;
use super::strided;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Launch, Slot};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};

crate::uniform! {
    /// Uniform of the kernel; `n` and `inner` in lanes.
    pub struct Params {
        n: u32, length: u32, chunks: u32, inner: u32,
        scale: f32, pad0: u32, pad1: u32, pad2: u32,
    }
}

wide!(PARTIAL, "reduce_sum.partial", "reduce_sum/partial.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "reduce_sum",
    summary: "sum or mean over dimensions",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "dim", default: "all", doc: "the dimensions, from the end if negative" },
        Attr { name: "keepdim", default: "false", doc: "keep them with extent 1" },
        Attr { name: "mean", default: "false", doc: "divide by the number of terms" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&PARTIAL.one, &PARTIAL.four],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank()) as i64;
        let mut dims = Vec::new();
        for d in attrs.list("dim")?.unwrap_or_else(|| (0..rank).collect()) {
            let own = if d < 0 { d + rank } else { d };
            if !(0..rank).contains(&own) || dims.contains(&(own as usize)) {
                return Err(attrs.fail("dim", format!("holds {d}, outside {rank} dimensions or named twice")));
            }
            dims.push(own as usize);
        }
        let op = ReduceSum { dims, keepdim: attrs.flag("keepdim", false)?, mean: attrs.flag("mean", false)? };
        Ok(Built { op: std::sync::Arc::new(op), inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// Sum of x over `dims`; its mean with `mean`. Extents of `dims` become 1 with `keepdim`, and go without.
#[derive(Clone, Debug)]
pub struct ReduceSum {
    /// Dimensions to sum over, each once, in any order.
    pub dims: Vec<usize>,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
    /// Whether the sum is divided by the number of its terms.
    pub mean: bool,
}

impl ReduceSum {
    /// Sum of all elements of a tensor of `rank`, a scalar.
    pub fn all(rank: usize) -> Self {
        Self { dims: (0..rank).collect(), keepdim: false, mean: false }
    }

    fn shape(&self, x: &Shape, keepdim: bool) -> Shape {
        let reduced = |d: &usize| self.dims.contains(d);
        let kept = (0..x.rank()).filter(|d| keepdim || !reduced(d));
        kept.map(|d| if reduced(&d) { 1 } else { x[d] }).collect::<Vec<_>>().into()
    }

    fn factor(&self, x: &Shape) -> f32 {
        let terms: usize = self.dims.iter().map(|&d| x[d]).product();
        if self.mean { (1.0 / terms as f64) as f32 } else { 1.0 }
    }
}

impl Op for ReduceSum {
    fn name(&self) -> &'static str {
        "reduce_sum"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("reduce_sum", node, "inputs", "x", inputs.len())) };
        if x.dtype != DType::F32 {
            return Err(shape_error("reduce_sum", node, "x", "f32", x));
        }
        strided::check_rank("reduce_sum", node, "x", x)?;
        let valid = |(i, d): (usize, &usize)| *d < x.shape.rank() && !self.dims[..i].contains(d);
        if !self.dims.iter().enumerate().all(valid) {
            let expected = format!("dimensions of {x}, each once");
            return Err(shape_error("reduce_sum", node, "dim", expected, format!("{:?}", self.dims)));
        }
        Ok(vec![TensorType::f32(self.shape(&x.shape, self.keepdim))])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[0].shape;
        Ok(launches(&passes(x, &self.dims), self.factor(x)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let shape = cx.ty(cx.inputs[0]).shape;
        let mut grad = cx.grad();
        if self.mean {
            grad = cx.emit(Scale { alpha: self.factor(&shape), beta: 0.0 }, &[grad])?;
        }
        let kept = self.shape(&shape, true);
        if cx.ty(grad).shape != kept {
            grad = cx.emit(Reshape { shape: kept }, &[grad])?;
        }
        Ok(vec![Some(cx.emit(Expand { shape }, &[grad])?)])
    }
}

/// One pass: (outer, length, inner) -> (outer, chunks, inner).
#[derive(Clone, Copy, Debug)]
struct Pass {
    outer: usize,
    length: usize,
    chunks: usize,
    inner: usize,
}

/// Longest sum that one invocation makes when there are too few of them to fill a device.
const SHORT: usize = 64;
/// Invocations that fill a device.
const MANY: usize = 1 << 14;

/// The passes of a sum over `dims`: neighbouring reduced dimensions are one, the innermost goes first.
fn passes(x: &Shape, dims: &[usize]) -> Vec<Pass> {
    // Runs of dimensions that are all reduced or all kept, outermost first.
    let mut runs: Vec<(bool, usize)> = Vec::new();
    for (d, &extent) in x.iter().enumerate().filter(|(_, e)| **e != 1) {
        let reduced = dims.contains(&d);
        match runs.last_mut() {
            Some((r, run)) if *r == reduced => *run *= extent,
            _ => runs.push((reduced, extent)),
        }
    }
    let mut all = Vec::new();
    let mut inner = 1;
    while let Some((reduced, length)) = runs.pop() {
        if !reduced {
            inner *= length;
            continue;
        }
        let outer = runs.iter().map(|r| r.1).product();
        // A long contiguous sum is first taken as four interleaved ones, for the sake of four lanes.
        if inner == 1 && length % 4 == 0 && length > SHORT {
            shorten(&mut all, outer, length / 4, 4);
            all.push(Pass { outer, length: 4, chunks: 1, inner });
        } else {
            shorten(&mut all, outer, length, inner);
        }
    }
    if all.is_empty() {
        all.push(Pass { outer: 1, length: 1, chunks: 1, inner });
    }
    all
}

fn shorten(all: &mut Vec<Pass>, outer: usize, mut length: usize, inner: usize) {
    while length > 1 {
        let enough = length <= SHORT || outer * inner >= MANY;
        let chunks = if enough { 1 } else { length.div_ceil(SHORT) };
        all.push(Pass { outer, length, chunks, inner });
        length = chunks;
    }
}

/// Launches of the passes: from the input through two scratch tensors in turn to the output, scaled at the end.
fn launches(passes: &[Pass], scale: f32) -> Work {
    let mut work = Work::default();
    let mut from = Slot::Input(0);
    for (i, pass) in passes.iter().enumerate() {
        let last = i + 1 == passes.len();
        let made = pass.outer * pass.chunks * pass.inner;
        let to = if last { Slot::Output(0) } else { Slot::Scratch(work.scratch.len()) };
        let (kernel, lanes) = PARTIAL.pick(pass.inner.is_multiple_of(4));
        let n = made as u32 / lanes;
        let params = Params {
            n,
            length: pass.length as u32,
            chunks: pass.chunks as u32,
            inner: pass.inner as u32 / lanes,
            scale: if last { scale } else { 1.0 },
            ..Default::default()
        };
        let read = (pass.outer * pass.length * pass.inner) as u64;
        let launch = Launch::new(kernel, params, vec![from, to], [n.div_ceil(256), 1, 1]);
        work.launches.push(launch.costing(read, 4 * (read + made as u64)));
        if !last {
            work.scratch.push(4 * made as u64);
        }
        from = to;
    }
    work
}
