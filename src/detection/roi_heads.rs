//! What happens in each region of interest (Girshick, "Fast R-CNN", 2015; He et al., "Mask R-CNN", 2017): features are pooled from the
//! region, and a small network says which class it holds and how its box is to be moved; another one draws the object's mask.
//! torchvision's constants and order throughout.
//!
//! Where the regions come from is not known here.

use super::roi_parts::{BoxHead, MaskHead, Pooling, Pyramid};
use super::select::{Select, Selected, select_detections};
use super::shared::{clipping_decoder, concat, one_over_count, product, reshape};
use super::truth::{Chance, NamedLosses, Truth};
use crate::Result;
use crate::graph::Graph;
use crate::nn::{Connected, Net, WeightInit};
use crate::ops::Reduction;
use crate::ops::Value;
use crate::ops::box_encode::BoxEncode;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::detach::Detach;
use crate::ops::drop_small::DropSmall;
use crate::ops::expand::Expand;
use crate::ops::gather_channels::GatherChannels;
use crate::ops::gather_rows::GatherRows;
use crate::ops::mask_targets::MaskTargets;
use crate::ops::match_boxes::MatchBoxes;
use crate::ops::pointwise_loss::{Formula, PointwiseLoss};
use crate::ops::sample_balanced::SampleBalanced;
use crate::ops::scale::Scale;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::slice::Slice;
use crate::ops::softmax::Softmax;
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The heads and their constants; defaults are torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoiConfig {
    /// How features are pooled for the boxes.
    pub pooling: Pooling,
    /// The network between pooled features and predictions.
    pub head: BoxHead,
    /// The network that draws masks, if masks are wanted.
    pub mask: Option<MaskHead>,
    /// Overlap with a true box from which a region holds an object.
    pub foreground_iou: f32,
    /// Overlap below which it is background.
    pub background_iou: f32,
    /// Regions of a picture that a step learns from.
    pub sample: usize,
    /// Share of them that may hold objects.
    pub positive_fraction: f64,
    /// Weights of x, y, width and height in the boxes' offsets.
    pub box_weights: [f32; 4],
    /// Only detections with a larger score.
    pub score_threshold: f32,
    /// Detections with a shorter side, in pixels, are dropped.
    pub min_size: f32,
    /// Of two detections of a class that overlap by strictly more, only the better one stays.
    pub nms_iou: f64,
    /// Detections of a picture.
    pub max_detections: usize,
}

impl Default for RoiConfig {
    fn default() -> Self {
        Self {
            pooling: Pooling::default(),
            head: BoxHead::default(),
            mask: None,
            foreground_iou: 0.5,
            background_iou: 0.5,
            sample: 512,
            positive_fraction: 0.25,
            box_weights: [10.0, 10.0, 5.0, 5.0],
            score_threshold: 0.05,
            min_size: 1e-2,
            nms_iou: 0.5,
            max_detections: 100,
        }
    }
}

/// Where in the counter of random numbers the sampler draws from.
const NODE: u32 = 2;
/// Where smooth L1 becomes straight.
const BETA: f32 = 1.0 / 9.0;
/// The target of regions that do not count.
const IGNORED: i32 = -100;

/// Final detections on the device, and their masks.
#[derive(Clone, Copy, Debug)]
pub struct Instances {
    /// Boxes, scores, classes and counts.
    pub detections: Selected,
    /// (N, K, M, M): probabilities inside of each detection's box.
    pub masks: Option<Value>,
}

/// What the heads look at.
#[derive(Clone, Copy, Debug)]
pub struct RoiInputs<'a> {
    /// Feature maps.
    pub pyramid: &'a Pyramid,
    /// (N, P, 4): regions, zeros where there are fewer.
    pub proposals: Value,
    /// f32 (N, 2): height and width of each picture on the network's input.
    pub image_sizes: Value,
    /// Number of labels, the background included.
    pub labels: usize,
}

/// Regions that a step learns from, with what they should become. S regions a picture, those with objects first.
struct Samples {
    /// (N, S, 4).
    regions: Value,
    /// i32 (N, S): the true box of each, negative where there is none.
    matched: Value,
    /// i32 (N, S): class, 0 for background, [`IGNORED`] where there is no region.
    labels: Value,
    /// f32 (N, S): 1 where it holds an object.
    positive: Value,
    /// f32 (N, S): 1 where there is a region.
    present: Value,
    /// f32 (N, candidates): 1 where it was chosen.
    chosen: Value,
}

impl RoiConfig {
    /// Regions with objects that a step may learn from.
    fn positives(&self) -> usize {
        (self.sample as f64 * self.positive_fraction) as usize
    }

    /// `loss_classifier`, `loss_box_reg` and, with masks, `loss_mask`, learnt from some of the proposals and the true boxes themselves.
    pub fn losses(
        &self,
        net: &mut Net<'_>,
        inputs: &RoiInputs<'_>,
        truth: &Truth,
        chance: &Chance,
    ) -> Result<NamedLosses> {
        let RoiInputs { pyramid, labels: classes, .. } = *inputs;
        let samples = net.graph.scope("sampling", |g| self.sample(g, inputs.proposals, truth, chance))?;
        let valid = net.graph.ty(samples.positive).shape;
        let (n, s) = (valid[0], valid[1]);
        let present = reshape(net.graph, samples.present, &[n * s])?;
        let (logits, deltas) = self.predict(net, pyramid, samples.regions, classes, Some(present))?;
        let mut losses = net.graph.scope("roi_loss", |g| {
            let labels = reshape(g, samples.labels, &[n * s])?;
            let entropy = CrossEntropy { ignore_index: IGNORED, ..Default::default() };
            let classifier = g.named_all("loss_classifier", Arc::new(entropy), &[logits, labels])?[0];
            let own = g.named("true_boxes", GatherRows::default(), &[truth.boxes, samples.matched])?;
            let target = g.named("target", BoxEncode { weights: self.box_weights }, &[own, samples.regions])?;
            // Of each region's boxes the one of its own class.
            let by_class = reshape(g, deltas, &[n * s, classes, 4])?;
            let label = reshape(g, samples.labels, &[n * s, 1])?;
            let chosen = g.named("own_class", GatherRows::default(), &[by_class, label])?;
            let chosen = reshape(g, chosen, &[n, s, 4])?;
            let weight = reshape(g, samples.positive, &[n, s, 1])?;
            let smooth = PointwiseLoss::new(Formula::SmoothL1 { beta: BETA }).reduced(Reduction::Sum).weighted();
            let sum = g.named("smooth_l1", smooth, &[chosen, target, weight])?;
            let share = one_over_count(g, samples.chosen)?;
            let regression = product(g, "loss_box_reg", sum, share)?;
            Ok(vec![("loss_classifier", classifier), ("loss_box_reg", regression)])
        })?;
        if let (Some(head), Some(masks)) = (&self.mask, truth.masks) {
            losses.push(("loss_mask", self.mask_loss(net, head, inputs, &samples, masks)?));
        }
        Ok(losses)
    }

    /// Chooses the regions.
    fn sample(&self, g: &mut Graph, proposals: Value, truth: &Truth, chance: &Chance) -> Result<Samples> {
        let proposals = g.add(Detach, &[proposals])?;
        let candidates = concat(g, &[proposals, truth.boxes], 1)?;
        let matcher = MatchBoxes { high: self.foreground_iou, low: self.background_iou, low_quality: false };
        let matched = g.named("match", matcher, &[candidates, truth.boxes, truth.labels])?;
        let room = g.shape(candidates)[1];
        let size = self.sample.min(room);
        let positives = self.positives().min(size);
        let sampler = SampleBalanced { size, positives, seed: chance.seed, node: NODE };
        let sampled = g.named_all("sample", Arc::new(sampler), &[matched, chance.step])?;
        let [index, _, chosen, positive] = sampled[..] else { unreachable!("four outputs") };
        let label = g.named("label", GatherRows::default(), &[truth.labels, matched])?;
        let mut pick = |name: &str, fill: f32, x: Value| g.named(name, GatherRows { fill }, &[x, index]);
        Ok(Samples {
            regions: pick("regions", 0.0, candidates)?,
            matched: pick("matched", -1.0, matched)?,
            labels: pick("labels", IGNORED as f32, label)?,
            positive: pick("positive", 0.0, positive)?,
            present: pick("present", 0.0, chosen)?,
            chosen,
        })
    }

    /// Class logits (N*R, classes) and offsets (N*R, 4*classes) of regions (N, R, 4); `present`, f32 (N*R), is for [`BoxHead::build`].
    fn predict(
        &self,
        net: &mut Net<'_>,
        pyramid: &Pyramid,
        regions: Value,
        classes: usize,
        present: Option<Value>,
    ) -> Result<(Value, Value)> {
        let pooled = pyramid.pool(net.graph, &self.pooling, regions)?;
        let features = net.scope("box_head", |net| self.head.build(net, pooled, present))?;
        net.scope("box_predictor", |net| {
            let score = Connected { init: WeightInit::Normal(0.01), ..Connected::new(classes) };
            let offset = Connected { init: WeightInit::Normal(0.001), ..Connected::new(4 * classes) };
            Ok((score.build(net, "cls_score", features)?, offset.build(net, "bbox_pred", features)?))
        })
    }

    fn mask_loss(
        &self,
        net: &mut Net<'_>,
        head: &MaskHead,
        inputs: &RoiInputs<'_>,
        samples: &Samples,
        masks: Value,
    ) -> Result<Value> {
        let shape = net.graph.shape(samples.positive);
        let (n, room) = (shape[0], self.positives().min(shape[1]));
        let first = |g: &mut Graph, x: Value| -> Result<Value> {
            let rank = g.shape(x).rank();
            g.add(Slice::along(rank, 1, 0, room), &[x])
        };
        let (regions, matched, labels, positive) = net.graph.scope("mask_samples", |g| {
            let [regions, matched, labels, positive] =
                [samples.regions, samples.matched, samples.labels, samples.positive].map(|x| first(g, x));
            Ok((regions?, matched?, labels?, positive?))
        })?;
        let counted = reshape(net.graph, positive, &[n * room])?;
        let logits = head.build(net, inputs.pyramid, regions, inputs.labels, Some(counted))?;
        net.graph.scope("mask_loss", |g| {
            let size = g.shape(logits)[1];
            let labels = reshape(g, labels, &[n * room])?;
            let own = g.named("own_class", GatherChannels, &[logits, labels])?;
            let target =
                g.named("target", MaskTargets { size, sized: true }, &[masks, regions, matched, inputs.image_sizes])?;
            let weight = reshape(g, positive, &[n * room, 1, 1, 1])?;
            let weight = g.add(Expand { shape: [n * room, size, size, 1].into() }, &[weight])?;
            let bce = PointwiseLoss::new(Formula::Bce).reduced(Reduction::Sum).weighted();
            let sum = g.named("bce", bce, &[own, target, weight])?;
            let share = one_over_count(g, positive)?;
            let share = g.add(Scale { alpha: 1.0 / (size * size) as f32, beta: 0.0 }, &[share])?;
            product(g, "loss_mask", sum, share)
        })
    }

    /// The detections among the proposals.
    pub fn detect(&self, net: &mut Net<'_>, inputs: &RoiInputs<'_>) -> Result<Instances> {
        let RoiInputs { pyramid, proposals, image_sizes, labels: classes } = *inputs;
        let shape = net.graph.shape(proposals);
        let (n, p) = (shape[0], shape[1]);
        let (logits, deltas) = self.predict(net, pyramid, proposals, classes, None)?;
        let detections = net.graph.scope("detections", |g| {
            let scores = g.add(Softmax { dim: 1 }, &[logits])?;
            let deltas = reshape(g, deltas, &[n, p, 4 * classes])?;
            let boxes = g.add(clipping_decoder(self.box_weights), &[deltas, proposals, image_sizes])?;
            // Class 0 is the background.
            let boxes = reshape(g, boxes, &[n, p, classes, 4])?;
            let boxes = g.add(Slice::along(4, 2, 1, classes), &[boxes])?;
            let boxes = reshape(g, boxes, &[n, p * (classes - 1), 4])?;
            let scores = reshape(g, scores, &[n, p, classes])?;
            let scores = g.add(Slice::along(3, 2, 1, classes), &[scores])?;
            let scores = reshape(g, scores, &[n, p * (classes - 1)])?;
            let scores = g.add(DropSmall { min_size: self.min_size, min_score: None }, &[boxes, scores])?;
            let boxes = reshape(g, boxes, &[n, p, classes - 1, 4])?;
            let scores = reshape(g, scores, &[n, p, classes - 1])?;
            select_detections(g, boxes, scores, &self.selection(p))
        })?;
        let Some(head) = &self.mask else { return Ok(Instances { detections, masks: None }) };
        let k = net.graph.shape(detections.scores)[1];
        let logits = head.build(net, pyramid, detections.boxes, classes, None)?;
        let masks = net.graph.scope("masks", |g| {
            // Channel 0 is the background's.
            let channels: Vec<i32> = (1..classes as i32).collect();
            let channels = g.constant(Tensor::i32([n, classes - 1], channels.repeat(n)));
            let labels = g.named("channel", GatherRows { fill: -1.0 }, &[channels, detections.classes])?;
            let labels = reshape(g, labels, &[n * k])?;
            let own = g.named("own_class", GatherChannels, &[logits, labels])?;
            let size = g.shape(own)[1];
            let probabilities = g.add(Sigmoid, &[own])?;
            reshape(g, probabilities, &[n, k, size, size])
        })?;
        Ok(Instances { detections, masks: Some(masks) })
    }

    /// How detections are chosen. Scores of a region add up to 1, so no more of its classes can pass the threshold than fit into it: that
    /// many candidates lose none.
    fn selection(&self, proposals: usize) -> Select {
        let passing = (1.0 / self.score_threshold.max(1e-3)).ceil() as usize;
        Select {
            score_threshold: self.score_threshold,
            iou_threshold: self.nms_iou,
            max_detections: self.max_detections,
            candidates: proposals * passing,
            class_agnostic: false,
            soft: None,
        }
    }
}
