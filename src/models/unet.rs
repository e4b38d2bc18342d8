//! U-Net: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
//!
//! The defaults are the paper's network: 64 to 1024 channels over four halvings, two 3x3 convolutions with ReLU on
//! each level, transposed 2x2 convolutions on the way up, skips by concatenation, a 1x1 convolution to the classes.

use crate::nn::{After, BatchNormLayer, Conv, Net, UpConv};
use crate::ops::Value;
use crate::ops::concat::Concat;
use crate::ops::max_pool2d::{MaxPool2d, Window};
use crate::ops::relu::Relu;
use crate::ops::slice::Slice;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the 3x3 convolutions do at the border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Zeros around, so that the logits have the picture's size.
    #[default]
    Same,
    /// None, as in the paper: every convolution takes a pixel off each side and skips are cropped.
    Valid,
}

/// A U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UNet {
    /// Channels of the picture.
    pub in_channels: usize,
    /// Channels of the logits: 1 for a binary mask, else the number of classes.
    pub classes: usize,
    /// Channels of the first level; each level down doubles them.
    pub width: usize,
    /// Number of halvings.
    pub depth: usize,
    /// What the 3x3 convolutions do at the border.
    pub padding: Padding,
    /// Batch norm between convolution and ReLU.
    pub batch_norm: bool,
    /// Recompute each level's inner tensors in the backward pass instead of keeping them.
    pub checkpoint: bool,
}

impl Default for UNet {
    fn default() -> Self {
        Self {
            in_channels: 3,
            classes: 1,
            width: 64,
            depth: 4,
            padding: Padding::Same,
            batch_norm: false,
            checkpoint: false,
        }
    }
}

impl UNet {
    /// Adds the network: `x` (N, H, W, in_channels) -> logits (N, H', W', classes). Fails when the size does not halve evenly.
    pub fn build(&self, net: &mut Net<'_>, x: Value) -> Result<Value> {
        self.check()?;
        let mut skips = Vec::new();
        let mut y = x;
        for level in 1..=self.depth {
            let skip = self.double(net, &format!("enc{level}"), y, self.width << (level - 1))?;
            skips.push(skip);
            self.check_even(net, skip, level)?;
            y = net.graph.named("pool", MaxPool2d(Window::square(2, 2, 0)), &[skip])?;
        }
        y = self.double(net, "bottom", y, self.width << self.depth)?;
        for level in (1..=self.depth).rev() {
            let channels = self.width << (level - 1);
            let up = UpConv { out: channels }.build(net, &format!("up{level}"), y)?;
            let skip = skips.pop().expect("one for each level");
            let skip = self.crop_to(net, skip, up)?;
            let joined = net.graph.named("concat", Concat { dim: 3 }, &[skip, up])?;
            y = self.double(net, &format!("dec{level}"), joined, channels)?;
        }
        Conv::same(self.classes, 1).build(net, "head", y)
    }

    /// The multiple that height and width must be of with same padding.
    pub fn multiple(&self) -> usize {
        1 << self.depth
    }

    /// Logits' side for a picture's side with valid padding, or `None` if the side does not fit (the paper: 572 -> 388).
    pub fn valid_output(&self, side: usize) -> Option<usize> {
        let mut s = side.checked_sub(4)?;
        for _ in 0..self.depth {
            s = (s % 2 == 0).then_some(s / 2)?.checked_sub(4).filter(|&s| s > 0)?;
        }
        for _ in 0..self.depth {
            s = (2 * s).checked_sub(4).filter(|&s| s > 0)?;
        }
        Some(s)
    }

    /// Two 3x3 convolutions, each with ReLU and, where asked for, batch norm.
    fn double(&self, net: &mut Net<'_>, name: &str, x: Value, channels: usize) -> Result<Value> {
        let twice = |net: &mut Net<'_>| {
            net.scope(name, |net| {
                let y = self.conv_relu(net, 1, x, channels)?;
                self.conv_relu(net, 2, y, channels)
            })
        };
        if self.checkpoint { net.checkpoint(twice) } else { twice(net) }
    }

    fn conv_relu(&self, net: &mut Net<'_>, i: usize, x: Value, channels: usize) -> Result<Value> {
        let padding = if self.padding == Padding::Same { 1 } else { 0 };
        let conv = Conv { padding, bias: !self.batch_norm, ..Conv::same(channels, 3) };
        let y = conv.build(net, &format!("conv{i}"), x)?;
        match self.batch_norm {
            true => BatchNormLayer::default().build_then(net, &format!("bn{i}"), y, After::RELU),
            false => net.graph.named(&format!("relu{i}"), Relu, &[y]),
        }
    }

    /// The middle of `skip`, as large as `like`.
    fn crop_to(&self, net: &mut Net<'_>, skip: Value, like: Value) -> Result<Value> {
        let (from, to) = (net.graph.shape(skip), net.graph.shape(like));
        if from[1..3] == to[1..3] {
            return Ok(skip);
        }
        let start: Vec<usize> = (0..4).map(|d| if d == 1 || d == 2 { (from[d] - to[d]) / 2 } else { 0 }).collect();
        let end: Vec<usize> = (0..4).map(|d| if d == 1 || d == 2 { start[d] + to[d] } else { from[d] }).collect();
        net.graph.named("crop", Slice { start, end, step: vec![1; 4] }, &[skip])
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::Usage(format!("unet: {what}")));
        match self {
            Self { classes: 0, .. } => wrong("classes must be at least 1"),
            Self { width: 0, .. } => wrong("width must be at least 1"),
            Self { in_channels: 0, .. } => wrong("in_channels must be at least 1"),
            Self { depth, .. } if !(1..=8).contains(depth) => wrong("depth must be between 1 and 8"),
            _ => Ok(()),
        }
    }

    fn check_even(&self, net: &Net<'_>, skip: Value, level: usize) -> Result<()> {
        let shape = net.graph.shape(skip);
        if shape[1].is_multiple_of(2) && shape[2].is_multiple_of(2) {
            return Ok(());
        }
        let hint = match self.padding {
            Padding::Same => format!("height and width must be multiples of {}", self.multiple()),
            Padding::Valid => {
                let sides: Vec<String> = (4..4096)
                    .filter(|&s| self.valid_output(s).is_some() && s + 64 > shape[1])
                    .take(3)
                    .map(|s| s.to_string())
                    .collect();
                format!("with valid padding sides such as {} fit", sides.join(", "))
            }
        };
        Err(Error::Usage(format!("unet: level {level} is {}x{}, which does not halve; {hint}", shape[1], shape[2])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::TensorType;

    fn build(config: &UNet, side: usize) -> Result<(Vec<usize>, usize)> {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32([1, side, side, config.in_channels]))?;
        let mut net = Net::new(&mut graph, false);
        let y = config.build(&mut net, x)?;
        let count = net.specs.iter().map(|s| s.ty.elements()).sum();
        Ok((net.graph.shape(y).to_vec(), count))
    }

    #[test]
    fn the_papers_network_has_the_papers_sizes() {
        let paper = UNet { in_channels: 1, classes: 2, padding: Padding::Valid, ..Default::default() };
        let (shape, parameters) = build(&paper, 572).unwrap();
        assert_eq!(shape, [1, 388, 388, 2]);
        assert_eq!(paper.valid_output(572), Some(388));
        assert_eq!(parameters, 31_030_658);
    }

    #[test]
    fn a_size_that_does_not_halve_is_refused() {
        let message = build(&UNet { width: 4, ..Default::default() }, 100).unwrap_err().to_string();
        assert!(message.contains("multiples of 16"), "{message}");
    }
}
