//! Folds an evaluation-mode batch norm into the weights before it: conv(x, w, b) followed by the norm is conv(x, w', b') with
//! w' = w * s and b' = (b - mean) * s + bn_bias, s = bn_weight / sqrt(variance + eps). For inference; it has no gradient.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot::{Input, Output};
use crate::gpu::{Kernel, Launch, Needs, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of both kernels.
    pub struct Params { n: u32, channels: u32, eps: f32, has_bias: u32 }
}

static WEIGHT: Kernel = Kernel {
    label: "fold_batch_norm.weight",
    source: include_str!("../../../shaders/fold_batch_norm/weight.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static BIAS: Kernel = Kernel {
    label: "fold_batch_norm.bias",
    source: include_str!("../../../shaders/fold_batch_norm/bias.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

const NO_GRADIENT: &str = "folding is for inference; train the weight and the norm apart";

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "fold_batch_norm",
    summary: "weight and bias of a convolution with the batch norm behind it folded in",
    args: &[
        Arg::f32("weight"),
        Arg::optional("bias"),
        Arg::f32("bn_weight"),
        Arg::f32("bn_bias"),
        Arg::f32("running_mean"),
        Arg::f32("running_var"),
    ],
    attrs: &[Attr { name: "eps", default: "1e-5", doc: "added to the variance" }],
    outputs: &["weight", "bias"],
    gradient: Err(NO_GRADIENT),
    kernels: &[&WEIGHT, &BIAS],
    build: |attrs, inputs| {
        let has_bias = inputs[1].is_some();
        let op = FoldBatchNorm { eps: attrs.float("eps", 1e-5)?, has_bias };
        // A linear weight is (O, I) outside, a convolution's (O, I, KH, KW).
        let weight = match inputs[0].as_ref().map(|w| w.shape.rank()) {
            Some(2) => Layout::LinearWeight,
            _ => Layout::ConvWeight,
        };
        let mut layouts = vec![Layout::Plain; if has_bias { 6 } else { 5 }];
        layouts[0] = weight;
        Ok(Built { op: Arc::new(op), inputs: layouts, outputs: vec![weight, Layout::Plain] })
    },
};

/// (weight (..., O), [bias (O)], bn weight, bn bias, mean, variance) -> (weight (..., O), bias (O)).
#[derive(Clone, Copy, Debug)]
pub struct FoldBatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Whether the second input is a bias.
    pub has_bias: bool,
}

impl Op for FoldBatchNorm {
    fn name(&self) -> &'static str {
        "fold_batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let vectors = if self.has_bias { 5 } else { 4 };
        if inputs.len() != vectors + 1 {
            return Err(shape_error("fold_batch_norm", node, "inputs", vectors + 1, inputs.len()));
        }
        let weight = &inputs[0];
        if weight.dtype != DType::F32 || weight.shape.rank() == 0 || weight.elements() == 0 {
            return Err(shape_error("fold_batch_norm", node, "weight", "f32(..., O)", weight));
        }
        let channel = TensorType::f32([weight.shape.channels()]);
        let names = ["bias", "bn_weight", "bn_bias", "running_mean", "running_var"];
        let names = &names[5 - vectors..];
        match inputs[1..].iter().zip(names).find(|(v, _)| **v != channel) {
            Some((v, name)) => Err(shape_error("fold_batch_norm", node, *name, &channel, v)),
            None => Ok(vec![weight.clone(), channel]),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (n, channels) = (cx.inputs[0].elements() as u32, cx.inputs[0].shape.channels() as u32);
        let has_bias = u32::from(self.has_bias);
        let params = Params { n, channels, eps: self.eps, has_bias, ..Default::default() };
        let first = 1 + self.has_bias as usize;
        let [bn_weight, bn_bias, mean, variance] = [0, 1, 2, 3].map(|i| Input(first + i));
        let slots = vec![Input(0), bn_weight, variance, Output(0)];
        let weight = Launch::new(&WEIGHT, params, slots, [n.div_ceil(256), 1, 1]).costing(4 * n as u64, 8 * n as u64);
        // Without a bias the binding holds the weight, which is long enough and whose values are not used.
        let bias = Input(usize::from(self.has_bias));
        let slots = vec![bias, bn_weight, bn_bias, mean, variance, Output(1)];
        let bias = Launch::new(&BIAS, params, slots, [channels.div_ceil(256), 1, 1])
            .costing(6 * channels as u64, 24 * channels as u64);
        Ok(Work { launches: vec![weight, bias], scratch: Vec::new() })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), NO_GRADIENT)
    }
}
