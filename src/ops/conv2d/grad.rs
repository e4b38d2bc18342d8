//! Gradients of both convolutions as graph nodes: with respect to the input (a gathering convolution with the weight's channels
//! swapped), the weight, the bias, and through a fused activation. None of them has a gradient of its own.

use super::dispatch::{Fused, Variant, gather, kernel, turn_weight, ways};
use super::geometry::{Gather, Window};
use super::params::ActivationParams;
use super::weight::{WeightSum, sum_pixels};
use super::winograd;
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::ops::{Activation, GradCx, LaunchCx, Op, OpRef, Value, Ways, Work};
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

kernel!(
    ACTIVATION_GRAD,
    "conv2d.activation_grad",
    "activation_grad.wgsl",
    ActivationParams,
    &[&[("CODE", 2.0)], &[("CODE", 4.0)]]
);

const SECOND: &str = "second derivatives are not offered";

/// What the gradient rules of the two convolutions have in common.
pub(crate) struct Rule<'a> {
    /// The op's name, for errors.
    pub op: &'a str,
    pub window: Window,
    pub transposed: bool,
    pub bias: bool,
    pub residual: bool,
    pub activation: Activation,
    pub variant: Option<Variant>,
}

impl Rule<'_> {
    /// Gradients of (x, weight, [bias], [residual]), those that are wanted.
    pub fn emit(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.ty(cx.inputs[1]).dtype != DType::F32 {
            return cx.not_differentiable(self.op, "weights in half precision are for inference");
        }
        let grad = self.through_activation(cx)?;
        let (x, weight) = (cx.ty(cx.inputs[0]).shape, cx.ty(cx.inputs[1]).shape);
        let Self { window, transposed, variant, .. } = *self;
        let mut found = Vec::new();
        let op = InputGrad { window, transposed, variant, x };
        found.push(if cx.wanted[0] { Some(cx.emit(op, &[grad, cx.inputs[1]])?) } else { None });
        let op = WeightGrad { window, transposed, variant, weight };
        found.push(if cx.wanted[1] { Some(cx.emit(op, &[cx.inputs[0], grad])?) } else { None });
        if self.bias {
            found.push(if cx.wanted[2] { Some(cx.emit(BiasGrad, &[grad])?) } else { None });
        }
        if self.residual {
            found.push(Some(grad));
        }
        Ok(found)
    }

    fn through_activation(&self, cx: &mut GradCx<'_>) -> Result<Value> {
        let grad = cx.grad();
        match self.activation {
            Activation::None => Ok(grad),
            Activation::Silu => cx.not_differentiable(self.op, "a fused SiLU does not keep what its gradient needs"),
            Activation::Leaky(slope) if slope <= 0.0 => {
                cx.not_differentiable(self.op, "a fused leaky ReLU needs a positive slope to tell its sides apart")
            }
            activation => cx.emit(ActivationGrad { activation }, &[grad, cx.outputs[0]]),
        }
    }
}

/// (grad_y, weight) -> grad_x.
#[derive(Clone, Debug)]
struct InputGrad {
    window: Window,
    transposed: bool,
    variant: Option<Variant>,
    x: Shape,
}

impl InputGrad {
    fn problem(&self, grad: &Shape, weight: &Shape) -> Gather {
        let axes = if self.transposed { self.window.forward() } else { self.window.transposed() };
        Gather::new(grad, &self.x, [weight[0], weight[1]], self.window.groups, axes)
    }
}

impl Op for InputGrad {
    fn name(&self) -> &'static str {
        if self.transposed { "conv_transpose2d.grad_input" } else { "conv2d.grad_input" }
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.x)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let g = self.problem(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let weight = winograd::Weight::Turned(Slot::Input(1));
        if let Some(tile) = winograd::pick(&g, weight, cx.inputs[1].dtype, cx.profile, self.variant) {
            let slots = [Slot::Input(0), Slot::Output(0)];
            return Ok(winograd::work(tile, &g, slots, weight, Fused::default(), cx));
        }
        // The weight's inputs are the outputs of this convolution.
        let turn =
            turn_weight(g.kernel, g.group_outputs(), g.group_inputs(), g.groups, Slot::Input(1), Slot::Scratch(0));
        let mut scratch = vec![cx.inputs[1].bytes()];
        let slots = [Slot::Input(0), Slot::Scratch(0), Slot::Output(0)];
        let made = gather(&g, slots, Fused::default(), cx, self.variant, &mut scratch);
        Ok(Work { launches: vec![turn, made], scratch })
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn ways(&self, cx: &LaunchCx<'_>) -> Option<Ways> {
        let g = self.problem(&cx.inputs[0].shape, &cx.inputs[1].shape);
        let bind = |variant| Arc::new(Self { variant: Some(variant), ..self.clone() }) as OpRef;
        Some(winograd::ways(&g, winograd::Weight::Turned(Slot::Input(1)), cx.profile, bind))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), SECOND)
    }

    fn multiply_adds(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> u64 {
        self.problem(&inputs[0].shape, &inputs[1].shape).multiply_adds()
    }
}

/// (x, grad_y) -> grad_weight.
#[derive(Clone, Debug)]
struct WeightGrad {
    window: Window,
    transposed: bool,
    variant: Option<Variant>,
    weight: Shape,
}

impl WeightGrad {
    fn problem(&self, inputs: &[TensorType]) -> WeightSum {
        let four = |i: usize| inputs[i].shape.nhwc().expect("inferred as rank 4");
        WeightSum {
            rows: four(0),
            columns: four(1),
            kernel: [self.weight[0], self.weight[1]],
            groups: self.window.groups,
            axes: self.window.forward(),
            moving_columns: self.transposed,
        }
    }
}

impl Op for WeightGrad {
    fn name(&self) -> &'static str {
        if self.transposed { "conv_transpose2d.grad_weight" } else { "conv2d.grad_weight" }
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.weight)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(self.problem(cx.inputs).work(cx.profile, self.variant))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0 | 1))
    }

    fn ways(&self, cx: &LaunchCx<'_>) -> Option<Ways> {
        let sum = self.problem(cx.inputs);
        let channels = [sum.rows[3] / sum.groups, sum.columns[3] / sum.groups, sum.groups];
        let bind = |variant| Arc::new(Self { variant: Some(variant), ..self.clone() }) as OpRef;
        Some(ways(sum.name(), channels, cx.profile, bind))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), SECOND)
    }

    fn multiply_adds(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> u64 {
        self.problem(inputs).multiply_adds()
    }
}

/// grad_y (N, H, W, C) -> grad_bias (C).
#[derive(Clone, Copy, Debug)]
struct BiasGrad;

impl Op for BiasGrad {
    fn name(&self) -> &'static str {
        "conv2d.grad_bias"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32([inputs[0].shape.channels()])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let columns = cx.outputs[0].elements();
        Ok(sum_pixels(cx.inputs[0].elements() / columns, columns))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), SECOND)
    }
}

/// (grad_y, y) -> gradient before the activation.
#[derive(Clone, Copy, Debug)]
struct ActivationGrad {
    activation: Activation,
}

impl Op for ActivationGrad {
    fn name(&self) -> &'static str {
        "conv2d.grad_activation"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        let (code, slope) = self.activation.code();
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0)];
        let params = ActivationParams { n, slope, ..Default::default() };
        let launch = Launch::new(&ACTIVATION_GRAD, params, slots, [n.div_ceil(256), 1, 1]);
        Ok(Work::one(launch.with(&[("CODE", f64::from(code))]).costing(3 * u64::from(n), cx.traffic())))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), SECOND)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
