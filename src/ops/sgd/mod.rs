//! Stochastic gradient descent: one step on one parameter, with momentum or without. PyTorch's `SGD` with dampening 0.

use super::clip_guard::{NO_GRADIENT, infer_optimiser, optimiser_gang};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use std::sync::Arc;

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, momentum: f32, decay: f32, nesterov: u32 }
}

static PLAIN: Kernel = Kernel {
    label: "sgd.plain",
    source: include_str!("../../../shaders/sgd/plain.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static MOMENTUM: Kernel = Kernel {
    label: "sgd.momentum",
    source: include_str!("../../../shaders/sgd/momentum.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static PLAIN_GANG: Kernel = Kernel {
    label: "sgd.plain_gang",
    source: include_str!("../../../shaders/sgd/plain_gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static MOMENTUM_GANG: Kernel = Kernel {
    label: "sgd.momentum_gang",
    source: include_str!("../../../shaders/sgd/momentum_gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "sgd",
    summary: "a step of gradient descent; buffer with momentum only; control is clip_guard's",
    args: &[Arg::f32("param"), Arg::f32("grad"), Arg::optional("buffer"), Arg::f32("control")],
    attrs: &[
        Attr { name: "momentum", default: "0", doc: "share of the buffer that is kept" },
        Attr { name: "nesterov", default: "false", doc: "look ahead by one step of momentum" },
        Attr { name: "weight_decay", default: "0", doc: "added to the gradient" },
    ],
    outputs: &["new_param", "new_buffer"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&PLAIN, &MOMENTUM, &PLAIN_GANG, &MOMENTUM_GANG],
    build: |attrs, given| {
        let op = Sgd {
            momentum: attrs.float("momentum", 0.0)?,
            nesterov: attrs.flag("nesterov", false)?,
            weight_decay: attrs.float("weight_decay", 0.0)?,
        };
        let buffer = given[2].is_some();
        if buffer != (op.momentum != 0.0) {
            return Err(attrs.fail("momentum", "needs the tensor 'buffer', and the buffer needs momentum"));
        }
        let (inputs, outputs) = (3 + usize::from(buffer), 1 + usize::from(buffer));
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; inputs], outputs: vec![Layout::Plain; outputs] })
    },
};

/// (param, grad, control (8)) -> param, or with momentum (param, grad, buffer, control) -> (param, buffer); in place where they
/// end their life here. With a non-finite gradient (control[1] = 0) they come out as they went in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Share of the buffer that is kept; 0 for no buffer.
    pub momentum: f32,
    /// Look ahead by one step of momentum.
    pub nesterov: bool,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f32,
}

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let names: &[&str] = if self.momentum == 0.0 { &["param", "grad"] } else { &["param", "grad", "buffer"] };
        infer_optimiser("sgd", node, inputs, names)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let (momentum, decay, nesterov) = (self.momentum, self.weight_decay, u32::from(self.nesterov));
        let params = Params { n, momentum, decay, nesterov, ..Default::default() };
        let kernel = if self.momentum == 0.0 { &PLAIN } else { &MOMENTUM };
        let outputs = (0..cx.outputs.len()).map(Slot::Output);
        let slots = (0..cx.inputs.len()).map(Slot::Input).chain(outputs).collect();
        let launch = Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]);
        let kernel = if self.momentum == 0.0 { &PLAIN_GANG } else { &MOMENTUM_GANG };
        let gang = optimiser_gang(kernel, Params { n: 0, ..params }, cx.inputs, self.in_place());
        Ok(Work::one(launch.in_gang(gang).costing(8 * u64::from(n), cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("sgd", NO_GRADIENT)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        if self.momentum == 0.0 { &[(0, 0)] } else { &[(0, 0), (2, 1)] }
    }
}
