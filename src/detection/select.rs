//! From decoded boxes and scores to detections, on the device: score threshold, the best candidates, non-maximum suppression, the best
//! of what remains. Graph nodes only; a run reads the four outputs back and nothing else.
//!
//! Decoding comes before (`decode.rs`); turning the outputs into pixels of the original picture is the reader's.

use crate::graph::Graph;
use crate::ops::Value;
use crate::ops::gather_rows::GatherRows;
use crate::ops::nms::Nms;
use crate::ops::reshape::Reshape;
use crate::ops::soft_nms::{Decay, SoftNms};
use crate::ops::split_index::SplitIndex;
use crate::ops::top_k::TopK;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Score from which a detection is shown to people.
pub const SHOWN_SCORE: f32 = 0.25;

/// Score from which detections count in the measures, which want the whole precision-recall curve.
pub const MEASURED_SCORE: f32 = 0.001;

/// Overlap above which Darknet drops the weaker of two boxes.
pub const IOU_THRESHOLD: f64 = 0.45;

/// How detections are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Select {
    /// Only scores strictly above it.
    pub score_threshold: f32,
    /// Of two boxes of a class that overlap by strictly more, only the better one stays.
    pub iou_threshold: f64,
    /// Detections of a picture at most.
    pub max_detections: usize,
    /// Pairs of box and class of a picture that suppression looks at, the best ones.
    pub candidates: usize,
    /// Boxes suppress each other whatever their classes.
    pub class_agnostic: bool,
    /// Overlapping boxes are weakened in this way and drop out by their score, instead of by `iou_threshold` alone.
    pub soft: Option<Decay>,
}

impl Default for Select {
    fn default() -> Self {
        Self {
            score_threshold: SHOWN_SCORE,
            iou_threshold: IOU_THRESHOLD,
            max_detections: 100,
            candidates: 1000,
            class_agnostic: false,
            soft: None,
        }
    }
}

/// The detections of each picture by descending score. Places from the picture's count on hold box 0, score 0 and class -1.
#[derive(Clone, Copy, Debug)]
pub struct Selected {
    /// (N, max_detections, 4) corners, as they came.
    pub boxes: Value,
    /// (N, max_detections).
    pub scores: Value,
    /// i32 (N, max_detections).
    pub classes: Value,
    /// i32 (N).
    pub counts: Value,
}

impl Selected {
    /// What is read back, by name.
    pub fn named(&self) -> [(&'static str, Value); 4] {
        [("boxes", self.boxes), ("scores", self.scores), ("classes", self.classes), ("counts", self.counts)]
    }
}

/// Chooses detections from scores (N, M, C) and boxes as corners, (N, M, 4) or, where each class has a box of its own, (N, M, C, 4). A box is a
/// candidate once for each class whose score is above the threshold, as in Darknet and torchvision. NaN scores are no candidates. Fails where the
/// shapes do not belong together or a number of `select` makes no sense.
pub fn select_detections(graph: &mut Graph, boxes: Value, scores: Value, select: &Select) -> Result<Selected> {
    let (boxes_ty, scores_ty) = (graph.ty(boxes), graph.ty(scores));
    let &[n, m, classes] = &scores_ty.shape[..] else {
        return Err(Error::Graph(format!("scores of boxes are (N, M, classes), got {scores_ty}")));
    };
    let by_class = boxes_ty.shape[..] == [n, m, classes, 4];
    if !by_class && boxes_ty.shape[..] != [n, m, 4] {
        return Err(Error::Graph(format!("boxes for scores {scores_ty} are ({n}, {m}, 4), got {boxes_ty}")));
    }
    if select.candidates == 0 || select.max_detections == 0 {
        return Err(Error::Usage("candidates and max_detections must be at least 1".into()));
    }
    graph.scope("select", |g| {
        let flat = g.add(Reshape { shape: [n, m * classes].into() }, &[scores])?;
        let k = select.candidates.min(m * classes);
        let top = TopK { k, threshold: Some(select.score_threshold) };
        let [best, index, found] = outputs(g.named_all("top_k", Arc::new(top), &[flat])?);
        let split = SplitIndex { divisor: classes };
        let [place, class] = outputs(g.named_all("split_index", Arc::new(split), &[index])?);
        let candidates = match by_class {
            false => g.named("candidates", GatherRows::default(), &[boxes, place])?,
            true => {
                let boxes = g.add(Reshape { shape: [n, m * classes, 4].into() }, &[boxes])?;
                g.named("candidates", GatherRows::default(), &[boxes, index])?
            }
        };
        suppress(g, &Candidates { boxes: candidates, scores: best, classes: class, counts: Some(found) }, select)
    })
}

/// Boxes with one score and one class each.
#[derive(Clone, Copy, Debug)]
pub struct Candidates {
    /// (N, K, 4) corners.
    pub boxes: Value,
    /// (N, K); NaN where there is no candidate.
    pub scores: Value,
    /// i32 (N, K).
    pub classes: Value,
    /// i32 (N), if there are no candidates from there on.
    pub counts: Option<Value>,
}

/// Non-maximum suppression among candidates in any order, and the best of what remains.
pub fn suppress(g: &mut Graph, candidates: &Candidates, select: &Select) -> Result<Selected> {
    let Candidates { boxes, scores, classes, counts } = *candidates;
    let (grouped, counted, max_out) = (!select.class_agnostic, counts.is_some(), select.max_detections);
    let mut inputs = vec![boxes, scores];
    inputs.extend(grouped.then_some(classes));
    inputs.extend(counts);
    let (keep, scores, counts) = match select.soft {
        None => {
            let op = Nms { iou_threshold: select.iou_threshold, max_out, grouped, counted, subgroups: None };
            let [keep, counts] = outputs(g.named_all("nms", Arc::new(op), &inputs)?);
            (keep, g.named("scores", GatherRows::default(), &[scores, keep])?, counts)
        }
        Some(decay) => {
            let op = SoftNms { decay, score_threshold: select.score_threshold, max_out, grouped, counted };
            let [keep, scores, counts] = outputs(g.named_all("soft_nms", Arc::new(op), &inputs)?);
            (keep, scores, counts)
        }
    };
    Ok(Selected {
        boxes: g.named("boxes", GatherRows::default(), &[boxes, keep])?,
        scores,
        classes: g.named("classes", GatherRows { fill: -1.0 }, &[classes, keep])?,
        counts,
    })
}

fn outputs<const N: usize>(values: Vec<Value>) -> [Value; N] {
    values.try_into().expect("the op's number of outputs")
}
