//! Takes a state's new value where the step was finite and keeps the old one where it was not: what the optimisers do for parameters,
//! for running statistics and whatever else a network updates.

use super::clip_guard::{CONTROL, optimiser_gang};
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
    label: "keep_finite.forward",
    source: include_str!("../../../shaders/keep_finite/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

const NO_GRADIENT: &str = "it decides what is stored after the gradients are known";

static GANG: Kernel = Kernel {
    label: "keep_finite.gang",
    source: include_str!("../../../shaders/keep_finite/gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "keep_finite",
    summary: "new where control[1] is 1, old where it is 0; control is clip_guard's",
    args: &[Arg::f32("old"), Arg::f32("new"), Arg::f32("control")],
    attrs: &[],
    outputs: &["y"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&FORWARD, &GANG],
    build: |_, _| Ok(Built { op: Arc::new(KeepFinite), inputs: vec![Layout::Plain; 3], outputs: vec![Layout::Plain] }),
};

/// (old, new, control (8)) -> the type of old, bit for bit; any element type of four bytes. In place on old, so that an update leaves a variable alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeepFinite;

impl Op for KeepFinite {
    fn name(&self) -> &'static str {
        "keep_finite"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error("keep_finite", node, what, expected, got));
        let [old, new, control] = inputs else {
            return wrong("inputs", "old, new and control".into(), inputs.len().to_string());
        };
        if new != old || old.elements() == 0 || old.dtype == DType::F16 {
            return wrong("new", format!("{old}, with at least one element, of four bytes"), new.to_string());
        }
        if *control != TensorType::f32([CONTROL]) {
            return wrong("control", format!("f32({CONTROL})"), control.to_string());
        }
        Ok(vec![old.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Input(2), Slot::Output(0)];
        let launch = Launch::new(&FORWARD, Params { n, ..Default::default() }, slots, [n.div_ceil(256), 1, 1]);
        let gang = optimiser_gang(&GANG, Params::default(), cx.inputs, self.in_place());
        Ok(Work::one(launch.in_gang(gang).costing(0, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("keep_finite", NO_GRADIENT)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
