//! Whole rows of a tensor, chosen for each picture by index: the boxes of the best scores, say. The gradient has each element walk
//! along the index.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params {
        n: u32, rows: u32, chosen: u32, width: u32,
        fill: u32, pad0: u32, pad1: u32, pad2: u32,
    }
}

static FORWARD: Kernel = Kernel {
    label: "gather_rows.forward",
    source: include_str!("../../../shaders/gather_rows/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "gather_rows.grad",
    source: include_str!("../../../shaders/gather_rows/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "gather_rows",
    summary: "y[n, k] = x[n, index[n, k]], whole rows",
    args: &[Arg::f32("x"), Arg::i32("index")],
    attrs: &[Attr { name: "fill", default: "0", doc: "stands where the index lies outside x" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |attrs, _| {
        let op = Arc::new(GatherRows { fill: attrs.float("fill", 0.0)? });
        Ok(Built { op, inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (x (N, M, ...), index i32 (N, K)) -> y (N, K, ...): row index[n, k] of x[n], of any element type. An index outside 0..M gives
/// `fill` and passes no gradient on.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatherRows {
    /// What stands where the index lies outside x; for integers, rounded towards zero.
    pub fill: f32,
}

/// The uniform for x of `shape` and `chosen` indices for each picture.
fn params(shape: &Shape, chosen: usize, n: u32) -> Params {
    let width = shape[2..].iter().product::<usize>() as u32;
    Params { n, rows: shape[1] as u32, chosen: chosen as u32, width, ..Default::default() }
}

impl Op for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, index] = inputs else {
            return Err(shape_error("gather_rows", node, "inputs", "x and index", inputs.len()));
        };
        if x.shape.rank() < 2 || x.elements() == 0 || x.dtype == DType::F16 {
            return Err(shape_error("gather_rows", node, "x", "rank 2 or more, with elements of four bytes", x));
        }
        let fits = index.dtype == DType::I32 && index.shape.rank() == 2 && index.shape[0] == x.shape[0];
        if !fits || index.elements() == 0 {
            let expected = format!("i32 of shape ({}, K)", x.shape[0]);
            return Err(shape_error("gather_rows", node, "index", expected, index));
        }
        let shape: Vec<usize> = index.shape.iter().chain(&x.shape[2..]).copied().collect();
        Ok(vec![TensorType { shape: shape.into(), dtype: x.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (x, n) = (&cx.inputs[0], cx.outputs[0].elements() as u32);
        let fill = match x.dtype {
            DType::F32 => self.fill.to_bits(),
            DType::I32 => self.fill as i32 as u32,
            DType::U32 => self.fill as u32,
            DType::F16 => unreachable!("refused by infer"),
        };
        let params = Params { fill, ..params(&x.shape, cx.inputs[1].shape[1], n) };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        Ok(Work::one(
            Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(0, 3 * cx.outputs[0].bytes()),
        ))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let op = GatherRowsGrad { shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad(), cx.inputs[1]])?), None])
    }
}

/// (grad_y, index) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct GatherRowsGrad {
    shape: Shape,
}

impl Op for GatherRowsGrad {
    fn name(&self) -> &'static str {
        "gather_rows.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (n, chosen) = (self.shape.elements() as u32, cx.inputs[1].shape[1]);
        let visits = u64::from(n) * chosen as u64;
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launch = Launch::new(&GRAD, params(&self.shape, chosen, n), slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(2 * visits, 4 * visits)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("gather_rows.grad", "second derivatives are not offered")
    }
}
