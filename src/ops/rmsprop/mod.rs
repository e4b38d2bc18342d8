//! RMSProp: one step on one parameter, its mean square and its momentum. PyTorch's `RMSprop`, not centred.

use super::clip_guard::{NO_GRADIENT, infer_optimiser, optimiser_gang};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params {
        n: u32,
        alpha: f32,
        rest: f32,
        eps: f32,
        momentum: f32,
        decay: f32,
        pad0: u32,
        pad1: u32,
    }
}

static STEP: Kernel = Kernel {
    label: "rmsprop.step",
    source: include_str!("../../../shaders/rmsprop/step.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GANG: Kernel = Kernel {
    label: "rmsprop.gang",
    source: include_str!("../../../shaders/rmsprop/gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "rmsprop",
    summary: "a step of RMSProp; control is clip_guard's",
    args: &[Arg::f32("param"), Arg::f32("grad"), Arg::f32("square"), Arg::f32("buffer"), Arg::f32("control")],
    attrs: &[
        Attr { name: "alpha", default: "0.99", doc: "decay of the mean square" },
        Attr { name: "eps", default: "1e-8", doc: "added to the denominator" },
        Attr { name: "momentum", default: "0", doc: "share of the buffer that is kept" },
        Attr { name: "weight_decay", default: "0", doc: "added to the gradient" },
    ],
    outputs: &["new_param", "new_square", "new_buffer"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&STEP, &GANG],
    build: |attrs, _| {
        let op = RmsProp {
            alpha: attrs.double("alpha", 0.99)?,
            eps: attrs.float("eps", 1e-8)?,
            momentum: attrs.float("momentum", 0.0)?,
            weight_decay: attrs.float("weight_decay", 0.0)?,
        };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 5], outputs: vec![Layout::Plain; 3] })
    },
};

/// (param, grad, square, buffer, control (8)) -> (param, square, buffer), in place where they end their life here. With a
/// non-finite gradient (control[1] = 0) they come out as they went in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Decay of the mean square.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f32,
    /// Share of the buffer that is kept.
    pub momentum: f32,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f32,
}

impl Op for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        infer_optimiser("rmsprop", node, inputs, &["param", "grad", "square", "buffer"])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let params = Params {
            n,
            alpha: self.alpha as f32,
            rest: (1.0 - self.alpha) as f32,
            eps: self.eps,
            momentum: self.momentum,
            decay: self.weight_decay,
            ..Default::default()
        };
        let slots = (0..5).map(Slot::Input).chain((0..3).map(Slot::Output)).collect();
        let launch = Launch::new(&STEP, params, slots, [n.div_ceil(256), 1, 1]);
        let gang = optimiser_gang(&GANG, Params { n: 0, ..params }, cx.inputs, self.in_place());
        Ok(Work::one(launch.in_gang(gang).costing(14 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("rmsprop", NO_GRADIENT)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (2, 1), (3, 2)]
    }
}
