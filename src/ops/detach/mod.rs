//! The same tensor, with no gradient through it: what is made of it is a constant to whoever differentiates. PyTorch's `detach`.
//! A view: nothing is copied and no kernel runs.

use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use std::sync::Arc;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "detach",
    summary: "the same tensor, which passes no gradient on",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Err("it is there to stop gradients"),
    kernels: &[],
    build: |_, _| Ok(Built { op: Arc::new(Detach), inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] }),
};

/// x of any type and shape, cut off from the gradient: proposals of a detector, targets made of predictions.
#[derive(Clone, Copy, Debug)]
pub struct Detach;

impl Op for Detach {
    fn name(&self) -> &'static str {
        "detach"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("detach", node, "inputs", "x", inputs.len())) };
        Ok(vec![x.clone()])
    }

    fn launches(&self, _cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::default())
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("detach", ENTRY.gradient.expect_err("none"))
    }

    fn is_view(&self) -> bool {
        true
    }

    fn stops_gradient(&self) -> bool {
        true
    }
}
