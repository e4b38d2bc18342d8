//! The loss's attributes by name, for the registry.

use super::HeadLoss;
use crate::Result;
use crate::ops::head::{HeadKind, HeadSpec};
use crate::ops::iou_loss::IouKind;
use crate::ops::{Attr, Attrs};
use crate::tensor::TensorType;

/// Those of the head, and the loss's own.
pub(super) const ATTRS: [Attr; 20] = {
    let mut all = [const { Attr { name: "", default: "", doc: "" } }; 20];
    let (mut i, mut own) = (0, 0);
    while i < HeadSpec::ATTRS.len() {
        all[i] = HeadSpec::ATTRS[i];
        i += 1;
    }
    while own < OWN.len() {
        all[i + own] = OWN[own];
        own += 1;
    }
    all
};

const OWN: [Attr; 10] = [
    Attr { name: "coordinates", default: "own", doc: "own, or an IoU loss: iou, giou, diou, ciou" },
    Attr { name: "ignore_thresh", default: "0.7, region 0.6", doc: "no background where a truth overlaps more" },
    Attr { name: "match_thresh", default: "1", doc: "yolo: train anchors beside the best above this IoU of shapes" },
    Attr { name: "bias_match", default: "true", doc: "region: match anchors' shapes, not predictions'" },
    Attr { name: "rescore", default: "true, yolo false", doc: "objectness aims at the IoU rather than 1" },
    Attr { name: "object_scale", default: "1, region 5", doc: "weight of objectness with an object" },
    Attr { name: "noobject_scale", default: "1, detection 0.5", doc: "weight of objectness elsewhere" },
    Attr { name: "class_scale", default: "1", doc: "weight of the classes" },
    Attr { name: "coord_scale", default: "1, detection 5", doc: "weight of the head's own coordinate loss" },
    Attr { name: "iou_scale", default: "1", doc: "weight of an IoU loss" },
];

impl HeadLoss {
    /// From attributes; `prior` where it is given.
    pub(super) fn from_attrs(attrs: &Attrs, given: &[Option<TensorType>]) -> Result<Self> {
        let usual = Self::new(HeadSpec::from_attrs(attrs)?);
        let coordinates = attrs.choice("coordinates", "own", &["own", "iou", "giou", "diou", "ciou"])?;
        let prior = given.get(3).is_some_and(Option::is_some);
        if prior && usual.head.kind != HeadKind::Region {
            return Err(attrs.fail("kind", "has no prior; only region has"));
        }
        Ok(Self {
            coordinates: IouKind::named(&coordinates),
            ignore_thresh: attrs.float("ignore_thresh", usual.ignore_thresh)?,
            match_thresh: attrs.float("match_thresh", usual.match_thresh)?,
            bias_match: attrs.flag("bias_match", usual.bias_match)?,
            rescore: attrs.flag("rescore", usual.rescore)?,
            object_scale: attrs.float("object_scale", usual.object_scale)?,
            noobject_scale: attrs.float("noobject_scale", usual.noobject_scale)?,
            class_scale: attrs.float("class_scale", usual.class_scale)?,
            coord_scale: attrs.float("coord_scale", usual.coord_scale)?,
            iou_scale: attrs.float("iou_scale", usual.iou_scale)?,
            prior,
            ..usual
        })
    }
}
