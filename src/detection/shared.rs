//! Pieces of graphs that the heads of two-stage detectors and of RetinaNet have in common.

use crate::Result;
use crate::graph::Graph;
use crate::nn::{Init, Net};
use crate::ops::Activation;
use crate::ops::Value;
use crate::ops::box_decode::BoxDecode;
use crate::ops::clamp::Clamp;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::ops::group_norm::GroupNorm;
use crate::ops::mul::Mul;
use crate::ops::reciprocal::Reciprocal;
use crate::ops::reduce_sum::ReduceSum;
use crate::ops::relu::Relu;
use crate::ops::reshape::Reshape;
use crate::tensor::layout::Layout;
use crate::tensor::{Tensor, TensorType};
use std::sync::Arc;

/// A convolution of stride 1 with one set of weights for every level of a pyramid.
#[derive(Clone, Copy, Debug)]
pub struct SharedConv {
    kernel: usize,
    weight: Value,
    bias: Option<Value>,
}

/// Standard deviation of the first weights of heads, in all the papers.
const DEVIATION: f32 = 0.01;

impl SharedConv {
    /// Declares weights from `channels` to `out` channels under `name`; `bias` is the first value of all biases, if there are any.
    pub fn declare(
        net: &mut Net<'_>,
        name: &str,
        kernel: usize,
        [channels, out]: [usize; 2],
        bias: Option<f32>,
    ) -> Result<Self> {
        net.scope(name, |net| {
            let ty = TensorType::f32([kernel, kernel, channels, out]);
            let weight = net.parameter("weight", ty, Init::Normal { deviation: DEVIATION }, Layout::ConvWeight)?;
            let ty = TensorType::f32([out]);
            let mut declare = |first: f32| net.parameter("bias", ty.clone(), Init::Constant(first), Layout::Plain);
            Ok(Self { kernel, weight, bias: bias.map(&mut declare).transpose()? })
        })
    }

    /// (N, H, W, channels) -> (N, H, W, out).
    pub fn apply(&self, graph: &mut Graph, x: Value) -> Result<Value> {
        let op = Conv2d { padding: [self.kernel / 2; 4], bias: self.bias.is_some(), ..Default::default() };
        let inputs: Vec<Value> = [x, self.weight].into_iter().chain(self.bias).collect();
        graph.add(op, &inputs)
    }
}

/// A 3x3 convolution that keeps the number of channels, group norm if there is one, ReLU; one set of weights for every level.
#[derive(Clone, Copy, Debug)]
pub struct SharedBlock {
    conv: SharedConv,
    /// Groups, weight and bias.
    norm: Option<(usize, Value, Value)>,
}

impl SharedBlock {
    /// Declares the block as torchvision numbers it: `NAME.0` is the convolution, `NAME.1` the norm over `groups` groups of channels.
    pub fn declare(net: &mut Net<'_>, name: &str, channels: usize, groups: Option<usize>) -> Result<Self> {
        net.scope(name, |net| {
            let bias = groups.is_none().then_some(0.0);
            let conv = SharedConv::declare(net, "0", 3, [channels; 2], bias)?;
            let mut affine = |name: &str, first: f32| {
                net.scope("1", |net| {
                    net.parameter(name, TensorType::f32([channels]), Init::Constant(first), Layout::Plain)
                })
            };
            let norm = match groups {
                Some(groups) => Some((groups, affine("weight", 1.0)?, affine("bias", 0.0)?)),
                None => None,
            };
            Ok(Self { conv, norm })
        })
    }

    /// (N, H, W, C) -> (N, H, W, C).
    pub fn apply(&self, graph: &mut Graph, x: Value) -> Result<Value> {
        let y = self.conv.apply(graph, x)?;
        match self.norm {
            Some((groups, weight, bias)) => {
                let op = GroupNorm { groups, eps: 1e-5, affine: true, activation: Activation::Relu };
                Ok(graph.named_all("group_norm", Arc::new(op), &[y, weight, bias])?[0])
            }
            None => graph.add(Relu, &[y]),
        }
    }
}

/// x of as many elements under another shape.
pub fn reshape(graph: &mut Graph, x: Value, shape: &[usize]) -> Result<Value> {
    if graph.shape(x)[..] == *shape {
        return Ok(x);
    }
    graph.add(Reshape { shape: shape.to_vec().into() }, &[x])
}

/// All of `parts` along dimension `dim`.
pub fn concat(graph: &mut Graph, parts: &[Value], dim: usize) -> Result<Value> {
    match parts {
        [one] => Ok(*one),
        _ => graph.add(Concat { dim }, parts),
    }
}

/// One over the sum of a tensor of zeros and ones, or over 1 where all are zeros: a scalar.
pub fn one_over_count(graph: &mut Graph, ones: Value) -> Result<Value> {
    let rank = graph.shape(ones).rank();
    let count = graph.add(ReduceSum::all(rank), &[ones])?;
    reciprocal_from_one(graph, count)
}

/// 1 / max(x, 1).
pub fn reciprocal_from_one(graph: &mut Graph, x: Value) -> Result<Value> {
    let at_least_one = graph.add(Clamp { min: 1.0, max: f32::MAX }, &[x])?;
    graph.add(Reciprocal, &[at_least_one])
}

/// a * b under a name.
pub fn product(graph: &mut Graph, name: &str, a: Value, b: Value) -> Result<Value> {
    graph.named(name, Mul, &[a, b])
}

/// The same rows for each of `n` pictures: (rows, 4) -> (n, rows, 4), part of the graph.
pub fn for_each_picture(graph: &mut Graph, boxes: &[f32], n: usize) -> Value {
    let data = boxes.repeat(n);
    graph.constant(Tensor::f32([n, boxes.len() / 4, 4], data))
}

/// From offsets to boxes cut to their pictures, with torchvision's limit on how far sides grow.
pub fn clipping_decoder(weights: [f32; 4]) -> BoxDecode {
    BoxDecode { weights, max_ratio: BoxDecode::MAX_RATIO, sized: true }
}
