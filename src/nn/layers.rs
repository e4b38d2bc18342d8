//! Convolution and transposed convolution with their parameters.

use super::init::{Init, Net};
use crate::Result;
use crate::ops::Value;
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

    /// Adds the layer as `name`, its weight for a ReLU behind it: [`Init::He`].
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        let fan_in = self.fan_in(net.graph.shape(x).channels());
        self.build_with(net, name, x, Init::He { fan_in })
    }

    /// Inputs that each output sums over, given the input's channels.
    pub fn fan_in(&self, channels: usize) -> usize {
        self.kernel * self.kernel * channels / self.groups
    }

    /// Adds the layer as `name`, its weight starting as `init`. The bias starts at 0.
    pub fn build_with(&self, net: &mut Net<'_>, name: &str, x: Value, init: Init) -> Result<Value> {
        let channels = net.graph.shape(x).channels();
        let shape = [self.kernel, self.kernel, channels / self.groups, self.out];
        net.scope(name, |net| {
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
