//! Gradients of batch norm. The training form differentiates through the batch's statistics and uses the saved mean and
//! rstd; the evaluation form treats the statistics as constants. Running statistics have no gradient.

use super::dispatch;
use crate::Result;
use crate::gpu::Slot::{self, Input, Output};
use crate::ops::{GradCx, LaunchCx, Op, Value, Work};
use crate::tensor::TensorType;

/// Gradient rule of [`super::BatchNorm`].
pub(super) fn training(cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
    if cx.grads[1..].iter().any(Option::is_some) {
        return cx.not_differentiable("batch_norm", "only y carries a gradient; the statistics are there to be stored");
    }
    let inputs = [cx.grad(), cx.inputs[0], cx.inputs[1], cx.outputs[1], cx.outputs[2]];
    let found = cx.emit_all(TrainingGrad, &inputs)?;
    let pick = |i: usize| cx.wanted[i].then(|| found[i]);
    Ok(vec![pick(0), pick(1), pick(2), None, None])
}

/// Gradient rule of [`super::BatchNormEval`].
pub(super) fn evaluation(cx: &mut GradCx<'_>, eps: f32) -> Result<Vec<Option<Value>>> {
    let grad_y = cx.grad();
    let [x, weight, _, mean, variance] = cx.inputs.try_into().expect("five inputs");
    let mut grads = vec![None; 5];
    if cx.wanted[1] || cx.wanted[2] {
        let affine = cx.emit_all(FrozenAffineGrad { eps }, &[grad_y, x, mean, variance])?;
        grads[1] = cx.wanted[1].then(|| affine[0]);
        grads[2] = cx.wanted[2].then(|| affine[1]);
    }
    if cx.wanted[0] {
        grads[0] = Some(cx.emit(FrozenInputGrad { eps }, &[grad_y, weight, variance])?);
    }
    Ok(grads)
}

/// (grad_y, x, weight, mean, rstd) -> (grad_x, grad_weight, grad_bias).
#[derive(Clone, Copy, Debug)]
struct TrainingGrad;

impl Op for TrainingGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone(), inputs[2].clone(), inputs[2].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let mut work =
            dispatch::grad_affine(cx, [Input(0), Input(1), Input(3), Input(4)], [Output(1), Output(2)], None);
        let slots = (0..5).map(Input).chain([Output(1), Output(2), Output(0)]).collect();
        work.launches.push(dispatch::grad_x(cx, slots));
        Ok(work)
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0 | 1) | Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}

/// (grad_y, x, mean, variance) -> (grad_weight, grad_bias).
#[derive(Clone, Copy, Debug)]
struct FrozenAffineGrad {
    eps: f32,
}

impl Op for FrozenAffineGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad_affine"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[2].clone(), inputs[2].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sources = [Input(0), Input(1), Input(2), Input(3)];
        Ok(dispatch::grad_affine(cx, sources, [Output(0), Output(1)], Some(self.eps)))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0 | 1))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}

/// (grad_y, weight, variance) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct FrozenInputGrad {
    eps: f32,
}

impl Op for FrozenInputGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad_x"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let slots = vec![Input(0), Input(1), Input(2), Output(0)];
        Ok(Work::one(dispatch::grad_x_frozen(cx, slots, self.eps)))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0) | Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}
