//! Elementwise product with broadcasting.

use super::lanes::wide;
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, broadcast};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

wide!(FORWARD, "mul.forward", "mul/forward.wgsl", broadcast::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "mul",
    summary: "y = a * b, with broadcasting",
    args: &[Arg::f32("a"), Arg::f32("b")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    // Broadcasting aligns the dimensions of the caller's order, whatever it is.
    build: |_, _| {
        Ok(Built { op: std::sync::Arc::new(Mul), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// y = a * b; shapes broadcast as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct Mul;

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        broadcast::infer("mul", node, inputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(broadcast::launch(&FORWARD, cx))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let mut side = |i: usize| -> Result<Option<Value>> {
            if !cx.wanted[i] {
                return Ok(None);
            }
            let shape = cx.ty(cx.inputs[i]).shape;
            let whole = cx.emit(Mul, &[cx.grad(), cx.inputs[1 - i]])?;
            broadcast::reduce_to(cx, whole, &shape).map(Some)
        };
        Ok(vec![side(0)?, side(1)?])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
