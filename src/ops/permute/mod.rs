//! Reordered dimensions, in memory of their own. The gradient is the permutation back.

use super::lanes::wide;
use super::strided::{self, Dim};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

wide!(FORWARD, "permute.forward", "permute/forward.wgsl", strided::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "permute",
    summary: "x with its dimensions in another order",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "dims", default: "reversed", doc: "dimension i of y is dimension dims[i] of x" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, inputs| {
        let rank = inputs[0].as_ref().map_or(0, |x| x.shape.rank()) as i64;
        let dims = attrs.list("dims")?.unwrap_or_else(|| (0..rank).rev().collect());
        let own = |&d: &i64| usize::try_from(if d < 0 { d + rank } else { d }).ok();
        let order: Option<Vec<usize>> = dims.iter().map(own).collect();
        let order = order.ok_or_else(|| attrs.fail("dims", format!("names no dimensions of {rank}: {dims:?}")))?;
        let op = std::sync::Arc::new(Permute { order });
        // The order of dimensions is the caller's.
        Ok(Built { op, inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// Dimension `i` of the output is dimension `order[i]` of the input.
#[derive(Clone, Debug)]
pub struct Permute {
    /// Every dimension of the input once.
    pub order: Vec<usize>,
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("permute", node, "inputs", "x", inputs.len())) };
        strided::check_rank("permute", node, "x", x)?;
        let rank = x.shape.rank();
        if self.order.len() != rank || !(0..rank).all(|d| self.order.contains(&d)) {
            let expected = format!("each of the {rank} dimensions of {x} once");
            return Err(shape_error("permute", node, "dims", expected, format!("{:?}", self.order)));
        }
        let shape: Vec<usize> = self.order.iter().map(|&d| x.shape[d]).collect();
        Ok(vec![TensorType { shape: shape.into(), dtype: x.dtype }])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[0].shape;
        let strides = x.strides();
        let dims: Vec<Dim<1>> = self.order.iter().map(|&d| (x[d], [strides[d]])).collect();
        Ok(strided::walk(&FORWARD, cx, 0, &dims))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        Ok(vec![Some(cx.emit(Self { order: back }, &[cx.grad()])?)])
    }
}
