//! ResNet: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, as torchvision has it: a bottleneck's
//! stride is on its 3x3 convolution. Without the classifier at the end.

use crate::Result;
use crate::nn::{After, Conv, Init, Net, Norm};
use crate::ops::Value;
use crate::ops::max_pool2d::{MaxPool2d, Window};

/// A ResNet's stages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNet {
    /// Blocks of three convolutions (1x1, 3x3, 1x1 to four times the channels) instead of two 3x3.
    pub bottleneck: bool,
    /// Blocks of layer1 to layer4.
    pub blocks: [usize; 4],
    /// Channels of the stem and of layer1's inner convolutions; each layer doubles them.
    pub width: usize,
    /// The batch norms.
    pub norm: Norm,
    /// Stages that are trained, the first that count: layer4, layer3, layer2, layer1, conv1 with bn1.
    pub trainable: usize,
    /// What is inside of a block is not kept for the backward pass but computed again.
    pub checkpoint: bool,
}

impl ResNet {
    /// Adds the stages up to `last` (2 to 5) under torchvision's names: images (N, H, W, C) to C2..C`last`, (N, H/4, W/4, ...) and so on,
    /// extents rounded up.
    pub fn build(&self, net: &mut Net<'_>, images: Value, last: usize) -> Result<Vec<Value>> {
        let mut x = net.frozen_if(self.trainable < 5, |net| self.stem(net, images))?;
        let mut maps = Vec::new();
        for layer in 1..last {
            x = self.layer(net, layer, x)?;
            maps.push(x);
        }
        Ok(maps)
    }

    /// Adds `layer1` to `layer4` alone: (N, H, W, C) -> (N, H', W', channels), half as large from layer2 on.
    pub fn layer(&self, net: &mut Net<'_>, layer: usize, mut x: Value) -> Result<Value> {
        net.frozen_if(self.trainable < 5 - layer, |net| {
            net.scope(&format!("layer{layer}"), |net| {
                for block in 0..self.blocks[layer - 1] {
                    let stride = if block == 0 && layer > 1 { 2 } else { 1 };
                    x = net.scope(&block.to_string(), |net| match self.checkpoint {
                        true => net.checkpoint(|net| self.block(net, layer, stride, x)),
                        false => self.block(net, layer, stride, x),
                    })?;
                }
                Ok(x)
            })
        })
    }

    /// Channels of C`level`, the output of layer `level - 1`.
    pub fn channels(&self, level: usize) -> usize {
        (self.width << (level - 2)) * self.expansion()
    }

    fn expansion(&self) -> usize {
        if self.bottleneck { 4 } else { 1 }
    }

    fn stem(&self, net: &mut Net<'_>, images: Value) -> Result<Value> {
        let x = self.conv(net, 1, images, (self.width, 7, 2), After::RELU)?;
        net.graph.named("maxpool", MaxPool2d(Window::square(3, 2, 1)), &[x])
    }

    fn block(&self, net: &mut Net<'_>, layer: usize, stride: usize, x: Value) -> Result<Value> {
        let inner = self.width << (layer - 1);
        let out = inner * self.expansion();
        let convolutions: &[(usize, usize, usize)] = match self.bottleneck {
            true => &[(inner, 1, 1), (inner, 3, stride), (out, 1, 1)],
            false => &[(inner, 3, stride), (out, 3, 1)],
        };
        let (&last, inside) = convolutions.split_last().expect("two or three");
        let mut y = x;
        for (i, &shape) in inside.iter().enumerate() {
            y = self.conv(net, i + 1, y, shape, After::RELU)?;
        }
        let identity = match stride != 1 || net.graph.shape(x).channels() != out {
            true => {
                net.scope("downsample", |net| self.conv_norm(net, ["0", "1"], x, (out, 1, stride), After::default()))?
            }
            false => x,
        };
        let after = After { residual: Some(identity), ..After::RELU };
        self.conv(net, convolutions.len(), y, last, after)
    }

    /// `conv{i}` and `bn{i}`.
    fn conv(&self, net: &mut Net<'_>, i: usize, x: Value, shape: (usize, usize, usize), after: After) -> Result<Value> {
        self.conv_norm(net, [&format!("conv{i}"), &format!("bn{i}")], x, shape, after)
    }

    /// A convolution of (channels, kernel, stride) without bias, its norm, and what comes after.
    fn conv_norm(
        &self,
        net: &mut Net<'_>,
        [conv, norm]: [&str; 2],
        x: Value,
        (out, kernel, stride): (usize, usize, usize),
        after: After,
    ) -> Result<Value> {
        let layer = Conv { stride, bias: false, ..Conv::same(out, kernel) };
        let x = layer.build_with(net, conv, x, Init::he_fan_out(kernel * kernel * out))?;
        self.norm.build_then(net, norm, x, after)
    }
}
