//! Exponential moving average of a parameter: a shadow that follows it slowly and often tests better.

use super::clip_guard::{NO_GRADIENT, infer_optimiser, optimiser_gang};
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static STEP: Kernel = Kernel {
    label: "ema.step",
    source: include_str!("../../../shaders/ema/step.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GANG: Kernel = Kernel {
    label: "ema.gang",
    source: include_str!("../../../shaders/ema/gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "ema",
    summary: "shadow + share (param - shadow) with share = control[5]; control is clip_guard's",
    args: &[Arg::f32("shadow"), Arg::f32("param"), Arg::f32("control")],
    attrs: &[],
    outputs: &["new_shadow"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&STEP, &GANG],
    build: |_, _| Ok(Built { op: Arc::new(Ema), inputs: vec![Layout::Plain; 3], outputs: vec![Layout::Plain] }),
};

/// (shadow, param, control (8)) -> shadow, in place where it ends its life here. Stays as it was where control[1] is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ema;

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        infer_optimiser("ema", node, inputs, &["shadow", "param"])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Input(2), Slot::Output(0)];
        let launch = Launch::new(&STEP, Params { n, ..Default::default() }, slots, [n.div_ceil(256), 1, 1]);
        let gang = optimiser_gang(&GANG, Params::default(), cx.inputs, self.in_place());
        Ok(Work::one(launch.in_gang(gang).costing(4 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("ema", NO_GRADIENT)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
