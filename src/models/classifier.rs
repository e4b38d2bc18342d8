//! ResNet as its paper has it, with the classifier at the end: pictures to one number for each class. Names are torchvision's, so its `resnet50` fits.
//!
//! It is here to be timed and profiled; nothing in this crate trains it on data.

use super::backbone::ResNet;
use crate::Result;
use crate::nn::{Connected, Net, Norm, WeightInit};
use crate::ops::Value;
use crate::ops::adaptive_avg_pool2d::AdaptiveAvgPool2d;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::reshape::Reshape;
use crate::tensor::TensorType;

/// A classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// Its stages.
    pub body: ResNet,
    /// Number of classes.
    pub classes: usize,
}

/// Name of the input of true classes, i32 (N).
pub const TARGETS: &str = "targets";

impl Classifier {
    /// ResNet-50 whose batch norms and all of whose parameters are trained.
    pub fn resnet50(classes: usize) -> Self {
        let (bottleneck, blocks) = (true, [3, 4, 6, 3]);
        let body = ResNet { bottleneck, blocks, width: 64, norm: Norm::TRAIN, trainable: 5, checkpoint: false };
        Self { body, classes }
    }

    /// Adds the network: images (N, H, W, 3) -> logits (N, classes).
    pub fn build(&self, net: &mut Net<'_>, images: Value) -> Result<Value> {
        let maps = self.body.build(net, images, 5)?;
        let last = maps.last().copied().expect("four stages");
        let pooled = net.graph.named("avgpool", AdaptiveAvgPool2d::GLOBAL, &[last])?;
        let shape = net.graph.shape(pooled);
        let flat = net.graph.named("flatten", Reshape { shape: [shape[0], shape[3]].into() }, &[pooled])?;
        let layer = Connected { init: WeightInit::Normal(0.01), ..Connected::new(self.classes) };
        layer.build(net, "fc", flat)
    }

    /// Adds the network and the mean cross-entropy of the classes in the input `targets`.
    pub fn loss(&self, net: &mut Net<'_>, images: Value) -> Result<Value> {
        let logits = self.build(net, images)?;
        let n = net.graph.shape(logits)[0];
        let targets = net.graph.input(TARGETS, TensorType::i32([n]))?;
        Ok(net.graph.named_all("loss", std::sync::Arc::new(CrossEntropy::default()), &[logits, targets])?[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    #[test]
    fn resnet50_has_torchvision_s_parameters() {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32([2, 64, 64, 3])).unwrap();
        let mut net = Net::new(&mut graph, true);
        let logits = Classifier::resnet50(1000).build(&mut net, images).unwrap();
        let parameters: usize = net.specs.iter().filter(|s| !s.buffer).map(|s| s.ty.elements()).sum();
        assert_eq!(parameters, 25_557_032);
        let find = |name: &str| net.specs.iter().find(|s| s.name == name).map(|s| s.file_type());
        assert_eq!(find("layer4.2.bn3.running_var"), Some(TensorType::f32([2048])));
        assert_eq!(find("fc.weight"), Some(TensorType::f32([1000, 2048])));
        assert_eq!(net.graph.ty(logits), TensorType::f32([2, 1000]));
    }
}
