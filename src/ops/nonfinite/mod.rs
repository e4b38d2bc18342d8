//! Number of NaNs and infinities in a tensor, told by their exponent bits. Finds the first tensor that went wrong.

use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static COUNT: Kernel = Kernel {
    label: "nonfinite.count",
    source: include_str!("../../../shaders/nonfinite/count.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static FINISH: Kernel = Kernel {
    label: "nonfinite.finish",
    source: include_str!("../../../shaders/nonfinite/finish.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "nonfinite",
    summary: "number of NaNs and infinities in x",
    args: &[Arg::f32("x")],
    attrs: &[],
    outputs: &["count"],
    gradient: Err("a count does not change with its elements"),
    kernels: &[&COUNT, &FINISH],
    build: |_, _| Ok(Built::images(NonFinite, 1, 1)),
};

/// x of any shape -> u32 scalar.
#[derive(Clone, Copy, Debug)]
pub struct NonFinite;

impl Op for NonFinite {
    fn name(&self) -> &'static str {
        "nonfinite"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let scalar: [usize; 0] = [];
        match inputs {
            [x] if x.dtype == DType::F32 && x.elements() > 0 => Ok(vec![TensorType::u32(scalar)]),
            [x] => Err(shape_error("nonfinite", node, "x", "f32 with at least one element", x)),
            _ => Err(shape_error("nonfinite", node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.inputs[0].elements() as u32;
        let groups = n.div_ceil(4096);
        let params = |n| Params { n, ..Default::default() };
        let launches = vec![
            Launch::new(&COUNT, params(n), vec![Slot::Input(0), Slot::Scratch(0)], [groups, 1, 1])
                .costing(u64::from(n), cx.traffic()),
            Launch::new(&FINISH, params(groups), vec![Slot::Scratch(0), Slot::Output(0)], [1, 1, 1])
                .costing(u64::from(groups), 4 * u64::from(groups)),
        ];
        Ok(Work { launches, scratch: vec![4 * u64::from(groups)] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("nonfinite", "a count does not change with its elements")
    }
}
