//! VGG-16: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, configuration D: the
//! thirteen convolutions, without batch norm, without the last pooling and the classifier, as Faster R-CNN uses it.

use crate::Result;
use crate::nn::{Conv, Init, Net};
use crate::ops::Value;
use crate::ops::max_pool2d::{MaxPool2d, Window};
use crate::ops::relu::Relu;

/// Convolutions of each stage, and its channels in units of the first's.
const STAGES: [(usize, usize); 5] = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)];

/// VGG-16's five stages of convolutions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vgg {
    /// Channels of the first stage.
    pub width: usize,
    /// Stages that are trained, from the last on.
    pub trainable: usize,
}

impl Vgg {
    /// Adds the stages up to level `last` (0 to 4) under torchvision's names (`features.0.weight`, ...): images (N, H, W, C) to the end of each
    /// stage, level 0 (N, H, W, width) first; extents halve from level to level, rounded down.
    pub fn build(&self, net: &mut Net<'_>, images: Value, last: usize) -> Result<Vec<Value>> {
        let mut maps = Vec::new();
        net.scope("features", |net| {
            let (mut x, mut index) = (images, 0);
            for (stage, &(convolutions, _)) in STAGES[..=last].iter().enumerate() {
                if stage > 0 {
                    x = net.graph.named(&index.to_string(), MaxPool2d(Window::square(2, 2, 0)), &[x])?;
                    index += 1;
                }
                let out = self.channels(stage);
                x = net.frozen_if(self.trainable < STAGES.len() - stage, |net| {
                    let mut y = x;
                    for _ in 0..convolutions {
                        y = Conv::same(out, 3).build_with(net, &index.to_string(), y, Init::he_fan_out(9 * out))?;
                        y = net.graph.named(&(index + 1).to_string(), Relu, &[y])?;
                        // The rectifier has a number of its own in torchvision's list.
                        index += 2;
                    }
                    Ok(y)
                })?;
                maps.push(x);
            }
            Ok(maps)
        })
    }

    /// Channels of a level.
    pub fn channels(&self, level: usize) -> usize {
        self.width * STAGES[level].1
    }
}
