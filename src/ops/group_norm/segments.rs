//! What group, instance and layer norm share above their kernels: the shape rule of their arguments and the gradient.

use super::dispatch::{self, Segments, Use};
use crate::Result;
use crate::gpu::Slot;
use crate::ops::{GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::tensor::{DType, Shape, TensorType};

/// Types of (y, mean, rstd) once x and, if `affine`, weight and bias of the shape `weights` are right. `segments` looks at x's shape.
pub fn infer(
    (op, node): (&str, &str),
    inputs: &[TensorType],
    affine: bool,
    segments: impl FnOnce(&Shape) -> Result<(Segments, Shape)>,
) -> Result<Vec<TensorType>> {
    let (expected, names) = if affine { (3, "x, weight, bias") } else { (1, "x") };
    if inputs.len() != expected {
        return Err(shape_error(op, node, "inputs", names, inputs.len()));
    }
    let x = &inputs[0];
    if x.dtype != DType::F32 || x.elements() == 0 {
        return Err(shape_error(op, node, "x", "f32, not empty", x));
    }
    let (s, weights) = segments(&x.shape)?;
    let wanted = TensorType::f32(weights);
    if let Some((v, name)) = inputs[1..].iter().zip(["weight", "bias"]).find(|(v, _)| **v != wanted) {
        return Err(shape_error(op, node, name, &wanted, v));
    }
    let statistic = TensorType::f32([s.images, s.groups]);
    Ok(vec![x.clone(), statistic.clone(), statistic])
}

/// Whether a tensor of the forward pass can be in half precision: x and y.
pub fn stores_half(tensor: Slot) -> bool {
    matches!(tensor, Slot::Input(0) | Slot::Output(0))
}

/// Gradients of (x, [weight, bias]).
pub fn grad(cx: &mut GradCx<'_>, of: Use) -> Result<Vec<Option<Value>>> {
    if cx.grads[1..].iter().any(Option::is_some) {
        return cx.not_differentiable("group_norm", "only y carries a gradient; mean and rstd are there to be read");
    }
    let mut inputs = vec![cx.grad(), cx.inputs[0], cx.outputs[1], cx.outputs[2]];
    inputs.extend(&cx.inputs[1..]);
    let found = cx.emit_all(NormGrad { of }, &inputs)?;
    Ok(found.into_iter().zip(cx.wanted).map(|(g, wanted)| wanted.then_some(g)).collect())
}

/// (grad_y, x, mean, rstd, [weight, bias]) -> (grad_x, [grad_weight, grad_bias]).
#[derive(Clone, Copy, Debug)]
struct NormGrad {
    of: Use,
}

impl Op for NormGrad {
    fn name(&self) -> &'static str {
        "group_norm.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(inputs[..1].iter().chain(&inputs[4..]).cloned().collect())
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(dispatch::grad(self.of, cx))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0 | 1) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
