//! Two ops that measure a device: as much arithmetic as it can do, and as much moving. Benchmarks hold kernels against them. They compute
//! nothing that a network wants, so they are in no registry line.

use super::{GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, rounds: u32, pad0: u32, pad1: u32 }
}

static MULTIPLY_ADD: Kernel = Kernel {
    label: "ceiling.multiply_add",
    source: include_str!("../../../shaders/ceiling/multiply_add.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static COPY: Kernel = Kernel {
    label: "ceiling.copy",
    source: include_str!("../../../shaders/ceiling/copy.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// Both kernels, for the tests of shaders.
pub const KERNELS: [&Kernel; 2] = [&MULTIPLY_ADD, &COPY];

/// Steps of each recurrence in a round.
pub const STEPS: u32 = 8;
/// Recurrences of each element.
pub const CHAINS: u32 = 12;

/// factors (2), a and b -> y (n): y\[i\] is the sum over c = 0 to 11 of s, where s begins at (i mod 1024) / 1024 + c and becomes a * s + b, 8 * `rounds` times.
#[derive(Clone, Copy, Debug)]
pub struct MultiplyAdd {
    /// Elements of y.
    pub n: usize,
    /// Turns of the kernel's loop; 96 multiply-adds each.
    pub rounds: u32,
}

impl Op for MultiplyAdd {
    fn name(&self) -> &'static str {
        "ceiling.multiply_add"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [factors] if *factors == TensorType::f32([2]) && self.n > 0 => Ok(vec![TensorType::f32([self.n])]),
            [factors] => Err(shape_error(self.name(), node, "factors", "f32(2) and n > 0", factors)),
            _ => Err(shape_error(self.name(), node, "inputs", "factors", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let params = Params { n: self.n as u32, rounds: self.rounds, ..Default::default() };
        let each = u64::from(STEPS * CHAINS) * u64::from(self.rounds);
        let groups = [params.n.div_ceil(256), 1, 1];
        let launch = Launch::new(&MULTIPLY_ADD, params, vec![Slot::Input(0), Slot::Output(0)], groups);
        Ok(Work::one(launch.costing(2 * each * self.n as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "it only measures")
    }
}

/// x (n) -> y (n), the same numbers; n is a multiple of four.
#[derive(Clone, Copy, Debug)]
pub struct Copy;

impl Op for Copy {
    fn name(&self) -> &'static str {
        "ceiling.copy"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        match inputs {
            [x] if x.dtype == DType::F32 && x.elements().is_multiple_of(4) => Ok(vec![x.clone()]),
            [x] => Err(shape_error(self.name(), node, "x", "f32, a multiple of four", x)),
            _ => Err(shape_error(self.name(), node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let params = Params { n: (cx.inputs[0].elements() / 4) as u32, ..Default::default() };
        let groups = [params.n.div_ceil(1024), 1, 1];
        let launch = Launch::new(&COPY, params, vec![Slot::Input(0), Slot::Output(0)], groups);
        Ok(Work::one(launch.costing(0, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "it only measures")
    }
}
