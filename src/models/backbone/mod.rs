//! Backbones: from pictures to the feature maps that detectors stand on. ResNets and VGG-16, with or without a feature pyramid.
//!
//! Every number and name is torchvision's: parameters lie under `backbone.body.` and `backbone.fpn.`, so its state dicts fit. A
//! feature map of level l is 2^l times smaller than the picture: levels 2 to 5 of a ResNet are the C2 to C5 of the papers.

mod fpn;
mod resnet;
mod vgg;

pub use fpn::{Extra, FpnConfig};
pub use resnet::ResNet;
pub use vgg::Vgg;

use crate::nn::{Net, Norm};
use crate::ops::Value;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackboneKind {
    /// ResNet of basic blocks, 2 + 2 + 2 + 2.
    ResNet18,
    /// ResNet of basic blocks, 3 + 4 + 6 + 3.
    ResNet34,
    /// ResNet of bottlenecks, 3 + 4 + 6 + 3.
    #[default]
    ResNet50,
    /// ResNet of bottlenecks, 3 + 4 + 23 + 3.
    ResNet101,
    /// VGG-16 without batch norm, without its last pooling.
    Vgg16,
}

/// What becomes of the network's feature maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Neck {
    /// A feature pyramid over several of them.
    Fpn(FpnConfig),
    /// The map of one level, as it is. What lies behind it in the network is not built.
    Level(usize),
}

/// A backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackboneConfig {
    /// Which network.
    pub kind: BackboneKind,
    /// Channels of its first stage; 64 is the published network.
    pub width: usize,
    /// The batch norms of a ResNet.
    pub norm: Norm,
    /// How many of its five stages are trained, from the last on, 0 to 5. Those of a ResNet are layer4, layer3, layer2, layer1, and
    /// conv1 with bn1; those of VGG-16 its groups of convolutions between poolings.
    pub trainable: usize,
    /// Activation checkpointing: what is inside of a ResNet's blocks is computed again in the backward pass, for less memory and more arithmetic.
    pub checkpoint: bool,
    /// What becomes of the feature maps.
    pub neck: Neck,
}

impl Default for BackboneConfig {
    /// ResNet-50-FPN as torchvision fine-tunes it.
    fn default() -> Self {
        Self {
            kind: BackboneKind::ResNet50,
            width: 64,
            norm: Norm::FROZEN,
            trainable: 3,
            checkpoint: false,
            neck: Neck::Fpn(FpnConfig::default()),
        }
    }
}

impl BackboneConfig {
    /// Adds the backbone under the name `backbone`: images (N, H, W, 3) to feature maps (N, H_l, W_l, C_l), the largest first, one for each
    /// level of the neck and its extra ones. Fails on a configuration that makes no network.
    pub fn build(&self, net: &mut Net<'_>, images: Value) -> Result<Vec<Value>> {
        self.check()?;
        let levels = self.body_levels();
        net.scope("backbone", |net| {
            let maps = net.scope("body", |net| self.body(net, images, &levels))?;
            match &self.neck {
                Neck::Fpn(fpn) => net.scope("fpn", |net| fpn.build(net, &maps)),
                Neck::Level(_) => Ok(maps),
            }
        })
    }

    /// Channels of each feature map, in the order of [`BackboneConfig::build`].
    pub fn channels(&self) -> Vec<usize> {
        match &self.neck {
            Neck::Fpn(fpn) => vec![fpn.channels; fpn.levels.len() + fpn.extra.count()],
            Neck::Level(level) => vec![self.level_channels(*level)],
        }
    }

    /// Levels of the feature maps, in the order of [`BackboneConfig::build`]: map l is 2^l times smaller than the picture, rounded up.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels = self.body_levels();
        if let Neck::Fpn(fpn) = &self.neck {
            let last = levels.last().copied().unwrap_or(0);
            levels.extend((1..=fpn.extra.count()).map(|i| last + i));
        }
        levels
    }

    /// Levels that the body hands to the neck.
    fn body_levels(&self) -> Vec<usize> {
        match &self.neck {
            Neck::Fpn(fpn) => fpn.levels.clone(),
            Neck::Level(level) => vec![*level],
        }
    }

    fn resnet(&self) -> Option<ResNet> {
        let (bottleneck, blocks) = match self.kind {
            BackboneKind::ResNet18 => (false, [2, 2, 2, 2]),
            BackboneKind::ResNet34 => (false, [3, 4, 6, 3]),
            BackboneKind::ResNet50 => (true, [3, 4, 6, 3]),
            BackboneKind::ResNet101 => (true, [3, 4, 23, 3]),
            BackboneKind::Vgg16 => return None,
        };
        let Self { width, norm, trainable, checkpoint, .. } = *self;
        Some(ResNet { bottleneck, blocks, width, norm, trainable, checkpoint })
    }

    /// The maps of `levels` (ascending); what lies behind the last of them is not built.
    fn body(&self, net: &mut Net<'_>, images: Value, levels: &[usize]) -> Result<Vec<Value>> {
        let last = levels.last().copied().expect("checked: one level at least");
        let maps = match self.resnet() {
            Some(resnet) => resnet.build(net, images, last)?,
            None => Vgg { width: self.width, trainable: self.trainable }.build(net, images, last)?,
        };
        let first = last + 1 - maps.len();
        Ok(levels.iter().map(|level| maps[level - first]).collect())
    }

    fn level_channels(&self, level: usize) -> usize {
        match self.resnet() {
            Some(resnet) => resnet.channels(level),
            None => Vgg { width: self.width, trainable: self.trainable }.channels(level),
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Usage(format!("backbone: {what}")));
        if self.width == 0 {
            return wrong("width must be at least 1".into());
        }
        if self.trainable > 5 {
            return wrong(format!("trainable must be between 0 and 5, got {}", self.trainable));
        }
        let (least, most) = if self.kind == BackboneKind::Vgg16 { (0, 4) } else { (2, 5) };
        let levels = self.body_levels();
        let ascending = levels.windows(2).all(|pair| pair[0] < pair[1]);
        if levels.is_empty() || !ascending || levels.iter().any(|l| !(least..=most).contains(l)) {
            return wrong(format!("levels must be ascending numbers between {least} and {most}, got {levels:?}"));
        }
        match &self.neck {
            Neck::Fpn(FpnConfig { channels: 0, .. }) => wrong("fpn channels must be at least 1".into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
