//! Fast R-CNN (Girshick 2015), Faster R-CNN (Ren et al. 2015) and Mask R-CNN (He et al. 2017), equal to torchvision's: one backbone, proposals
//! from a network or from outside, and heads that look into each of them.

use super::backbone::{BackboneConfig, Neck};
use crate::detection::roi_heads::{Instances, RoiConfig, RoiInputs};
use crate::detection::roi_parts::Pyramid;
use crate::detection::rpn::RpnConfig;
use crate::detection::truth::{Chance, NamedLosses, Truth};
use crate::nn::Net;
use crate::ops::Value;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The network. Defaults are torchvision's `fasterrcnn_resnet50_fpn` for COCO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rcnn {
    /// From pictures to feature maps.
    pub backbone: BackboneConfig,
    /// Where proposals come from; without it they are given (Fast R-CNN).
    pub rpn: Option<RpnConfig>,
    /// What is done with each proposal.
    pub roi: RoiConfig,
    /// Classes of objects, the background not counted.
    pub classes: usize,
}

impl Default for Rcnn {
    fn default() -> Self {
        let (backbone, rpn, roi) = (BackboneConfig::default(), Some(RpnConfig::default()), RoiConfig::default());
        Self { backbone, rpn, roi, classes: 90 }
    }
}

/// A batch of pictures on the device.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    /// (N, H, W, 3): pictures, normalised, in the top left corner each.
    pub images: Value,
    /// f32 (N, 2): height and width of each of them.
    pub sizes: Value,
    /// (N, P, 4): regions to look into, zeros where there are fewer; for networks without proposals of their own.
    pub proposals: Option<Value>,
}

impl Rcnn {
    /// Adds the network and the choice of its final detections.
    pub fn detect(&self, net: &mut Net<'_>, pictures: &Pictures) -> Result<Instances> {
        let (features, pyramid) = self.features(net, pictures)?;
        let proposals = match (&self.rpn, pictures.proposals) {
            (Some(rpn), None) => net.scope("rpn", |net| {
                let anchors = rpn.anchors.over(net.graph, &features, pyramid.input)?;
                let output = rpn.build(net, &features)?;
                rpn.proposals(net.graph, &output, &anchors, pictures.sizes, false)
            })?,
            (None, Some(given)) => given,
            (Some(_), Some(_)) => return Err(wrong("proposes regions itself; none can be given")),
            (None, None) => return Err(wrong("has no network for proposals; they must be given")),
        };
        net.scope("roi_heads", |net| self.roi.detect(net, &self.inputs(&pyramid, proposals, pictures)))
    }

    /// Adds the network and its losses: `loss_classifier`, `loss_box_reg`, `loss_mask` (with masks), `loss_objectness`, `loss_rpn_box_reg`
    /// (with proposals of its own). Their sum is to be minimised.
    pub fn losses(
        &self,
        net: &mut Net<'_>,
        pictures: &Pictures,
        truth: &Truth,
        chance: &Chance,
    ) -> Result<NamedLosses> {
        if self.roi.mask.is_some() != truth.masks.is_some() {
            return Err(wrong("learns masks if and only if they are given"));
        }
        let (features, pyramid) = self.features(net, pictures)?;
        let (proposals, of_rpn) = match (&self.rpn, pictures.proposals) {
            (Some(rpn), None) => net.scope("rpn", |net| {
                let anchors = rpn.anchors.over(net.graph, &features, pyramid.input)?;
                let output = rpn.build(net, &features)?;
                let proposals = rpn.proposals(net.graph, &output, &anchors, pictures.sizes, true)?;
                Ok((proposals, rpn.losses(net.graph, &output, &anchors, truth, chance)?))
            })?,
            (None, Some(given)) => (given, Vec::new()),
            _ => return Err(wrong("takes proposals if and only if it has no network for them")),
        };
        let inputs = self.inputs(&pyramid, proposals, pictures);
        let mut losses = net.scope("roi_heads", |net| self.roi.losses(net, &inputs, truth, chance))?;
        losses.extend(of_rpn);
        Ok(losses)
    }

    fn inputs<'a>(&self, pyramid: &'a Pyramid, proposals: Value, pictures: &Pictures) -> RoiInputs<'a> {
        RoiInputs { pyramid, proposals, image_sizes: pictures.sizes, labels: self.classes + 1 }
    }

    /// All feature maps, and those that regions are pooled from: the pyramid's extra levels serve proposals alone.
    fn features(&self, net: &mut Net<'_>, pictures: &Pictures) -> Result<(Vec<Value>, Pyramid)> {
        let shape = net.graph.shape(pictures.images);
        let features = self.backbone.build(net, pictures.images)?;
        let own = match &self.backbone.neck {
            Neck::Fpn(fpn) => fpn.levels.len(),
            Neck::Level(_) => 1,
        };
        let pyramid = Pyramid { levels: features[..own].to_vec(), input: [shape[1], shape[2]] };
        Ok((features, pyramid))
    }
}

fn wrong(what: &str) -> Error {
    Error::Usage(format!("rcnn: the network {what}"))
}
