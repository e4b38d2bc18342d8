//! Elementwise sum of two tensors of one shape. The gradient graph accumulates with it.

use super::{Arg, Built, Entry, Epilogue, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "add.forward",
    source: include_str!("../../../shaders/add/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "add",
    summary: "y = a + b, same shape",
    args: &[Arg::f32("a"), Arg::f32("b")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD],
    build: |_, _| Ok(Built::images(Add, 2, 1)),
};

/// y = a + b, same shape.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [a, b] if a == b => Ok(vec![a.clone()]),
            [a, b] => Err(shape_error("add", node, "b", a, b)),
            _ => Err(shape_error("add", node, "inputs", "a and b", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let launch = Launch::new(&FORWARD, Params { n, ..Default::default() }, slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.costing(n as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(cx.wanted.iter().map(|&wanted| wanted.then(|| cx.grad())).collect())
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }

    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        Some(Epilogue::Residual)
    }
}
