//! Adam and AdamW: one step on one parameter and its two moments. `adamw` is the entry with decoupled weight decay.

use super::clip_guard::{NO_GRADIENT, infer_optimiser, optimiser_gang};
use super::{Arg, Attr, Attrs, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params {
        n: u32,
        beta2: f32,
        rest1: f32,
        rest2: f32,
        eps: f32,
        decay: f32,
        decoupled: u32,
        pad0: u32,
    }
}

static STEP: Kernel = Kernel {
    label: "adam.step",
    source: include_str!("../../../shaders/adam/step.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

pub(super) const KERNELS: &[&Kernel] = &[&STEP, &GANG];
pub(super) const ARGS: &[Arg] =
    &[Arg::f32("param"), Arg::f32("grad"), Arg::f32("m"), Arg::f32("v"), Arg::f32("control")];
pub(super) const OUTPUTS: &[&str] = &["new_param", "new_m", "new_v"];
pub(super) const BETA1: Attr = Attr { name: "beta1", default: "0.9", doc: "decay of the first moment" };
pub(super) const BETA2: Attr = Attr { name: "beta2", default: "0.999", doc: "decay of the second moment" };
pub(super) const EPS: Attr = Attr { name: "eps", default: "1e-8", doc: "added to the denominator" };

static GANG: Kernel = Kernel {
    label: "adam.gang",
    source: include_str!("../../../shaders/adam/gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "adam",
    summary: "a step of Adam; control is clip_guard's",
    args: ARGS,
    attrs: &[BETA1, BETA2, EPS, Attr { name: "weight_decay", default: "0", doc: "added to the gradient" }],
    outputs: OUTPUTS,
    gradient: Err(NO_GRADIENT),
    kernels: KERNELS,
    build: |attrs, _| build(attrs, false, 0.0),
};

/// Reads the attributes of `adam` and `adamw`.
pub(super) fn build(attrs: &Attrs, decoupled: bool, weight_decay: f32) -> Result<Built> {
    let op = Adam {
        beta1: attrs.double("beta1", 0.9)?,
        beta2: attrs.double("beta2", 0.999)?,
        eps: attrs.float("eps", 1e-8)?,
        weight_decay: attrs.float("weight_decay", weight_decay)?,
        decoupled,
    };
    Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 5], outputs: vec![Layout::Plain; 3] })
}

/// (param, grad, m, v, control (8)) -> (param, m, v), in place where they end their life here.
///
/// The bias corrections come with `control`, so a change of step or rate compiles nothing anew. With a non-finite gradient
/// (control[1] = 0) all three come out as they went in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f32,
    /// L2 penalty, or with `decoupled` the share of lr by which the parameter shrinks.
    pub weight_decay: f32,
    /// AdamW.
    pub decoupled: bool,
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        infer_optimiser(self.name(), node, inputs, &["param", "grad", "m", "v"])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let params = Params {
            n,
            beta2: self.beta2 as f32,
            rest1: (1.0 - self.beta1) as f32,
            rest2: (1.0 - self.beta2) as f32,
            eps: self.eps,
            decay: self.weight_decay,
            decoupled: u32::from(self.decoupled),
            ..Default::default()
        };
        let slots = (0..5).map(Slot::Input).chain((0..3).map(Slot::Output)).collect();
        let launch = Launch::new(&STEP, params, slots, [n.div_ceil(256), 1, 1]);
        let gang = optimiser_gang(&GANG, Params { n: 0, ..params }, cx.inputs, self.in_place());
        Ok(Work::one(launch.in_gang(gang).costing(16 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), NO_GRADIENT)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (2, 1), (3, 2)]
    }
}
