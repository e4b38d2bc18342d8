//! Pointwise functions of one tensor: what they share. A room says its name, kernels and coefficients by [`Map`]; shapes,
//! launches and the gradient node are made here, once.

use super::lanes::Wide;
use super::{Epilogue, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Launch, Slot};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::fmt::Debug;

crate::uniform! {
    /// Uniform of `map.wgsl` and `map_grad.wgsl`; `n` in lanes.
    pub struct Params { n: u32, a: f32, b: f32, pad0: u32 }
}

/// What the gradient of a pointwise function is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The input.
    Input,
    /// The output: the input need not be kept.
    Output,
}

/// A pointwise function y = f(x) of one float tensor of any shape.
pub trait Map: Clone + Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;
    /// Name of the gradient node.
    const GRAD_NAME: &'static str;

    /// What the gradient kernel reads beside the gradient.
    fn kept(&self) -> Kept;

    /// Computes y; defines `apply`.
    fn forward(&self) -> &'static Wide;

    /// Computes grad_x; defines `pull`.
    fn gradient(&self) -> &'static Wide;

    /// `params.a` and `params.b` of both kernels.
    fn coefficients(&self) -> [f32; 2] {
        [0.0; 2]
    }

    /// What it is to a convolution before it.
    fn epilogue(&self) -> Option<Epilogue> {
        None
    }

    /// Checks the attributes; the message says what is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

impl<M: Map> Op for M {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if let Err(message) = self.check() {
            return Err(Error::Attribute { op: M::NAME.into(), message: format!("'{node}': {message}") });
        }
        match inputs {
            [x] if x.dtype == DType::F32 => Ok(vec![x.clone()]),
            [x] => Err(shape_error(M::NAME, node, "x", "f32", x)),
            _ => Err(shape_error(M::NAME, node, "inputs", "x", inputs.len())),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(self.forward(), cx, self.coefficients(), vec![Slot::Input(0), Slot::Output(0)]))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let kept = match self.kept() {
            Kept::Input => cx.inputs[0],
            Kept::Output => cx.outputs[0],
        };
        Ok(vec![Some(cx.emit(MapGrad(self.clone()), &[cx.grad(), kept])?)])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        self.epilogue()
    }
}

/// (grad_y, x or y) -> grad_x.
#[derive(Clone, Debug)]
struct MapGrad<M>(M);

impl<M: Map> Op for MapGrad<M> {
    fn name(&self) -> &'static str {
        M::GRAD_NAME
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        Ok(launch(self.0.gradient(), cx, self.0.coefficients(), slots))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(M::GRAD_NAME, "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}

/// The launch of a kernel of `map.wgsl` or `map_grad.wgsl` over tensors of the size of output 0.
pub fn launch(kernel: &'static Wide, cx: &LaunchCx<'_>, [a, b]: [f32; 2], slots: Vec<Slot>) -> Work {
    let elements = cx.outputs[0].elements() as u32;
    let (kernel, lanes) = kernel.pick(elements.is_multiple_of(4));
    let n = elements / lanes;
    let cost = cx.elementwise(8);
    let params = Params { n, a, b, ..Default::default() };
    Work::one(Launch::new(kernel, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes))
}
