//! From a head of a network to boxes with scores: the node that does it, for each kind of head.

use super::{DetectionHead, Head, RegionHead, YoloHead};
use crate::Result;
use crate::graph::Graph;
use crate::ops::Value;
use crate::ops::head::{HeadKind, HeadSpec};
use crate::ops::head_decode::HeadDecode;
use std::sync::Arc;

/// Adds the boxes (N, M, 4), corners in pixels of the network's input, and their scores (N, M, C), objectness times class
/// probability, of a `raw` head. `input` is the height and width of the network's input. M counts by row, column, anchor.
///
/// Boxes are not clipped to the picture, and scores below the objectness threshold are not dropped. Fails where `raw` does not have the
/// head's shape, or the head's constants make none.
pub fn decode(graph: &mut Graph, head: &Head, raw: Value, input: [usize; 2]) -> Result<(Value, Value)> {
    let op = HeadDecode { head: head.spec(input) };
    let made = graph.named_all("decode", Arc::new(op), &[raw])?;
    Ok((made[0], made[1]))
}

impl Head {
    /// The head as the ops take it, for an input of height and width `input`.
    pub(super) fn spec(&self, input: [usize; 2]) -> HeadSpec {
        let spec = HeadSpec {
            kind: HeadKind::Yolo,
            anchors: Vec::new(),
            mask: Vec::new(),
            side: 0,
            num: 0,
            classes: self.classes(),
            scale_x_y: 1.0,
            softmax: false,
            sqrt: false,
            input,
        };
        match self {
            Self::Yolo(YoloHead { anchors, mask, scale_x_y, .. }) => {
                HeadSpec { anchors: anchors.clone(), mask: mask.clone(), scale_x_y: *scale_x_y, ..spec }
            }
            Self::Region(RegionHead { anchors, softmax, .. }) => HeadSpec {
                kind: HeadKind::Region,
                anchors: anchors.clone(),
                mask: (0..anchors.len()).collect(),
                softmax: *softmax,
                ..spec
            },
            &Self::Detection(DetectionHead { side, num, sqrt, softmax, .. }) => {
                HeadSpec { kind: HeadKind::Detection, side, num, sqrt, softmax, ..spec }
            }
        }
    }
}
