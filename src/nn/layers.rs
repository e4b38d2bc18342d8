//! Convolution, transposed convolution and batch norm with their parameters.

use super::init::{Init, Net};
use crate::Result;
use crate::ops::Value;
use crate::ops::batch_norm::{BatchNorm, BatchNormEval};
use crate::ops::conv_transpose2d::ConvTranspose2d;
use crate::ops::conv2d::Conv2d;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

/// A convolution layer: (N, H, W, C) -> (N, H', W', out).
#[derive(Clone, Debug)]
pub struct Conv {
    /// Output channels.
    pub out: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Distance between taps.
    pub dilation: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Whether a bias is added; left out before batch norm.
    pub bias: bool,
}

impl Conv {
    /// A convolution that keeps the size: stride 1, padding for odd `kernel`.
    pub fn same(out: usize, kernel: usize) -> Self {
        Self { out, kernel, stride: 1, padding: kernel / 2, dilation: 1, groups: 1, bias: true }
    }

    /// Adds the layer as `name`.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        let channels = net.graph.shape(x).channels();
        let fan_in = self.kernel * self.kernel * channels / self.groups;
        let shape = [self.kernel, self.kernel, channels / self.groups, self.out];
        net.scope(name, |net| {
            let init = Init::He { fan_in };
            let weight = net.parameter("weight", TensorType::f32(shape), init, Layout::ConvWeight)?;
            let mut inputs = vec![x, weight];
            if self.bias {
                inputs.push(net.parameter("bias", TensorType::f32([self.out]), Init::Constant(0.0), Layout::Plain)?);
            }
            let op = Conv2d {
                stride: [self.stride; 2],
                padding: [self.padding; 4],
                dilation: [self.dilation; 2],
                groups: self.groups,
                bias: self.bias,
                ..Default::default()
            };
            net.graph.named("conv2d", op, &inputs)
        })
    }
}

/// A transposed convolution that doubles height and width: (N, H, W, C) -> (N, 2H, 2W, out), kernel 2, stride 2.
#[derive(Clone, Copy, Debug)]
pub struct UpConv {
    /// Output channels.
    pub out: usize,
}

impl UpConv {
    /// Adds the layer as `name`.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        let channels = net.graph.shape(x).channels();
        net.scope(name, |net| {
            let ty = TensorType::f32([2, 2, channels, self.out]);
            // Each output pixel has one tap of a 2x2 kernel with stride 2, so it sums over the channels only.
            let layout = Layout::ConvTransposeWeight { groups: 1 };
            let weight = net.parameter("weight", ty, Init::He { fan_in: channels }, layout)?;
            let bias = net.parameter("bias", TensorType::f32([self.out]), Init::Constant(0.0), Layout::Plain)?;
            let op = ConvTranspose2d { stride: [2, 2], bias: true, ..Default::default() };
            net.graph.named("conv_transpose2d", op, &[x, weight, bias])
        })
    }
}

/// Batch norm over the channels, with batch statistics in training and running ones otherwise.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormLayer {
    /// Weight of the new statistics.
    pub momentum: f32,
    /// Added to the variance.
    pub eps: f32,
}

impl Default for BatchNormLayer {
    fn default() -> Self {
        Self { momentum: 0.1, eps: 1e-5 }
    }
}

impl BatchNormLayer {
    /// Adds the layer as `name`.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        let ty = TensorType::f32([net.graph.shape(x).channels()]);
        net.scope(name, |net| {
            let weight = net.parameter("weight", ty.clone(), Init::Constant(1.0), Layout::Plain)?;
            let bias = net.parameter("bias", ty.clone(), Init::Constant(0.0), Layout::Plain)?;
            let mean = net.state("running_mean", ty.clone(), Init::Constant(0.0))?;
            let variance = net.state("running_var", ty, Init::Constant(1.0))?;
            let inputs = [x, weight, bias, mean, variance];
            if !net.training {
                return net.graph.named("batch_norm", BatchNormEval { eps: self.eps }, &inputs);
            }
            let op = BatchNorm { eps: self.eps, momentum: self.momentum, ..Default::default() };
            let outputs = net.graph.named_all("batch_norm", std::sync::Arc::new(op), &inputs)?;
            net.graph.update(mean, outputs[3])?;
            net.graph.update(variance, outputs[4])?;
            Ok(outputs[0])
        })
    }
}
