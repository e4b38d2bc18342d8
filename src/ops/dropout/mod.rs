//! Dropout with a mask that is computed, not stored: a hash of seed, step, node and index. The gradient is the same op on
//! grad_y. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params {
        n: u32, seed: u32, node: u32, p: f32,
        scale: f32, pad0: u32, pad1: u32, pad2: u32,
    }
}

static FORWARD: Kernel = Kernel {
    label: "dropout.forward",
    source: include_str!("../../../shaders/dropout/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "dropout",
    summary: "zeros with probability p, x / (1 - p) elsewhere",
    args: &[Arg::f32("x"), Arg::u32("step")],
    attrs: &[
        Attr { name: "p", default: "0.5", doc: "probability of a zero" },
        Attr { name: "seed", default: "0", doc: "seed of the run" },
        Attr { name: "node", default: "0", doc: "tells the dropouts of one network apart" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let counter =
            |name: &'static str| u32::try_from(attrs.size(name, 0)?).map_err(|_| attrs.fail(name, "must fit 32 bits"));
        let op = Dropout { p: attrs.float("p", 0.5)?, seed: counter("seed")?, node: counter("node")? };
        // The mask counts elements in the order in which they lie: the caller's here.
        Ok(Built { op: std::sync::Arc::new(op), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// (x, step) -> y: training-mode dropout. `step` is a u32 tensor of one element that changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Probability of a zero, in [0, 1].
    pub p: f32,
    /// Seed of the run.
    pub seed: u32,
    /// Tells the dropouts of one network apart.
    pub node: u32,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, step] = inputs else {
            return Err(shape_error("dropout", node, "inputs", "x and step", inputs.len()));
        };
        if !(0.0..=1.0).contains(&self.p) {
            let message = format!("'{node}': p must lie in [0, 1], got {}", self.p);
            return Err(Error::Attribute { op: "dropout".into(), message });
        }
        if x.dtype != DType::F32 {
            return Err(shape_error("dropout", node, "x", "f32", x));
        }
        if step.dtype != DType::U32 || step.elements() != 1 {
            return Err(shape_error("dropout", node, "step", "u32(1)", step));
        }
        Ok(vec![x.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        // With p = 1 nothing is kept and the scale is never used.
        let scale = if self.p < 1.0 { 1.0 / (1.0 - self.p) } else { 0.0 };
        let params = Params { n, seed: self.seed, node: self.node, p: self.p, scale, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let cost = cx.elementwise(30);
        Ok(Work::one(Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes)))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(*self, &[cx.grad(), cx.inputs[1]])?), None])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
