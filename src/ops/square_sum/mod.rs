//! Sums of squares of many tensors, collected in one vector: the first half of the global norm of all gradients, one dispatch for
//! each tensor. A chain of nodes works in place on the vector; [`super::clip_guard`] adds it up.
//!
//! A tensor takes [`slots`] elements of the vector, one for each 16384 of its own. An element is NaN if any of its numbers is
//! NaN or infinite.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Gang, Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, first: u32, groups: u32, length: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "square_sum.forward",
    source: include_str!("../../../shaders/square_sum/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GANG: Kernel = Kernel {
    label: "square_sum.gang",
    source: include_str!("../../../shaders/square_sum/gang.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "square_sum",
    summary: "sums with its elements from `first` on replaced by sums of squares of x, one for each 16384 elements",
    args: &[Arg::f32("sums"), Arg::f32("x")],
    attrs: &[Attr { name: "first", default: "0", doc: "first element of sums to replace" }],
    outputs: &["y"],
    gradient: Err("gradients are only measured with it"),
    kernels: &[&FORWARD, &GANG],
    build: |attrs, _| {
        let op = Arc::new(SquareSum { first: attrs.size("first", 0)? });
        Ok(Built { op, inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain] })
    },
};

/// Elements of the vector that a tensor of `elements` takes.
pub fn slots(elements: usize) -> usize {
    elements.div_ceil(16384)
}

/// (sums (P), x of any shape) -> sums (P) with elements `first .. first + slots(x)` replaced.
#[derive(Clone, Copy, Debug)]
pub struct SquareSum {
    /// First element of the vector to replace.
    pub first: usize,
}

impl Op for SquareSum {
    fn name(&self) -> &'static str {
        "square_sum"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error("square_sum", node, what, expected, got));
        let [sums, x] = inputs else {
            return wrong("inputs", "sums and x".into(), inputs.len().to_string());
        };
        if x.dtype != DType::F32 || x.elements() == 0 {
            return wrong("x", "f32 with at least one element".into(), x.to_string());
        }
        let least = self.first + slots(x.elements());
        if sums.dtype != DType::F32 || sums.shape.rank() != 1 || sums.elements() < least {
            return wrong("sums", format!("f32 vector of at least {least} elements"), sums.to_string());
        }
        Ok(vec![sums.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[1].elements();
        let groups = slots(n) as u32;
        let length = cx.inputs[0].elements() as u32;
        let params = Params { n: n as u32, first: self.first as u32, groups, length, ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let gang = Gang {
            in_place: vec![(Slot::Input(0), Slot::Output(0))],
            elements: n as u32,
            number: self.first as u32,
            ..Gang::new(&GANG, Params::default(), vec![Slot::Input(1)], vec![Slot::Output(0)])
        };
        let launch = Launch::new(&FORWARD, params, slots, [groups, 1, 1]).in_gang(gang);
        Ok(Work::one(launch.costing(2 * n as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("square_sum", "gradients are only measured with it")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
