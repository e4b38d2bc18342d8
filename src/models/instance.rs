//! Detectors of instances by torchvision's names: Fast, Faster and Mask R-CNN and RetinaNet, on any backbone of [`super::backbone`], and a small
//! one for weak adapters.

use super::backbone::{BackboneConfig, BackboneKind, Extra, FpnConfig, Neck};
use super::rcnn::{Pictures, Rcnn};
use super::retinanet::RetinaNet;
use crate::detection::anchors::AnchorSpec;
use crate::detection::retina_head::{BoxLoss, RetinaConfig};
use crate::detection::roi_heads::{Instances, RoiConfig};
use crate::detection::roi_parts::{BoxHead, MaskHead, Pooling};
use crate::detection::rpn::{RpnConfig, TopN};
use crate::detection::select::Select;
use crate::detection::truth::{Chance, NamedLosses, Truth};
use crate::graph::Graph;
use crate::nn::{Net, Norm, ParameterSpec};
use crate::tensor::TensorType;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A detector of instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "lowercase")]
pub enum InstanceNet {
    /// Fast, Faster and Mask R-CNN.
    Rcnn(Box<Rcnn>),
    /// RetinaNet.
    RetinaNet(Box<RetinaNet>),
}

/// Architectures that have a name of their own; see [`named`] for the others.
pub const NAMES: &[&str] = &[
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "fasterrcnn_vgg16",
    "fastrcnn_vgg16",
    "maskrcnn_micro",
    "fasterrcnn_micro",
];

/// Every name that [`named`] knows, those of [`NAMES`] first.
pub fn names() -> Vec<String> {
    let mut all: Vec<String> = NAMES.iter().map(|name| name.to_string()).collect();
    for family in ["fastrcnn", "fasterrcnn", "maskrcnn", "retinanet"] {
        for body in ["resnet18", "resnet34", "resnet50", "resnet101", "vgg16"] {
            let forms = ["", "_fpn", "_v2", "_fpn_v2"].map(|form| format!("{family}_{body}{form}"));
            all.extend(forms.into_iter().filter(|name| named(name, 1).is_some() && !NAMES.contains(&name.as_str())));
        }
    }
    all
}

/// The network of a name, for `classes` of objects. `FAMILY_BODY[_fpn][_v2]`: the families are `fastrcnn` (proposals are given), `fasterrcnn`,
/// `maskrcnn` and `retinanet`; the bodies `resnet18`, `resnet34`, `resnet50`, `resnet101`, `vgg16` and `micro`. `_v2` as torchvision has it.
/// `None` if there is no such network.
pub fn named(name: &str, classes: usize) -> Option<InstanceNet> {
    let (family, rest) = name.split_once('_')?;
    let (rest, second) = match rest.strip_suffix("_v2") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (body, pyramid) = match rest.strip_suffix("_fpn") {
        Some(body) => (body, true),
        None => (rest, false),
    };
    if body == "micro" {
        return (!pyramid && !second).then(|| micro(family, classes)).flatten();
    }
    let kind = match body {
        "resnet18" => BackboneKind::ResNet18,
        "resnet34" => BackboneKind::ResNet34,
        "resnet50" => BackboneKind::ResNet50,
        "resnet101" => BackboneKind::ResNet101,
        "vgg16" => BackboneKind::Vgg16,
        _ => return None,
    };
    if kind == BackboneKind::Vgg16 && pyramid {
        return None;
    }
    let single = if kind == BackboneKind::Vgg16 { 4 } else { 5 };
    let norm = if second { Norm::TRAIN } else { Norm::FROZEN };
    match family {
        "retinanet" => {
            let extra = if second { Extra::P6P7FromC5 } else { Extra::P6P7FromP5 };
            let fpn = FpnConfig { extra, levels: vec![3, 4, 5], ..FpnConfig::default() };
            let backbone = BackboneConfig { kind, norm, neck: Neck::Fpn(fpn), ..BackboneConfig::default() };
            let head = match second {
                true => RetinaConfig { groups: Some(32), box_loss: BoxLoss::Giou, ..RetinaConfig::default() },
                false => RetinaConfig::default(),
            };
            pyramid.then(|| InstanceNet::RetinaNet(Box::new(RetinaNet { backbone, head, classes })))
        }
        "fastrcnn" | "fasterrcnn" | "maskrcnn" => {
            let fpn = FpnConfig { norm: second.then_some(norm), ..FpnConfig::default() };
            let neck = if pyramid { Neck::Fpn(fpn) } else { Neck::Level(single) };
            let backbone = BackboneConfig { kind, norm, neck, ..BackboneConfig::default() };
            let anchors = anchors(pyramid);
            let rpn = RpnConfig { anchors, convs: if second { 2 } else { 1 }, ..RpnConfig::default() };
            let rpn = (family != "fastrcnn").then_some(rpn);
            let pooling = if family == "fastrcnn" && !pyramid { Pooling::Max { size: 7 } } else { Pooling::default() };
            let convs = BoxHead::ConvFc { convs: vec![256; 4], connected: vec![1024], norm };
            let head = if second { convs } else { BoxHead::default() };
            let mask = MaskHead { norm: second.then_some(norm), ..MaskHead::default() };
            let roi = RoiConfig { pooling, head, mask: (family == "maskrcnn").then_some(mask), ..RoiConfig::default() };
            Some(InstanceNet::Rcnn(Box::new(Rcnn { backbone, rpn, roi, classes })))
        }
        _ => None,
    }
}

/// torchvision's anchors: one size for each level of a pyramid, or all of them at a single level.
fn anchors(pyramid: bool) -> AnchorSpec {
    let spec = AnchorSpec::faster_rcnn();
    let together = || vec![spec.sizes.iter().flatten().copied().collect()];
    if pyramid { spec } else { AnchorSpec { sizes: together(), ..spec } }
}

/// A network that trains on a weak adapter: ResNet-18 of a quarter of its width with trained batch norm, a pyramid of 64 channels from level 2 on, and
/// few proposals. This project's own.
fn micro(family: &str, classes: usize) -> Option<InstanceNet> {
    if !["fasterrcnn", "maskrcnn"].contains(&family) {
        return None;
    }
    let levels = vec![2, 3, 4];
    let fpn = FpnConfig { channels: 64, norm: None, extra: Extra::Pool, levels };
    let (kind, norm, neck) = (BackboneKind::ResNet18, Norm::TRAIN, Neck::Fpn(fpn));
    let backbone = BackboneConfig { kind, width: 16, norm, trainable: 5, checkpoint: false, neck };
    let rpn = RpnConfig {
        anchors: AnchorSpec { sizes: [16.0, 32.0, 64.0, 128.0].map(|s| vec![s]).to_vec(), ..AnchorSpec::faster_rcnn() },
        sample: 128,
        pre_nms: TopN { training: 400, inference: 400 },
        post_nms: TopN { training: 200, inference: 200 },
        ..RpnConfig::default()
    };
    let pooling = Pooling::Align { size: 14, sampling_ratio: 1 };
    let mask = MaskHead { pooling, convs: vec![64; 2], width: 64, norm: None };
    let roi = RoiConfig {
        head: BoxHead::Mlp { width: 128 },
        mask: (family == "maskrcnn").then_some(mask),
        sample: 64,
        ..RoiConfig::default()
    };
    Some(InstanceNet::Rcnn(Box::new(Rcnn { backbone, rpn: Some(rpn), roi, classes })))
}

impl InstanceNet {
    /// The network of a name, or which names there are.
    pub fn by_name(name: &str, classes: usize) -> Result<Self> {
        named(name, classes).ok_or_else(|| {
            Error::Usage(format!("no detector is named '{name}'; there are, for example: {}", NAMES.join(", ")))
        })
    }

    /// The network with some of its configuration changed: `change` is a JSON object of what differs, `{"rpn": {"sample": 64}}`; null takes away.
    pub fn changed(&self, change: serde_json::Value) -> Result<Self> {
        use serde_json::Value;
        let wrong = |what: String| Error::Usage(format!("configuration of the network: {what}"));
        let mut all = serde_json::to_value(self).expect("plain data");
        let (Value::Object(members), Value::Object(change)) = (&mut all, change) else {
            return Err(wrong("is no JSON object".into()));
        };
        for (name, value) in change {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
        serde_json::from_value(all).map_err(|e| wrong(e.to_string()))
    }

    /// Classes of objects, the background not counted.
    pub fn classes(&self) -> usize {
        match self {
            Self::Rcnn(net) => net.classes,
            Self::RetinaNet(net) => net.classes,
        }
    }

    /// The same network for another number of classes.
    pub fn with_classes(&self, classes: usize) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Rcnn(net) => net.classes = classes,
            Self::RetinaNet(net) => net.classes = classes,
        }
        other
    }

    /// Whether it draws masks.
    pub fn masks(&self) -> bool {
        matches!(self, Self::Rcnn(net) if net.roi.mask.is_some())
    }

    /// The label, with the background as 0, that class 0 of its detections stands for.
    pub fn first_label(&self) -> usize {
        match self {
            Self::Rcnn(_) => 1,
            Self::RetinaNet(_) => 0,
        }
    }

    /// Whether regions must be given to it.
    pub fn takes_proposals(&self) -> bool {
        matches!(self, Self::Rcnn(net) if net.rpn.is_none())
    }

    /// Its backbone.
    pub fn backbone(&self) -> &BackboneConfig {
        match self {
            Self::Rcnn(net) => &net.backbone,
            Self::RetinaNet(net) => &net.backbone,
        }
    }

    /// Its backbone, to be changed.
    pub fn backbone_mut(&mut self) -> &mut BackboneConfig {
        match self {
            Self::Rcnn(net) => &mut net.backbone,
            Self::RetinaNet(net) => &mut net.backbone,
        }
    }

    /// How it chooses detections. The other fields have no meaning for it.
    pub fn selection(&self) -> Select {
        let (score_threshold, iou_threshold, max_detections) = match self {
            Self::Rcnn(net) => (net.roi.score_threshold, net.roi.nms_iou, net.roi.max_detections),
            Self::RetinaNet(net) => (net.head.score_threshold, net.head.nms_iou, net.head.max_detections),
        };
        Select { score_threshold, iou_threshold, max_detections, ..Select::default() }
    }

    /// Has it choose detections by the score, the overlap and the number of `select`.
    pub fn select_by(&mut self, select: &Select) {
        let (score, iou, most) = match self {
            Self::Rcnn(net) => (&mut net.roi.score_threshold, &mut net.roi.nms_iou, &mut net.roi.max_detections),
            Self::RetinaNet(net) => {
                (&mut net.head.score_threshold, &mut net.head.nms_iou, &mut net.head.max_detections)
            }
        };
        (*score, *iou, *most) = (select.score_threshold, select.iou_threshold, select.max_detections);
    }

    /// Adds the network and the choice of its final detections.
    pub fn detect(&self, net: &mut Net<'_>, pictures: &Pictures) -> Result<Instances> {
        match self {
            Self::Rcnn(rcnn) => rcnn.detect(net, pictures),
            Self::RetinaNet(retina) => retina.detect(net, pictures),
        }
    }

    /// Adds the network and its losses, by torchvision's names.
    pub fn losses(
        &self,
        net: &mut Net<'_>,
        pictures: &Pictures,
        truth: &Truth,
        chance: &Chance,
    ) -> Result<NamedLosses> {
        match self {
            Self::Rcnn(rcnn) => rcnn.losses(net, pictures, truth, chance),
            Self::RetinaNet(retina) => retina.losses(net, pictures, truth),
        }
    }

    /// Names, types and layouts of its parameters and states. Fails on a configuration that makes no network.
    pub fn specs(&self) -> Result<Vec<ParameterSpec>> {
        let mut graph = Graph::new();
        let mut net = Net::new(&mut graph, false);
        let pictures = inputs(net.graph, 1, [64, 64], self.takes_proposals().then_some(1))?;
        self.detect(&mut net, &pictures)?;
        Ok(net.specs)
    }
}

/// Puts `change` over `all` (RFC 7396); an object with one key that `all`'s own object has not replaces it, so that a choice can be another one.
fn merge(all: &mut serde_json::Value, change: serde_json::Value) {
    use serde_json::Value;
    match (all, change) {
        (Value::Object(all), Value::Object(change))
            if change.keys().any(|k| all.contains_key(k)) || change.len() != 1 =>
        {
            for (key, value) in change {
                merge(all.entry(key).or_insert(Value::Null), value);
            }
        }
        (all, change) => *all = change,
    }
}

/// Names of the network's inputs.
pub const IMAGES: &str = "images";
/// See [`Pictures::sizes`].
pub const SIZES: &str = "image_sizes";
/// See [`Pictures::proposals`].
pub const PROPOSALS: &str = "proposals";

/// Declares the inputs for `n` pictures on a canvas of height and width `size`, with room for so many `proposals`.
pub fn inputs(graph: &mut Graph, n: usize, [h, w]: [usize; 2], proposals: Option<usize>) -> Result<Pictures> {
    Ok(Pictures {
        images: graph.input(IMAGES, TensorType::f32([n, h, w, 3]))?,
        sizes: graph.input(SIZES, TensorType::f32([n, 2]))?,
        proposals: proposals.map(|p| graph.input(PROPOSALS, TensorType::f32([n, p, 4]))).transpose()?,
    })
}
