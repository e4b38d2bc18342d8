//! Weighted sum of up to seven scalars: losses that are made of several.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { weights: [f32; 4], more: [f32; 4], count: u32, pad0: u32, pad1: u32, pad2: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "weighted_sum.forward",
    source: include_str!("../../../shaders/weighted_sum/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// Scalars in one sum at most: eight storage buffers, one of them the result.
pub const MOST: usize = 7;

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "weighted_sum",
    summary: "sum of up to seven scalars times their weights",
    args: &[
        Arg::f32("x1"),
        Arg::optional("x2"),
        Arg::optional("x3"),
        Arg::optional("x4"),
        Arg::optional("x5"),
        Arg::optional("x6"),
        Arg::optional("x7"),
    ],
    attrs: &[Attr { name: "weights", default: "[1, ...]", doc: "one for each scalar" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD],
    build: |attrs, given| {
        let count = given.iter().flatten().count();
        let weights = attrs.floats("weights")?.unwrap_or_else(|| vec![1.0; count]);
        if weights.len() != count {
            return Err(attrs.fail("weights", format!("must have {count} numbers, got {}", weights.len())));
        }
        let op = Arc::new(WeightedSum { weights });
        Ok(Built { op, inputs: vec![Layout::Plain; count], outputs: vec![Layout::Plain] })
    },
};

/// Up to seven tensors of one float each -> a scalar.
#[derive(Clone, Debug)]
pub struct WeightedSum {
    /// One for each input.
    pub weights: Vec<f32>,
}

impl Op for WeightedSum {
    fn name(&self) -> &'static str {
        "weighted_sum"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if inputs.is_empty() || inputs.len() > MOST || inputs.len() != self.weights.len() {
            let expected = format!("as many as weights ({}), 1 to {MOST}", self.weights.len());
            return Err(shape_error("weighted_sum", node, "inputs", expected, inputs.len()));
        }
        if let Some(i) = inputs.iter().position(|x| x.dtype != DType::F32 || x.elements() != 1) {
            return Err(shape_error("weighted_sum", node, format!("x{}", i + 1), "one f32", &inputs[i]));
        }
        Ok(vec![TensorType::f32(Shape::default())])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(&self.weights, cx))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let mut grads = vec![None; cx.inputs.len()];
        for (i, grad) in grads.iter_mut().enumerate().filter(|(i, _)| cx.wanted[*i]) {
            let term = WeightedSumGrad { weight: self.weights[i], shape: cx.ty(cx.inputs[i]).shape };
            *grad = Some(cx.emit(term, &[cx.grad()])?);
        }
        Ok(grads)
    }
}

/// grad_y -> weight grad_y, in the shape of the input it belongs to.
#[derive(Clone, Debug)]
struct WeightedSumGrad {
    weight: f32,
    shape: Shape,
}

impl Op for WeightedSumGrad {
    fn name(&self) -> &'static str {
        "weighted_sum.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(launch(&[self.weight], cx))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}

fn launch(weights: &[f32], cx: &LaunchCx<'_>) -> Work {
    let at = |i: usize| weights.get(i).copied().unwrap_or(0.0);
    let params = Params {
        weights: [at(0), at(1), at(2), at(3)],
        more: [at(4), at(5), at(6), 0.0],
        count: weights.len() as u32,
        ..Default::default()
    };
    let given = |i| Slot::Input(if i < weights.len() { i } else { 0 });
    let slots = (0..MOST).map(given).chain([Slot::Output(0)]).collect();
    Work::one(Launch::new(&FORWARD, params, slots, [1, 1, 1]).costing(2 * MOST as u64, cx.traffic()))
}
