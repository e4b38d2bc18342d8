//! What softmax and log_softmax share: rows along one dimension, and which invocations work on them.

use super::{GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Slot};
use crate::tensor::{DType, TensorType};

crate::uniform! {
    /// Uniform of `softmax.wgsl` and `softmax_grad.wgsl`.
    pub struct Params { rows: u32, length: u32, inner: u32, pad0: u32 }
}

/// Rows of this many elements get a workgroup each.
const LONG: usize = 256;

/// Type of a float tensor that has dimension `dim`.
pub fn infer(op: &str, node: &str, dim: usize, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
    match inputs {
        [x] if x.dtype == DType::F32 && dim < x.shape.rank() => Ok(vec![x.clone()]),
        [x] => Err(shape_error(op, node, "x", format!("an f32 tensor with a dimension {dim}"), x)),
        _ => Err(shape_error(op, node, "inputs", "x", inputs.len())),
    }
}

/// The launch over all rows along `dim` of output 0.
pub fn launch(kernel: &'static Kernel, cx: &LaunchCx<'_>, dim: usize, slots: Vec<Slot>) -> Work {
    let shape = &cx.outputs[0].shape;
    let length = shape[dim];
    let inner: usize = shape[dim + 1..].iter().product();
    let rows = (shape.elements() / length) as u32;
    let params = Params { rows, length: length as u32, inner: inner as u32, ..Default::default() };
    let cost = cx.elementwise(12);
    let long = length >= LONG;
    let groups = if long { rows } else { rows.div_ceil(256) };
    let launch = Launch::new(kernel, params, slots, [groups, 1, 1]).costing(cost.flops, cost.bytes);
    Work::one(if long { launch.with(&[("LONG", 1.0)]) } else { launch })
}

/// (grad_y, y) -> grad_x, for ops whose gradient needs their output alone.
#[derive(Clone, Copy, Debug)]
pub struct RowsGrad {
    /// Its name.
    pub name: &'static str,
    /// What makes it; binds grad_y, y, grad_x.
    pub kernel: &'static Kernel,
    /// The dimension of the rows.
    pub dim: usize,
}

impl Op for RowsGrad {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(self.kernel, cx, self.dim, vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)]))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name, "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
