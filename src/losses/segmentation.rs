//! Losses between a segmenter's logits and the true masks.

use crate::graph::Graph;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::overlap_loss::{Overlap, OverlapLoss};
use crate::ops::pointwise_loss::{Formula, PointwiseLoss};
use crate::ops::{Reduction, Value};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A loss by name. All but `cross_entropy` are binary: logits (N, H, W, C) with a mask of zeros and ones for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum SegmentationLoss {
    /// Binary cross-entropy, its mean over pixels.
    Bce,
    /// Binary cross-entropy times a map of weights: the U-Net paper's, which presses on the gaps between objects.
    WeightedBce,
    /// Sigmoid focal loss, its mean over pixels.
    Focal {
        /// Weight of the foreground, 1 - alpha of the background.
        #[serde(default = "quarter")]
        alpha: f32,
        /// Exponent of the modulating factor.
        #[serde(default = "two")]
        gamma: f32,
    },
    /// 1 - log J of the batch, or 1 - J.
    Jaccard {
        /// Take the logarithm.
        #[serde(default = "yes")]
        log: bool,
    },
    /// alpha BCE + (1 - alpha) Jaccard.
    BceJaccard {
        /// Share of the cross-entropy.
        #[serde(default = "half")]
        alpha: f32,
        /// Take the logarithm of J.
        #[serde(default = "yes")]
        log: bool,
        /// Multiply the cross-entropy by a map of weights.
        #[serde(default)]
        weighted: bool,
    },
    /// 1 - dice coefficient of the batch.
    Dice,
    /// Cross-entropy over the channels, with class indices.
    CrossEntropy {
        /// Targets that do not count: 255 in most data sets.
        #[serde(default = "void")]
        ignore_index: i32,
        /// Share of the target spread over all classes.
        #[serde(default)]
        label_smoothing: f32,
        /// One for each class.
        #[serde(default)]
        class_weights: Option<Vec<f32>>,
        /// Multiply by a map of weights.
        #[serde(default)]
        weighted: bool,
    },
}

fn quarter() -> f32 {
    0.25
}

fn half() -> f32 {
    0.5
}

fn two() -> f32 {
    2.0
}

fn yes() -> bool {
    true
}

fn void() -> i32 {
    255
}

impl SegmentationLoss {
    /// Whether a map of weights is among the inputs.
    pub fn weighted(&self) -> bool {
        match self {
            Self::WeightedBce => true,
            Self::BceJaccard { weighted, .. } | Self::CrossEntropy { weighted, .. } => *weighted,
            _ => false,
        }
    }

    /// Whether targets are masks of zeros and ones; class indices otherwise.
    pub fn binary(&self) -> bool {
        !matches!(self, Self::CrossEntropy { .. })
    }

    /// Type of the targets for `logits` (N, H, W, C): f32 of the same shape, or i32 (N, H, W) class indices.
    pub fn target_type(&self, logits: &TensorType) -> TensorType {
        if self.binary() { logits.clone() } else { TensorType::i32(pixels(logits)) }
    }

    /// Type of the map of weights for `logits` (N, H, W, C): f32 (N, H, W, 1) for binary losses, (N, H, W) for the other.
    pub fn weight_type(&self, logits: &TensorType) -> TensorType {
        let mut shape = pixels(logits).to_vec();
        if self.binary() {
            shape.push(1);
        }
        TensorType::f32(shape)
    }

    /// Adds the loss, a scalar. `weight` must be given exactly where [`weighted`](Self::weighted) says so. Fails on shapes that do
    /// not fit and constants that make no loss.
    pub fn apply(&self, graph: &mut Graph, logits: Value, target: Value, weight: Option<Value>) -> Result<Value> {
        self.check()?;
        if weight.is_some() != self.weighted() {
            let verb = if self.weighted() { "needs a" } else { "takes no" };
            return Err(Error::Graph(format!("loss {self:?} {verb} map of weights")));
        }
        let mut inputs = vec![logits, target];
        let pointwise = |formula| PointwiseLoss { weight: weight.is_some(), ..PointwiseLoss::new(formula) };
        let overlap = |overlap| OverlapLoss { weight: weight.is_some(), ..OverlapLoss::new(overlap) };
        let op: crate::ops::OpRef = match self {
            Self::Bce | Self::WeightedBce => Arc::new(pointwise(Formula::Bce)),
            &Self::Focal { alpha, gamma } => Arc::new(pointwise(Formula::Focal { alpha, gamma })),
            &Self::Jaccard { log } => Arc::new(overlap(Overlap::Jaccard { log })),
            &Self::BceJaccard { alpha, log, .. } => Arc::new(overlap(Overlap::BceJaccard { alpha, log })),
            Self::Dice => Arc::new(overlap(Overlap::Dice)),
            Self::CrossEntropy { ignore_index, label_smoothing, class_weights, .. } => {
                if let Some(weights) = class_weights {
                    inputs.push(graph.constant(Tensor::f32([weights.len()], weights.clone())));
                }
                Arc::new(CrossEntropy {
                    reduction: Reduction::Mean,
                    ignore_index: *ignore_index,
                    label_smoothing: *label_smoothing,
                    weight: class_weights.is_some(),
                    weight_map: weight.is_some(),
                })
            }
        };
        inputs.extend(weight);
        Ok(graph.named_all("loss", op, &inputs)?[0])
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::Usage(format!("loss {self:?}: {what}")));
        match self {
            Self::Focal { gamma, .. } if gamma.is_nan() || *gamma < 0.0 => wrong("gamma must not be negative"),
            Self::BceJaccard { alpha, .. } if !(0.0..=1.0).contains(alpha) => wrong("alpha must be between 0 and 1"),
            Self::CrossEntropy { label_smoothing, .. } if !(0.0..=1.0).contains(label_smoothing) => {
                wrong("label_smoothing must be between 0 and 1")
            }
            _ => Ok(()),
        }
    }
}

fn pixels(logits: &TensorType) -> &[usize] {
    logits.shape.split_last().map_or(&[], |(_, pixels)| pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SegmentationLoss> {
        let texts = [
            r#"{"name": "bce"}"#,
            r#"{"name": "weighted_bce"}"#,
            r#"{"name": "focal"}"#,
            r#"{"name": "jaccard"}"#,
            r#"{"name": "bce_jaccard", "alpha": 0.3}"#,
            r#"{"name": "bce_jaccard", "weighted": true}"#,
            r#"{"name": "dice"}"#,
            r#"{"name": "cross_entropy"}"#,
            r#"{"name": "cross_entropy", "class_weights": [1, 2, 3], "weighted": true, "label_smoothing": 0.1}"#,
        ];
        texts.iter().map(|t| serde_json::from_str(t).unwrap_or_else(|e| panic!("{t}: {e}"))).collect()
    }

    #[test]
    fn every_loss_is_a_scalar_with_a_gradient_for_the_logits() {
        for loss in all() {
            let mut graph = Graph::new();
            let ty = TensorType::f32([2, 4, 5, 3]);
            let logits = graph.input("logits", ty.clone()).expect("new");
            let target = graph.input("target", loss.target_type(&ty)).expect("new");
            let weight = loss.weighted().then(|| graph.input("weight", loss.weight_type(&ty)).expect("new"));
            let value = loss.apply(&mut graph, logits, target, weight).unwrap_or_else(|e| panic!("{loss:?}: {e}"));
            assert_eq!(graph.shape(value).rank(), 0, "{loss:?}");
            let grads = graph.gradients(value, &[logits]).unwrap_or_else(|e| panic!("{loss:?}: {e}"));
            assert_eq!(graph.ty(grads[0]), ty, "{loss:?}");
        }
    }

    #[test]
    fn a_map_where_none_belongs_and_wrong_constants_are_refused() {
        let mut graph = Graph::new();
        let logits = graph.input("logits", TensorType::f32([1, 2, 2, 1])).expect("new");
        let mut refuse = |loss: SegmentationLoss, weight| {
            loss.apply(&mut graph, logits, logits, weight).expect_err("refused").to_string()
        };
        assert!(refuse(SegmentationLoss::WeightedBce, None).contains("needs a map of weights"));
        assert!(refuse(SegmentationLoss::Dice, Some(logits)).contains("takes no map of weights"));
        let gamma = refuse(SegmentationLoss::Focal { alpha: 0.5, gamma: -1.0 }, None);
        assert!(gamma.contains("gamma must not be negative"), "{gamma}");
    }
}
