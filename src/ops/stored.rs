//! An op that has some of its tensors in half precision: [`Stored`] wraps any op whose kernels allow it. The op inside goes on
//! seeing f32; only what lies in memory differs.

use super::{GradCx, LaunchCx, Op, OpRef, Value, Work};
use crate::Result;
use crate::gpu::{Launch, Slot, takes_half};
use crate::tensor::{DType, TensorType};

/// `op` with the inputs and outputs that are marked stored as f16 and computed in f32.
#[derive(Clone, Debug)]
pub struct Stored {
    op: OpRef,
    inputs: Vec<bool>,
    outputs: Vec<bool>,
}

impl Stored {
    /// `op` with those tensors in half precision for which `is_half` says so.
    pub fn new(op: &OpRef, inputs: usize, outputs: usize, is_half: impl Fn(Slot) -> bool) -> Self {
        let inputs = (0..inputs).map(|i| is_half(Slot::Input(i))).collect();
        Self { op: op.clone(), inputs, outputs: (0..outputs).map(|o| is_half(Slot::Output(o))).collect() }
    }

    /// Whether anything is in half precision.
    pub fn is_needed(&self) -> bool {
        self.inputs.iter().chain(&self.outputs).any(|&half| half)
    }

    fn is_half(&self, slot: Slot) -> bool {
        match slot {
            Slot::Input(i) => self.inputs[i],
            Slot::Output(o) => self.outputs[o],
            Slot::Scratch(_) => false,
        }
    }
}

/// Tensors of `launches` whose kernels cannot have them in half precision, of those for which `is_half` says that they should.
pub fn refused(launches: &[Launch], is_half: impl Fn(Slot) -> bool) -> Vec<Slot> {
    let all = launches.iter().flat_map(|l| l.slots.iter().zip(1..).map(move |(&slot, binding)| (l, slot, binding)));
    let wrong = |&(l, slot, binding): &(&Launch, Slot, u32)| is_half(slot) && !takes_half(l.kernel, binding);
    all.filter(wrong).map(|(_, slot, _)| slot).collect()
}

/// The types with those that are marked in another precision.
fn with(types: &[TensorType], marked: &[bool], dtype: DType) -> Vec<TensorType> {
    let change = |(ty, &m): (&TensorType, &bool)| if m { TensorType { dtype, ..ty.clone() } } else { ty.clone() };
    types.iter().zip(marked).map(change).collect()
}

impl Op for Stored {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let outputs = self.op.infer(node, &with(inputs, &self.inputs, DType::F32))?;
        Ok(with(&outputs, &self.outputs, DType::F16))
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let inputs = with(cx.inputs, &self.inputs, DType::F32);
        let outputs = with(cx.outputs, &self.outputs, DType::F32);
        let mut work = self.op.launches(&LaunchCx { inputs: &inputs, outputs: &outputs, profile: cx.profile })?;
        let elements = |slot: Slot| match slot {
            Slot::Input(i) => inputs[i].elements() as u64,
            Slot::Output(o) => outputs[o].elements() as u64,
            Slot::Scratch(_) => 0,
        };
        let halved = |slot: Slot| self.is_half(slot).then(|| elements(slot));
        work.launches.iter_mut().for_each(|launch| launch.halving(halved));
        Ok(work)
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "tensors are put into half precision after gradients were made")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        self.op.in_place()
    }

    fn is_view(&self) -> bool {
        self.op.is_view()
    }

    fn multiply_adds(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        self.op.multiply_adds(inputs, outputs)
    }
}
