//! ReLU: y = max(x, 0). The gradient looks at the output, so the input need not be kept.

use super::{Activation, Arg, Built, Entry, Epilogue, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "relu.forward",
    source: include_str!("../../../shaders/relu/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "relu.grad",
    source: include_str!("../../../shaders/relu/grad.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "relu",
    summary: "y = max(x, 0)",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD],
    build: |_, _| Ok(Built::images(Relu, 1, 1)),
};

/// y = max(x, 0), any shape.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [x] if x.dtype == DType::F32 => Ok(vec![x.clone()]),
            [x] => Err(shape_error("relu", node, "x", "f32", x)),
            _ => Err(shape_error("relu", node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::one(elementwise(&FORWARD, cx, vec![Slot::Input(0), Slot::Output(0)])))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(ReluGrad, &[cx.grad(), cx.outputs[0]])?)])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        Some(Epilogue::Activation(Activation::Relu))
    }
}

/// (grad_y, y) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct ReluGrad;

impl Op for ReluGrad {
    fn name(&self) -> &'static str {
        "relu.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(Work::one(elementwise(&GRAD, cx, vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)])))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let why = "second derivatives are not offered".to_string();
        Err(Error::NotDifferentiable { op: self.name().into(), node: cx.node.into(), why })
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}

fn elementwise(kernel: &'static Kernel, cx: &LaunchCx<'_>, slots: Vec<Slot>) -> Launch {
    let n = cx.outputs[0].elements() as u32;
    let cost = cx.elementwise(1);
    Launch::new(kernel, Params { n, ..Default::default() }, slots, [n.div_ceil(256), 1, 1])
        .costing(cost.flops, cost.bytes)
}
