//! RetinaNet's head (Lin et al., "Focal Loss for Dense Object Detection", 2017): for every anchor the probability of each class and how
//! its box is to be moved, in one stage. torchvision's constants and order throughout.

use super::anchors::AnchorSpec;
use super::select::{Candidates, Select, Selected, suppress};
use super::shared::{
    SharedBlock, SharedConv, clipping_decoder, concat, for_each_picture, product, reciprocal_from_one, reshape,
};
use super::truth::{NamedLosses, Truth};
use crate::Result;
use crate::graph::Graph;
use crate::nn::Net;
use crate::ops::box_decode::BoxDecode;
use crate::ops::box_encode::BoxEncode;
use crate::ops::drop_small::DropSmall;
use crate::ops::gather_rows::GatherRows;
use crate::ops::iou_loss::{IouKind, IouLoss};
use crate::ops::match_boxes::MatchBoxes;
use crate::ops::one_hot::OneHot;
use crate::ops::pointwise_loss::{Formula, PointwiseLoss};
use crate::ops::reduce_sum::ReduceSum;
use crate::ops::sample_balanced::SampleBalanced;
use crate::ops::scale::Scale;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::split_index::SplitIndex;
use crate::ops::top_k::TopK;
use crate::ops::{Reduction, Value};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The head and its constants; defaults are torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetinaConfig {
    /// Anchors of each level.
    pub anchors: AnchorSpec,
    /// 3x3 convolutions before the predictions, in each of the two branches.
    pub convs: usize,
    /// Groups of the group norm after each of them (torchvision's second version: 32), if there is one.
    pub groups: Option<usize>,
    /// What the boxes are trained with.
    pub box_loss: BoxLoss,
    /// Overlap with a true box from which an anchor is an object.
    pub foreground_iou: f32,
    /// Overlap below which it is background.
    pub background_iou: f32,
    /// Weight of objects in the focal loss.
    pub alpha: f32,
    /// Exponent of the focal loss.
    pub gamma: f32,
    /// Only detections with a larger score.
    pub score_threshold: f32,
    /// Best pairs of anchor and class of each level that suppression looks at.
    pub candidates: usize,
    /// Of two detections of a class that overlap by strictly more, only the better one stays.
    pub nms_iou: f64,
    /// Detections of a picture.
    pub max_detections: usize,
}

impl Default for RetinaConfig {
    fn default() -> Self {
        Self {
            anchors: AnchorSpec::retinanet(),
            convs: 4,
            groups: None,
            box_loss: BoxLoss::L1,
            foreground_iou: 0.5,
            background_iou: 0.4,
            alpha: 0.25,
            gamma: 2.0,
            score_threshold: 0.05,
            candidates: 1000,
            nms_iou: 0.5,
            max_detections: 300,
        }
    }
}

/// What the boxes of RetinaNet are trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxLoss {
    /// The distance of the offsets.
    #[default]
    L1,
    /// 1 - GIoU of the boxes: torchvision's second version.
    Giou,
}

/// The probability of every class that the head starts with (section 4.1 of the paper).
const PRIOR: f32 = 0.01;

/// What the head says of every anchor, level by level.
#[derive(Clone, Debug)]
pub struct RetinaOutput {
    /// (N, anchors of the level, classes): logits, by row, column, anchor.
    pub logits: Vec<Value>,
    /// (N, anchors of the level, 4): offsets of the boxes.
    pub deltas: Vec<Value>,
}

impl RetinaConfig {
    /// Adds the head under `head`, with one set of weights for all levels (N, H, W, C) of `features`. `classes` counts class 0,
    /// which torchvision keeps free.
    pub fn build(&self, net: &mut Net<'_>, features: &[Value], classes: usize) -> Result<RetinaOutput> {
        let anchors = self.anchors.per_place(0);
        let bias = -((1.0 - PRIOR) / PRIOR).ln();
        let logits =
            self.branch(net, "classification_head", "cls_logits", features, [anchors * classes, classes], bias)?;
        let deltas = self.branch(net, "regression_head", "bbox_reg", features, [anchors * 4, 4], 0.0)?;
        Ok(RetinaOutput { logits, deltas })
    }

    /// One of the two branches: (N, anchors, width) of each level, where `out` channels are `width` values for each anchor.
    fn branch(
        &self,
        net: &mut Net<'_>,
        name: &str,
        last: &str,
        features: &[Value],
        [out, width]: [usize; 2],
        bias: f32,
    ) -> Result<Vec<Value>> {
        let channels = net.graph.shape(features[0]).channels();
        net.scope(name, |net| {
            let block = |i: usize| SharedBlock::declare(net, &format!("conv.{i}"), channels, self.groups);
            let convs = (0..self.convs).map(block).collect::<Result<Vec<_>>>()?;
            let predict = SharedConv::declare(net, last, 3, [channels, out], Some(bias))?;
            let level = |&x: &Value| {
                let hidden = convs.iter().try_fold(x, |x, conv| conv.apply(net.graph, x))?;
                let y = predict.apply(net.graph, hidden)?;
                let shape = net.graph.shape(y);
                reshape(net.graph, y, &[shape[0], shape[1] * shape[2] * out / width, width])
            };
            features.iter().map(level).collect()
        })
    }

    /// `classification` and `bbox_regression`: the focal loss of every anchor that is clearly object or background, and the distance of objects'
    /// offsets, each divided by the number of a picture's objects.
    pub fn losses(
        &self,
        graph: &mut Graph,
        output: &RetinaOutput,
        anchors: &Tensor,
        truth: &Truth,
    ) -> Result<NamedLosses> {
        graph.scope("loss", |g| {
            let logits = concat(g, &output.logits, 1)?;
            let deltas = concat(g, &output.deltas, 1)?;
            let [n, a, classes] = [0, 1, 2].map(|d| g.shape(logits)[d]);
            let step = g.constant(Tensor::u32([1], vec![0]));
            let anchors = g.constant(anchors.clone());
            let matcher = MatchBoxes { high: self.foreground_iou, low: self.background_iou, low_quality: true };
            let matched = g.named("match", matcher, &[anchors, truth.boxes, truth.labels])?;
            // A sample with room for all of them takes every anchor that is clearly object or background.
            let all = SampleBalanced { size: a, positives: a, seed: 0, node: 0 };
            let roles = g.named_all("roles", Arc::new(all), &[matched, step])?;
            let (counts, objects) = (roles[2], roles[3]);
            let found = g.named("objects", ReduceSum { dims: vec![1], keepdim: true, mean: false }, &[objects])?;
            let share = reciprocal_from_one(g, found)?;
            let share = g.add(Scale { alpha: 1.0 / n as f32, beta: 0.0 }, &[share])?;
            let weight = |g: &mut Graph, role: Value| {
                let weight = product(g, "weight", role, share)?;
                reshape(g, weight, &[n, a, 1])
            };
            let label = g.named("label", GatherRows { fill: -1.0 }, &[truth.labels, matched])?;
            let target = g.named("classes", OneHot { classes }, &[label])?;
            let focal = PointwiseLoss::new(Formula::Focal { alpha: self.alpha, gamma: self.gamma });
            let focal = focal.reduced(Reduction::Sum).weighted();
            let counts = weight(g, counts)?;
            let classification = g.named("classification", focal, &[logits, target, counts])?;

            let own = g.named("true_boxes", GatherRows::default(), &[truth.boxes, matched])?;
            let objects = weight(g, objects)?;
            let regression = match self.box_loss {
                BoxLoss::L1 => {
                    let target = g.named("offsets", BoxEncode { weights: [1.0; 4] }, &[own, anchors])?;
                    let l1 = PointwiseLoss::new(Formula::L1).reduced(Reduction::Sum).weighted();
                    g.named("bbox_regression", l1, &[deltas, target, objects])?
                }
                BoxLoss::Giou => {
                    let boxes = g.add(BoxDecode { sized: false, ..clipping_decoder([1.0; 4]) }, &[deltas, anchors])?;
                    let each = g.named("giou", IouLoss { kind: IouKind::Giou }, &[boxes, own])?;
                    let weight = reshape(g, objects, &[n, a])?;
                    let weighted = product(g, "weighted", each, weight)?;
                    g.named("bbox_regression", ReduceSum::all(2), &[weighted])?
                }
            };
            Ok(vec![("classification", classification), ("bbox_regression", regression)])
        })
    }

    /// The detections. `anchors` are those of all levels; `image_sizes` is f32 (N, 2), height and width of each picture on the input.
    pub fn detect(
        &self,
        graph: &mut Graph,
        output: &RetinaOutput,
        anchors: &Tensor,
        image_sizes: Value,
    ) -> Result<Selected> {
        graph.scope("detections", |g| {
            let n = g.shape(image_sizes)[0];
            let (mut boxes, mut scores, mut classes) = (Vec::new(), Vec::new(), Vec::new());
            let mut rest = anchors.as_f32();
            for (&logits, &deltas) in output.logits.iter().zip(&output.deltas) {
                let [a, c] = [1, 2].map(|d| g.shape(logits)[d]);
                let flat = reshape(g, logits, &[n, a * c])?;
                let flat = g.add(Sigmoid, &[flat])?;
                let top = TopK { k: self.candidates.min(a * c), threshold: Some(self.score_threshold) };
                let best = g.named_all("top_k", Arc::new(top), &[flat])?;
                let place = g.named_all("split_index", Arc::new(SplitIndex { divisor: c }), &[best[1]])?;
                let own;
                (own, rest) = rest.split_at(4 * a);
                let own = for_each_picture(g, own, n);
                let own = g.named("anchors", GatherRows::default(), &[own, place[0]])?;
                let deltas = g.named("deltas", GatherRows::default(), &[deltas, place[0]])?;
                boxes.push(g.add(clipping_decoder([1.0; 4]), &[deltas, own, image_sizes])?);
                scores.push(best[0]);
                classes.push(place[1]);
            }
            let boxes = concat(g, &boxes, 1)?;
            let scores = concat(g, &scores, 1)?;
            let classes = concat(g, &classes, 1)?;
            // Places that no candidate took have score 0.
            let drop = DropSmall { min_size: 0.0, min_score: Some(self.score_threshold) };
            let scores = g.add(drop, &[boxes, scores])?;
            let select = Select {
                score_threshold: self.score_threshold,
                iou_threshold: self.nms_iou,
                max_detections: self.max_detections,
                ..Select::default()
            };
            suppress(g, &Candidates { boxes, scores, classes, counts: None }, &select)
        })
    }
}
