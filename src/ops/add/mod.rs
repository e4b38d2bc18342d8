//! Elementwise sum with broadcasting. The gradient graph accumulates with it.

use super::lanes::wide;
use super::{Arg, Built, Entry, Epilogue, GradCx, LaunchCx, Op, Value, Work, broadcast};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

wide!(FORWARD, "add.forward", "add/forward.wgsl", broadcast::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "add",
    summary: "y = a + b, with broadcasting",
    args: &[Arg::f32("a"), Arg::f32("b")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    // Broadcasting aligns the dimensions of the caller's order, whatever it is.
    build: |_, _| {
        Ok(Built { op: std::sync::Arc::new(Add), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// y = a + b; shapes broadcast as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        broadcast::infer("add", node, inputs)
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
            broadcast::reduce_to(cx, cx.grad(), &shape).map(Some)
        };
        Ok(vec![side(0)?, side(1)?])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }

    fn as_epilogue(&self, inputs: &[TensorType]) -> Option<Epilogue> {
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        if a == b {
            return Some(Epilogue::Residual);
        }
        let vector = b.rank() == 1 && a.rank() > 1 && b[0] == a.channels();
        vector.then_some(Epilogue::Bias)
    }
}
