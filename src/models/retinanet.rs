//! RetinaNet (Lin et al., "Focal Loss for Dense Object Detection", 2017), equal to torchvision's: a feature pyramid and one head over all of
//! its levels.

use super::backbone::{BackboneConfig, Extra, FpnConfig, Neck};
use super::rcnn::Pictures;
use crate::Result;
use crate::detection::retina_head::{RetinaConfig, RetinaOutput};
use crate::detection::roi_heads::Instances;
use crate::detection::truth::{NamedLosses, Truth};
use crate::nn::Net;
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The network. Defaults are torchvision's `retinanet_resnet50_fpn` for COCO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetinaNet {
    /// From pictures to feature maps.
    pub backbone: BackboneConfig,
    /// What is said of every anchor.
    pub head: RetinaConfig,
    /// Classes of objects. torchvision keeps a class 0 free before them, which the head has too.
    pub classes: usize,
}

impl Default for RetinaNet {
    fn default() -> Self {
        let fpn = FpnConfig { extra: Extra::P6P7FromP5, levels: vec![3, 4, 5], ..FpnConfig::default() };
        let backbone = BackboneConfig { neck: Neck::Fpn(fpn), ..BackboneConfig::default() };
        Self { backbone, head: RetinaConfig::default(), classes: 90 }
    }
}

impl RetinaNet {
    /// Adds the network and the choice of its final detections, whose classes count the free one.
    pub fn detect(&self, net: &mut Net<'_>, pictures: &Pictures) -> Result<Instances> {
        let (output, anchors) = self.build(net, pictures)?;
        let detections = self.head.detect(net.graph, &output, &anchors, pictures.sizes)?;
        Ok(Instances { detections, masks: None })
    }

    /// Adds the network and its losses, `classification` and `bbox_regression`, whose sum is to be minimised.
    pub fn losses(&self, net: &mut Net<'_>, pictures: &Pictures, truth: &Truth) -> Result<NamedLosses> {
        let (output, anchors) = self.build(net, pictures)?;
        self.head.losses(net.graph, &output, &anchors, truth)
    }

    fn build(&self, net: &mut Net<'_>, pictures: &Pictures) -> Result<(RetinaOutput, Tensor)> {
        let shape = net.graph.shape(pictures.images);
        let features = self.backbone.build(net, pictures.images)?;
        let anchors = self.head.anchors.over(net.graph, &features, [shape[1], shape[2]])?;
        let output = net.scope("head", |net| self.head.build(net, &features, self.classes + 1))?;
        Ok((output, anchors))
    }
}
