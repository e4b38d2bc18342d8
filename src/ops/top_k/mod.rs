//! The k largest elements of each row in descending order, and where they are. With k the row's length it is a sort.
//!
//! Few rows' elements: all are sorted. Many: a radix selection finds the k-th largest first (`select.rs`), and only the chosen are
//! sorted (`sort.rs`). How many there are stays on the device.

mod select;
pub(super) mod sort;

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use sort::{Rows, kernel, order_key};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of `emit`.
    pub struct EmitParams { m: u32, length: u32, k: u32, bound: u32 }
}

crate::uniform! {
    /// Uniform of the gradient's kernels.
    pub struct GradParams { n: u32, k: u32, m: u32, pad0: u32 }
}

kernel!(EMIT, "emit", EmitParams);
kernel!(CLEAR, "clear", GradParams);
kernel!(GRAD, "grad", GradParams);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "top_k",
    summary: "the k largest elements of each row in descending order, and their indices",
    args: &[Arg::f32("x")],
    attrs: &[
        Attr { name: "k", default: "M", doc: "how many, at most the row's length" },
        Attr { name: "threshold", default: "null", doc: "only elements strictly above it" },
    ],
    outputs: &["values", "indices", "count"],
    gradient: Ok(()),
    kernels: &[
        &sort::PAIRS,
        &sort::SORT_TILE,
        &sort::MERGE,
        &EMIT,
        &select::HISTOGRAM,
        &select::PICK,
        &select::TALLY,
        &select::STARTS,
        &select::SCATTER,
        &CLEAR,
        &GRAD,
    ],
    build: |attrs, inputs| {
        let length = inputs[0].as_ref().and_then(|x| x.shape.last().copied()).unwrap_or(1);
        let threshold = attrs.has("threshold").then(|| attrs.float("threshold", 0.0)).transpose()?;
        let op = TopK { k: attrs.size("k", length)?, threshold };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain], outputs: vec![Layout::Plain; 3] })
    },
};

/// x (N, M) -> values f32 (N, K), indices i32 (N, K), count i32 (N): the K largest elements of each row that are strictly above
/// the threshold, in descending order, the lower index first among equals. NaN is left out. Places from `count` on
/// hold value 0 and index -1. The gradient of x is that of the values, at their indices.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// How many, 1 to M.
    pub k: usize,
    /// Only elements strictly above it.
    pub threshold: Option<f32>,
}

/// Rows up to this length are sorted as they are: selecting first would take longer.
const SORTED_WHOLE: u32 = 8192;

impl Op for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("top_k", node, "inputs", "x", inputs.len())) };
        if x.dtype != DType::F32 || x.shape.rank() != 2 || x.elements() == 0 {
            return Err(shape_error("top_k", node, "x", "f32 of rank 2 with elements", x));
        }
        let (n, m) = (x.shape[0], x.shape[1]);
        if !(1..=m).contains(&self.k) {
            return Err(shape_error("top_k", node, "k", format!("1 to {m} of {x}"), self.k));
        }
        if self.threshold.is_some_and(f32::is_nan) {
            return Err(Error::Attribute { op: "top_k".into(), message: format!("'{node}': threshold is NaN") });
        }
        Ok(vec![TensorType::f32([n, self.k]), TensorType::i32([n, self.k]), TensorType::i32([n])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let shape = &cx.inputs[0].shape;
        let (n, m, k) = (shape[0] as u32, shape[1] as u32, self.k as u32);
        let x = Slot::Input(0);
        let bound = self.threshold.map_or(0, order_key);
        let whole = m <= SORTED_WHOLE || (k == m && self.threshold.is_none());
        let [pairs, spare, found] = [0, 1, 2].map(Slot::Scratch);
        let rows = Rows { rows: n, length: if whole { m } else { k }, pairs, spare, found };
        let mut launches = Vec::new();
        let mut scratch = vec![rows.bytes(), rows.bytes(), 4 * u64::from(n)];
        if whole {
            launches.push(rows.fill(x, None));
        } else {
            let more = select::select(&rows, x, m, bound, scratch.len(), &mut launches);
            scratch.extend(more);
        }
        let sorted = rows.sort(&mut launches);
        let params = EmitParams { m, length: rows.length, k, bound, ..Default::default() };
        let slots = vec![x, sorted, found, Slot::Output(0), Slot::Output(1), Slot::Output(2)];
        let chosen = u64::from(n) * u64::from(k);
        launches.push(Launch::new(&EMIT, params, slots, [k.div_ceil(256), n, 1]).costing(8 * chosen, 20 * chosen));
        Ok(Work { launches, scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let Some(grad) = cx.grads[0] else { return Ok(vec![None]) };
        let m = cx.ty(cx.inputs[0]).shape[1];
        Ok(vec![Some(cx.emit(TopKGrad { m }, &[grad, cx.outputs[1]])?)])
    }
}

/// (grad_values, indices) -> grad_x of rows of `m`.
#[derive(Clone, Copy, Debug)]
struct TopKGrad {
    m: usize,
}

impl Op for TopKGrad {
    fn name(&self) -> &'static str {
        "top_k.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32([inputs[0].shape[0], self.m])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (all, moved) = (cx.outputs[0].elements() as u32, cx.inputs[0].elements() as u32);
        let params = |n| GradParams { n, k: cx.inputs[0].shape[1] as u32, m: self.m as u32, ..Default::default() };
        let clear = Launch::new(&CLEAR, params(all), vec![Slot::Output(0)], [all.div_ceil(256), 1, 1]);
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let scatter = Launch::new(&GRAD, params(moved), slots, [moved.div_ceil(256), 1, 1]);
        let launches =
            vec![clear.costing(0, 4 * u64::from(all)), scatter.costing(4 * u64::from(moved), 12 * u64::from(moved))];
        Ok(Work { launches, scratch: Vec::new() })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("top_k.grad", "second derivatives are not offered")
    }
}
