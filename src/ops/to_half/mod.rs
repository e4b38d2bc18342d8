//! Converts f32 to half precision, for the weights of networks that only run. Nothing is computed in half precision: ops that take
//! such weights widen them again ([`Op::half_inputs`]).

use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "to_half.forward",
    source: include_str!("../../../shaders/to_half/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

const NO_GRADIENT: &str = "rounding has none; half-precision weights are for inference";

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "to_half",
    summary: "y = x as f16, to nearest, ties to even; beyond 65504 the largest f16",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["y"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&FORWARD],
    build: |_, _| Ok(Built { op: Arc::new(ToHalf), inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] }),
};

/// f32 of any shape -> f16 of the same shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToHalf;

impl Op for ToHalf {
    fn name(&self) -> &'static str {
        "to_half"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [x] if x.dtype == DType::F32 && x.elements() > 0 => Ok(vec![TensorType::f16(&x.shape)]),
            [x] => Err(shape_error("to_half", node, "x", "f32 with at least one element", x)),
            _ => Err(shape_error("to_half", node, "inputs", 1, inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let slots = vec![Slot::Input(0), Slot::Output(0)];
        let launch = Launch::new(&FORWARD, Params { n, ..Default::default() }, slots, [n.div_ceil(512), 1, 1]);
        Ok(Work::one(launch.costing(10 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("to_half", NO_GRADIENT)
    }
}
