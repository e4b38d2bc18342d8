//! What a head is trained with: the node that assigns true boxes to its places and adds up how far off they are. The formulas stand in
//! the documentation of [`HeadLoss`](crate::ops::head_loss::HeadLoss), the op.

use super::{CoordinateLoss, DetectionHead, Head, RegionHead, YoloHead};
use crate::Result;
use crate::graph::Graph;
use crate::ops::Value;
use crate::ops::head_loss;
use crate::ops::iou_loss::IouKind;
use std::sync::Arc;

/// The loss of one head.
#[derive(Clone, Debug)]
pub struct HeadLoss {
    /// A scalar: the sum of the parts. Gradients flow through it alone.
    pub total: Value,
    /// `box`, `objectness` and `class`, scalars divided by the batch size like the total, for reports.
    pub parts: Vec<(&'static str, Value)>,
    /// i32 (N, M): the number of the true box that each place trains on, -1 for background, -2 where it counts for nothing.
    pub found: Value,
}

/// Adds the loss of a `raw` head, for a network input of height and width `input`.
///
/// `truth_boxes` is f32 (N, T, 4), centre x, centre y, width and height as shares of the input; `truth_classes` is i32 (N, T), -1 where there is no box.
/// `prior` is one f32, YOLOv2's weight of the pull of all other boxes towards their anchors (0.01 while fewer than 12800 pictures have been seen, then 0);
/// heads of other kinds take no notice of it. Everything happens on the device, assignment included. Each true box belongs to the anchor of best
/// shape among all of the network's, so the losses of a network's heads add up. Fails where the shapes do not fit.
pub fn head_loss(
    graph: &mut Graph,
    head: &Head,
    raw: Value,
    truth_boxes: Value,
    truth_classes: Value,
    input: [usize; 2],
    prior: Option<Value>,
) -> Result<HeadLoss> {
    let prior = prior.filter(|_| matches!(head, Head::Region(_)));
    let op = head_loss::HeadLoss { prior: prior.is_some(), ..head.loss(input) };
    let inputs: Vec<Value> = [raw, truth_boxes, truth_classes].into_iter().chain(prior).collect();
    let made = graph.named_all("head_loss", Arc::new(op), &inputs)?;
    let parts = vec![("box", made[1]), ("objectness", made[2]), ("class", made[3])];
    Ok(HeadLoss { total: made[0], parts, found: made[4] })
}

impl CoordinateLoss {
    fn kind(self) -> Option<IouKind> {
        match self {
            Self::Mse => None,
            Self::Iou => Some(IouKind::Iou),
            Self::Giou => Some(IouKind::Giou),
            Self::Diou => Some(IouKind::Diou),
            Self::Ciou => Some(IouKind::Ciou),
        }
    }
}

impl Head {
    /// The loss as the op takes it, without a prior.
    fn loss(&self, input: [usize; 2]) -> head_loss::HeadLoss {
        let usual = head_loss::HeadLoss::new(self.spec(input));
        match *self {
            Self::Yolo(YoloHead {
                ignore_thresh,
                iou_thresh,
                coordinate_loss,
                iou_normalizer,
                cls_normalizer,
                obj_normalizer,
                ..
            }) => head_loss::HeadLoss {
                coordinates: coordinate_loss.kind(),
                ignore_thresh,
                match_thresh: iou_thresh,
                object_scale: obj_normalizer,
                noobject_scale: obj_normalizer,
                class_scale: cls_normalizer,
                iou_scale: iou_normalizer,
                ..usual
            },
            Self::Region(RegionHead {
                bias_match,
                rescore,
                thresh,
                object_scale,
                noobject_scale,
                class_scale,
                coord_scale,
                coordinate_loss,
                ..
            }) => head_loss::HeadLoss {
                coordinates: coordinate_loss.kind(),
                ignore_thresh: thresh,
                bias_match,
                rescore,
                object_scale,
                noobject_scale,
                class_scale,
                coord_scale,
                iou_scale: coord_scale,
                ..usual
            },
            Self::Detection(DetectionHead {
                rescore,
                object_scale,
                noobject_scale,
                class_scale,
                coord_scale,
                coordinate_loss,
                ..
            }) => head_loss::HeadLoss {
                coordinates: coordinate_loss.kind(),
                rescore,
                object_scale,
                noobject_scale,
                class_scale,
                coord_scale,
                iou_scale: coord_scale,
                ..usual
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::decode;
    use crate::tensor::TensorType;

    /// A head of each kind, and the shape of its raw tensor for two pictures.
    fn heads() -> [(Head, TensorType); 3] {
        let anchors = vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]];
        let yolo = YoloHead { anchors, mask: vec![2, 0], classes: 4, ..Default::default() };
        let region = RegionHead { anchors: vec![[1.0, 2.0]; 5], classes: 4, ..Default::default() };
        let detection = DetectionHead { classes: 4, ..Default::default() };
        [
            (Head::Yolo(yolo), TensorType::f32([2, 3, 5, 18])),
            (Head::Region(region), TensorType::f32([2, 3, 5, 45])),
            (Head::Detection(detection), TensorType::f32([2, 49 * 14])),
        ]
    }

    #[test]
    fn every_head_has_a_loss_with_a_gradient_and_a_decoding() {
        for (head, ty) in heads() {
            let mut graph = Graph::new();
            let raw = graph.input("raw", ty.clone()).expect("new");
            let boxes = graph.input("boxes", TensorType::f32([2, 6, 4])).expect("new");
            let classes = graph.input("classes", TensorType::i32([2, 6])).expect("new");
            let prior = graph.input("prior", TensorType::f32([1])).expect("new");
            let loss = head_loss(&mut graph, &head, raw, boxes, classes, [96, 160], Some(prior)).expect("fits");
            assert_eq!(graph.shape(loss.total).rank(), 0, "{head:?}");
            assert_eq!(loss.parts.iter().map(|p| p.0).collect::<Vec<_>>(), ["box", "objectness", "class"]);
            let grads = graph.gradients(loss.total, &[raw]).expect("differentiable");
            assert_eq!(graph.ty(grads[0]), ty, "{head:?}");
            let (found, scores) = decode(&mut graph, &head, raw, [96, 160]).expect("fits");
            let places = graph.shape(loss.found)[1];
            assert_eq!(graph.ty(found), TensorType::f32([2, places, 4]), "{head:?}");
            assert_eq!(graph.ty(scores), TensorType::f32([2, places, 4]), "{head:?}");
        }
    }

    #[test]
    fn sections_give_the_loss_its_constants() {
        let [(yolo, _), (region, _), (detection, _)] = heads();
        let yolo = yolo.loss([96, 160]);
        assert_eq!((yolo.ignore_thresh, yolo.match_thresh, yolo.iou_scale, yolo.rescore), (0.5, 1.0, 0.75, false));
        let region = region.loss([96, 160]);
        assert_eq!((region.object_scale, region.noobject_scale, region.ignore_thresh), (5.0, 1.0, 0.6));
        assert!(region.rescore && region.bias_match && region.head.softmax);
        let detection = detection.loss([96, 160]);
        assert_eq!((detection.coord_scale, detection.noobject_scale, detection.class_scale), (5.0, 0.5, 1.0));
    }

    #[test]
    fn truths_of_another_batch_are_refused() {
        let (head, ty) = heads()[0].clone();
        let mut graph = Graph::new();
        let raw = graph.input("raw", ty).expect("new");
        let boxes = graph.input("boxes", TensorType::f32([3, 6, 4])).expect("new");
        let classes = graph.input("classes", TensorType::i32([3, 6])).expect("new");
        let why = head_loss(&mut graph, &head, raw, boxes, classes, [96, 160], None).expect_err("refused").to_string();
        assert!(why.contains("truth_boxes: expected f32 (2, T, 4), got f32(3, 6, 4)"), "{why}");
    }
}
