//! The region proposal network (Ren et al., "Faster R-CNN", 2015): for every anchor, whether it holds an object and how its box is to
//! be moved; the best boxes after suppression are the proposals. torchvision's constants and order throughout.
//!
//! Knows nothing of classes, nor of what the proposals are for.

use super::anchors::AnchorSpec;
use super::shared::{
    SharedBlock, SharedConv, clipping_decoder, concat, for_each_picture, one_over_count, product, reshape,
};
use super::truth::{Chance, NamedLosses, Truth};
use crate::Result;
use crate::graph::Graph;
use crate::nn::Net;
use crate::ops::Value;
use crate::ops::box_encode::BoxEncode;
use crate::ops::detach::Detach;
use crate::ops::drop_small::DropSmall;
use crate::ops::gather_rows::GatherRows;
use crate::ops::match_boxes::MatchBoxes;
use crate::ops::nms::Nms;
use crate::ops::pointwise_loss::{Formula, PointwiseLoss};
use crate::ops::sample_balanced::SampleBalanced;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::top_k::TopK;
use crate::ops::{OpRef, Reduction};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A number of boxes that differs between training and inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopN {
    /// In training.
    pub training: usize,
    /// In inference.
    pub inference: usize,
}

impl TopN {
    fn of(self, training: bool) -> usize {
        if training { self.training } else { self.inference }
    }
}

/// The network's size and constants; defaults are torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpnConfig {
    /// Anchors of each level.
    pub anchors: AnchorSpec,
    /// 3x3 convolutions before the predictions.
    pub convs: usize,
    /// Overlap with a true box from which an anchor is an object.
    pub foreground_iou: f32,
    /// Overlap below which it is background.
    pub background_iou: f32,
    /// Anchors of a picture that a step learns from.
    pub sample: usize,
    /// Share of them that may be objects.
    pub positive_fraction: f64,
    /// Best anchors of each level that suppression looks at.
    pub pre_nms: TopN,
    /// Proposals of a picture.
    pub post_nms: TopN,
    /// Of two proposals of a level that overlap by strictly more, only the better one stays.
    pub nms_iou: f64,
    /// Proposals with a shorter side, in pixels, are dropped.
    pub min_size: f32,
    /// Proposals of a lower probability are dropped.
    pub min_score: f32,
}

impl Default for RpnConfig {
    fn default() -> Self {
        Self {
            anchors: AnchorSpec::faster_rcnn(),
            convs: 1,
            foreground_iou: 0.7,
            background_iou: 0.3,
            sample: 256,
            positive_fraction: 0.5,
            pre_nms: TopN { training: 2000, inference: 1000 },
            post_nms: TopN { training: 2000, inference: 1000 },
            nms_iou: 0.7,
            min_size: 1e-3,
            min_score: 0.0,
        }
    }
}

/// Where in the counter of random numbers this network draws from.
const NODE: u32 = 1;
/// Where smooth L1 becomes straight.
const BETA: f32 = 1.0 / 9.0;

/// What the network says of every anchor, level by level.
#[derive(Clone, Debug)]
pub struct RpnOutput {
    /// (N, anchors of the level): logits of objectness, by row, column, anchor.
    pub logits: Vec<Value>,
    /// (N, anchors of the level, 4): offsets of the boxes.
    pub deltas: Vec<Value>,
}

impl RpnConfig {
    /// Adds the network under `rpn.head`, with one set of weights for all levels (N, H, W, C) of `features`.
    pub fn build(&self, net: &mut Net<'_>, features: &[Value]) -> Result<RpnOutput> {
        let channels = net.graph.shape(features[0]).channels();
        let anchors = self.anchors.per_place(0);
        let (convs, objectness, offsets) = net.scope("head", |net| {
            let block = |i: usize| SharedBlock::declare(net, &format!("conv.{i}"), channels, None);
            let convs = (0..self.convs).map(block).collect::<Result<Vec<_>>>()?;
            let objectness = SharedConv::declare(net, "cls_logits", 1, [channels, anchors], Some(0.0))?;
            Ok((convs, objectness, SharedConv::declare(net, "bbox_pred", 1, [channels, 4 * anchors], Some(0.0))?))
        })?;
        let mut output = RpnOutput { logits: Vec::new(), deltas: Vec::new() };
        for (level, &x) in features.iter().enumerate() {
            net.graph.scope(&format!("level{level}"), |g| {
                let [n, h, w] = [0, 1, 2].map(|d| g.shape(x)[d]);
                let hidden = convs.iter().try_fold(x, |x, conv| conv.apply(g, x))?;
                let (logits, deltas) = (objectness.apply(g, hidden)?, offsets.apply(g, hidden)?);
                output.logits.push(reshape(g, logits, &[n, h * w * anchors])?);
                output.deltas.push(reshape(g, deltas, &[n, h * w * anchors, 4])?);
                Ok(())
            })?;
        }
        Ok(output)
    }

    /// The proposals (N, P, 4) of each picture by descending score, zeros where there are fewer; nothing flows back through them.
    /// `anchors` are those of all levels; `image_sizes` is f32 (N, 2), height and width of each picture on the input.
    pub fn proposals(
        &self,
        graph: &mut Graph,
        output: &RpnOutput,
        anchors: &Tensor,
        image_sizes: Value,
        training: bool,
    ) -> Result<Value> {
        graph.scope("proposals", |g| {
            let n = g.shape(image_sizes)[0];
            let (mut boxes, mut scores, mut groups) = (Vec::new(), Vec::new(), Vec::new());
            let mut rest = anchors.as_f32();
            for (level, (&logits, &deltas)) in output.logits.iter().zip(&output.deltas).enumerate() {
                let k = self.pre_nms.of(training).min(g.shape(logits)[1]);
                let logits = g.add(Detach, &[logits])?;
                let deltas = g.add(Detach, &[deltas])?;
                let top: OpRef = Arc::new(TopK { k, threshold: None });
                let best = g.named_all("top_k", top, &[logits])?;
                let own;
                (own, rest) = rest.split_at(4 * g.shape(logits)[1]);
                let own = for_each_picture(g, own, n);
                let own = g.named("anchors", GatherRows::default(), &[own, best[1]])?;
                let deltas = g.named("deltas", GatherRows::default(), &[deltas, best[1]])?;
                boxes.push(g.add(clipping_decoder([1.0; 4]), &[deltas, own, image_sizes])?);
                scores.push(best[0]);
                groups.extend(std::iter::repeat_n(level as i32, k));
            }
            let boxes = concat(g, &boxes, 1)?;
            let logits = concat(g, &scores, 1)?;
            let scores = g.add(Sigmoid, &[logits])?;
            let drop = DropSmall { min_size: self.min_size, min_score: Some(self.min_score) };
            let scores = g.add(drop, &[boxes, scores])?;
            let count = groups.len();
            let groups = g.constant(Tensor::i32([n, count], groups.repeat(n)));
            let max_out = self.post_nms.of(training).min(count);
            let nms = Nms { iou_threshold: self.nms_iou, max_out, grouped: true, counted: false, subgroups: None };
            let kept = g.named_all("nms", Arc::new(nms), &[boxes, scores, groups])?;
            g.named("boxes", GatherRows::default(), &[boxes, kept[0]])
        })
    }

    /// `loss_objectness` and `loss_rpn_box_reg`: anchors are matched to true boxes, and some of them, half of them objects at most, are learnt from.
    pub fn losses(
        &self,
        graph: &mut Graph,
        output: &RpnOutput,
        anchors: &Tensor,
        truth: &Truth,
        chance: &Chance,
    ) -> Result<NamedLosses> {
        graph.scope("rpn_loss", |g| {
            let logits = concat(g, &output.logits, 1)?;
            let deltas = concat(g, &output.deltas, 1)?;
            let anchors = g.constant(anchors.clone());
            let matcher = MatchBoxes { high: self.foreground_iou, low: self.background_iou, low_quality: true };
            let matched = g.named("match", matcher, &[anchors, truth.boxes, truth.labels])?;
            let size = self.sample.min(g.shape(matched)[1]);
            let positives = ((self.sample as f64 * self.positive_fraction) as usize).min(size);
            let sampler = SampleBalanced { size, positives, seed: chance.seed, node: NODE };
            let sampled = g.named_all("sample", Arc::new(sampler), &[matched, chance.step])?;
            let (chosen, positive) = (sampled[2], sampled[3]);
            let share = one_over_count(g, chosen)?;
            let bce = PointwiseLoss::new(Formula::Bce).reduced(Reduction::Sum).weighted();
            let sum = g.named("bce", bce, &[logits, positive, chosen])?;
            let objectness = product(g, "loss_objectness", sum, share)?;

            let own = g.named("true_boxes", GatherRows::default(), &[truth.boxes, matched])?;
            let target = g.named("target", BoxEncode { weights: [1.0; 4] }, &[own, anchors])?;
            let [n, a] = [0, 1].map(|d| g.shape(positive)[d]);
            let weight = reshape(g, positive, &[n, a, 1])?;
            let smooth = PointwiseLoss::new(Formula::SmoothL1 { beta: BETA }).reduced(Reduction::Sum).weighted();
            let sum = g.named("smooth_l1", smooth, &[deltas, target, weight])?;
            let regression = product(g, "loss_rpn_box_reg", sum, share)?;
            Ok(vec![("loss_objectness", objectness), ("loss_rpn_box_reg", regression)])
        })
    }
}
