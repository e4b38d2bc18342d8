//! Gradients of batch norm. The training form differentiates through the batch's statistics and uses the saved mean and
//! rstd; the evaluation form treats the statistics as constants. Running statistics have no gradient.
//!
//! A rectifier's gradient needs the sign of what was rectified: where no residual was added, the kernels compute it again from x, which
//! they read anyway; where one was, they read y, and the gradient before the rectifier, which they write, is the residual's.

use super::dispatch::{self, Use};
use super::{BatchNormEval, slope};
use crate::Result;
use crate::gpu::Slot::{self, Input, Output, Scratch};
use crate::ops::{Activation, GradCx, LaunchCx, Op, Value, Work};
use crate::tensor::TensorType;

/// Gradient rule of [`super::BatchNorm`].
pub(super) fn training(cx: &mut GradCx<'_>, activation: Activation, residual: bool) -> Result<Vec<Option<Value>>> {
    if cx.grads[1..].iter().any(Option::is_some) {
        return cx.not_differentiable("batch_norm", "only y carries a gradient; the statistics are there to be stored");
    }
    let leak = slope(activation);
    let kept = residual && leak != 1.0;
    let mut inputs = vec![cx.grad(), cx.inputs[0], cx.inputs[1], cx.inputs[2], cx.outputs[1], cx.outputs[2]];
    inputs.extend(kept.then_some(cx.outputs[0]));
    let found = cx.emit_all(TrainingGrad { leak, kept }, &inputs)?;
    let pick = |i: usize| cx.wanted[i].then(|| found[i]);
    let mut grads = vec![pick(0), pick(1), pick(2), None, None];
    if residual {
        grads.push(cx.wanted[5].then(|| if kept { found[3] } else { cx.grad() }));
    }
    Ok(grads)
}

/// Gradient rule of [`BatchNormEval`].
pub(super) fn evaluation(cx: &mut GradCx<'_>, op: &BatchNormEval) -> Result<Vec<Option<Value>>> {
    let (grad_y, y) = (cx.grad(), cx.outputs[0]);
    let [x, weight, bias, mean, variance] = cx.inputs[..5].try_into().expect("five inputs or six");
    let (eps, leak) = (op.eps, slope(op.activation));
    let mut grads = vec![None; cx.inputs.len()];
    let mut before = grad_y;
    if cx.wanted[1] || cx.wanted[2] {
        let kept = op.residual && leak != 1.0;
        let mut inputs = vec![grad_y, x, weight, bias, mean, variance];
        inputs.extend(kept.then_some(y));
        let affine = cx.emit_all(FrozenAffineGrad { eps, leak, kept }, &inputs)?;
        grads[1] = cx.wanted[1].then(|| affine[0]);
        grads[2] = cx.wanted[2].then(|| affine[1]);
        if kept {
            before = affine[2];
        }
    }
    // What has passed the rectifier already needs no sign.
    let leak = if before == grad_y { leak } else { 1.0 };
    let residual = op.residual && leak != 1.0;
    if cx.wanted[0] || (residual && cx.wanted[5]) {
        let mut inputs = vec![before, weight, variance];
        inputs.extend((leak != 1.0).then_some(y));
        let found = cx.emit_all(FrozenInputGrad { eps, leak, residual }, &inputs)?;
        grads[0] = cx.wanted[0].then(|| found[0]);
        if residual {
            before = found[1];
        }
    }
    if op.residual && cx.wanted[5] {
        grads[5] = Some(before);
    }
    Ok(grads)
}

/// (grad_y, x, weight, bias, mean, rstd, [y]) -> (grad_x, grad_weight, grad_bias, [gradient before the rectifier]).
#[derive(Clone, Copy, Debug)]
struct TrainingGrad {
    leak: f32,
    kept: bool,
}

impl Op for TrainingGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let (x, channel) = (&inputs[0], &inputs[2]);
        Ok([x, channel, channel].into_iter().chain(self.kept.then_some(x)).cloned().collect())
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let affine = [Output(1), Output(2)];
        let of = Use { leak: self.leak, ..Use::PLAIN };
        let (mut work, grad, leak) = match self.kept {
            true => {
                let sources = [Input(0), Input(1), Input(6), Input(4), Input(5)];
                (dispatch::grad_affine_kept(cx, sources, affine, Output(3), of), Output(3), 1.0)
            }
            false => (dispatch::grad_affine(cx, [0, 1, 2, 3, 4, 5].map(Input), affine, of), Input(0), self.leak),
        };
        let slots = vec![grad, Input(1), Input(2), Input(3), Input(4), Input(5), Scratch(1), Output(0)];
        work.launches.push(dispatch::grad_x(cx, slots, leak));
        Ok(work)
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0 | 1) | Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        if self.kept { &[(1, 0), (0, 3), (6, 3)] } else { &[(0, 0), (1, 0)] }
    }
}

/// (grad_y, x, weight, bias, mean, variance, [y]) -> (grad_weight, grad_bias, [gradient before the rectifier]).
#[derive(Clone, Copy, Debug)]
struct FrozenAffineGrad {
    eps: f32,
    leak: f32,
    kept: bool,
}

impl Op for FrozenAffineGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad_affine"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let (x, channel) = (&inputs[0], &inputs[2]);
        Ok([channel, channel].into_iter().chain(self.kept.then_some(x)).cloned().collect())
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let affine = [Output(0), Output(1)];
        let of = Use { leak: self.leak, eps: Some(self.eps) };
        Ok(match self.kept {
            true => {
                let sources = [Input(0), Input(1), Input(6), Input(4), Input(5)];
                dispatch::grad_affine_kept(cx, sources, affine, Output(2), of)
            }
            false => dispatch::grad_affine(cx, [0, 1, 2, 3, 4, 5].map(Input), affine, of),
        })
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0 | 1))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        if self.kept { &[(0, 2), (6, 2)] } else { &[] }
    }
}

/// (grad_y, weight, variance, [y]) -> (grad_x, [gradient before the rectifier]); y where there is a rectifier.
#[derive(Clone, Copy, Debug)]
struct FrozenInputGrad {
    eps: f32,
    leak: f32,
    residual: bool,
}

impl Op for FrozenInputGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad_x"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone(); 1 + usize::from(self.residual)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let y = Input(if self.leak == 1.0 { 0 } else { 3 });
        // A binding that is not written where there is no residual.
        let (masked, scratch) = if self.residual { (Output(1), vec![]) } else { (Scratch(0), vec![16]) };
        let slots = vec![Input(0), y, Input(1), Input(2), Output(0), masked];
        let of = Use { leak: self.leak, eps: Some(self.eps) };
        Ok(Work { launches: vec![dispatch::grad_x_frozen(cx, slots, of, self.residual)], scratch })
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Input(0) | Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        match (self.leak == 1.0, self.residual) {
            (true, _) => &[(0, 0)],
            (false, false) => &[(0, 0), (3, 0)],
            (false, true) => &[(0, 0), (3, 0), (0, 1), (3, 1)],
        }
    }
}
