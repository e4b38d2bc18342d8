//! The losses of YOLOv1, v2 and v3 heads: which place of the head trains on which true box, and how far off it is, in one pass.
//! `shaders/lib/head_truth.wgsl` has the assignment.

mod attrs;

use super::head::{HeadKind, HeadSpec, Params, VARIANTS};
use super::iou_loss::IouKind;
use super::{Arg, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::{Error, Result};

crate::uniform! {
    /// Uniform of `finish.wgsl`.
    pub struct FinishParams { n: u32, pictures: f32, pad0: u32, pad1: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "head_loss.forward",
    source: include_str!("../../../shaders/head_loss/forward.wgsl"),
    params: Params::FIELDS,
    variants: VARIANTS,
    needs: Needs::Nothing,
};

static FINISH: Kernel = Kernel {
    label: "head_loss.finish",
    source: include_str!("../../../shaders/head_loss/finish.wgsl"),
    params: FinishParams::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GRAD: Kernel = Kernel {
    label: "head_loss.grad",
    source: include_str!("../../../shaders/head_loss/grad.wgsl"),
    params: Params::FIELDS,
    variants: VARIANTS,
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "head_loss",
    summary: "YOLOv1's, v2's or v3's loss of a raw head; truth_boxes: cx, cy, w, h in shares of the input; truth_classes: -1 for none",
    args: &[Arg::f32("x"), Arg::f32("truth_boxes"), Arg::i32("truth_classes"), Arg::optional("prior")],
    attrs: &attrs::ATTRS,
    outputs: &["y", "box", "objectness", "class", "found"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &FINISH, &GRAD],
    build: |attrs, given| Ok(Built::images(HeadLoss::from_attrs(attrs, given)?, given.iter().flatten().count(), 5)),
};

/// (x raw head, truth_boxes (N, T, 4), truth_classes i32 (N, T), prior one f32?) -> (y, box, objectness, class: scalars, found i32 (N, M)).
///
/// y = box + objectness + class, each a sum over all places divided by N. `found` is, for each place (by row, column, number in the cell), the
/// number of the truth it trains on, -1 for background and -2 where a prediction overlaps some truth by more than `ignore_thresh` without
/// being the one to train. Truths with a class outside 0..C (padding has -1), with numbers that are not finite, without area, or with their centre outside
/// the picture count for nothing. Of truths that claim one place the last has it (Darknet's loop overwrites); in a `Detection` cell the first.
///
/// With s = sigmoid, BCE the cross-entropy of s(v), e = exp, a truth b at column and row of its cell, W x H cells, an anchor a:
///
/// | term | Yolo | Region | Detection |
/// |---|---|---|---|
/// | box | k r (BCE(x, t_x) + BCE(y, t_y)) + k/2 ((w - t_w)^2 + (h - t_h)^2) | k/2 ((s(x) - t_x)^2 + (s(y) - t_y)^2 + (w - t_w)^2 + (h - t_h)^2) | k ((x - t_x)^2 + (y - t_y)^2 + (w - t_w)^2 + (h - t_h)^2) |
/// | k | `coord_scale` (2 - b_w b_h) | the same | `coord_scale` |
/// | t_x | (b_x W - column + (r - 1)/2) / r, r = `scale_x_y` | b_x W - column | b_x W - column |
/// | t_w | log(b_w / a_w) | log(b_w / a_w) | b_w, or its root with `sqrt` |
/// | objectness | BCE(o, t) | (s(o) - t)^2 / 2 | (o - t)^2 |
/// | class | sum of BCE; 1 for the classes of all truths that claim the place | softmax: cross-entropy; else as Yolo | sum of (p - t)^2; softmax: cross-entropy |
/// | background | nothing but objectness with t = 0 | also prior/2 (...) of the box row, towards the anchor in the cell's middle, ignored places included | objectness with t = 0 |
///
/// Objectness is weighed by `object_scale` where there is a truth (t is 1, or with `rescore` the IoU of prediction and truth) and by `noobject_scale`
/// elsewhere, classes by `class_scale`. With `coordinates` the box term is instead `iou_scale` times the IoU loss of the decoded box, in pixels of the
/// input. Sources: Redmon et al. 2016; Redmon, Farhadi 2017 and 2018; Darknet.
///
/// The gradient, for `x` alone and through y alone, is the exact derivative, with `found`, t and CIoU's alpha constants. It is Darknet's delta for Yolo
/// (which hands on t - s(v), the derivative of BCE) and Region (which multiplies by s'). Darknet's delta for Detection is half the derivative of
/// the printed formula, and with softmax classes the derivative of the cross-entropy. For stretched centres and IoU losses AlexeyAB's fork
/// leaves out s'(x) in the IoU's chain; here it is there. Its IoUs are of boxes in shares of the input, which differs for DIoU and CIoU where the
/// input is not square.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadLoss {
    /// Layout and decoding.
    pub head: HeadSpec,
    /// What the coordinates are trained with, if not by the head's own formula.
    pub coordinates: Option<IouKind>,
    /// IoU with a truth above which a prediction is no background; Yolo and Region.
    pub ignore_thresh: f32,
    /// IoU of shapes above which anchors beside the best are trained too; Yolo.
    pub match_thresh: f32,
    /// The best anchor is that of the best shape; otherwise that of the best predicted shape. Region.
    pub bias_match: bool,
    /// The objectness's target is the IoU rather than 1.
    pub rescore: bool,
    /// Weight of the objectness where there is an object.
    pub object_scale: f32,
    /// Weight of the objectness elsewhere.
    pub noobject_scale: f32,
    /// Weight of the classes.
    pub class_scale: f32,
    /// Weight of the coordinates in the head's own formula.
    pub coord_scale: f32,
    /// Weight of the coordinates in an IoU loss.
    pub iou_scale: f32,
    /// Whether `prior` is among the inputs; Region.
    pub prior: bool,
}

impl HeadLoss {
    /// YOLOv3's constants for `Yolo`, v2's for `Region`, v1's for `Detection`; no prior.
    pub fn new(head: HeadSpec) -> Self {
        let kind = head.kind;
        let [object_scale, noobject_scale, coord_scale] = match kind {
            HeadKind::Yolo => [1.0, 1.0, 1.0],
            HeadKind::Region => [5.0, 1.0, 1.0],
            HeadKind::Detection => [1.0, 0.5, 5.0],
        };
        Self {
            head,
            coordinates: None,
            ignore_thresh: if kind == HeadKind::Yolo { 0.7 } else { 0.6 },
            match_thresh: 1.0,
            bias_match: true,
            rescore: kind != HeadKind::Yolo,
            object_scale,
            noobject_scale,
            class_scale: 1.0,
            coord_scale,
            iou_scale: 1.0,
            prior: false,
        }
    }

    fn params(&self, grid: [usize; 3], truths: usize) -> Params {
        Params {
            truths: truths as u32,
            coordinate: self.coordinates.map_or(0, IouKind::code),
            bias_match: u32::from(self.bias_match),
            rescore: u32::from(self.rescore),
            has_prior: u32::from(self.prior),
            ignore_thresh: self.ignore_thresh,
            match_thresh: self.match_thresh,
            object_scale: self.object_scale,
            noobject_scale: self.noobject_scale,
            class_scale: self.class_scale,
            coord_scale: self.coord_scale,
            iou_scale: self.iou_scale,
            ..self.head.params(grid)
        }
    }

    /// Slots of x, boxes, classes and prior where x is input `first`; x stands in for an absent prior.
    fn slots(&self, first: usize) -> Vec<Slot> {
        let prior = if self.prior { first + 3 } else { first };
        [first, first + 1, first + 2, prior].map(Slot::Input).to_vec()
    }

    /// Pictures, rows, columns of the head, and truths of each picture.
    fn extents(&self, node: &str, inputs: &[TensorType]) -> Result<([usize; 3], usize)> {
        let wrong =
            |what: &str, expected: String, got: String| Err(shape_error("head_loss", node, what, expected, got));
        let wanted = 3 + usize::from(self.prior);
        if inputs.len() != wanted {
            return wrong("inputs", wanted.to_string(), inputs.len().to_string());
        }
        let grid = self.head.grid("head_loss", node, &inputs[0])?;
        let (boxes, classes) = (&inputs[1], &inputs[2]);
        let truths = match boxes.shape[..] {
            [n, t, 4] if n == grid[0] && t > 0 && *boxes == TensorType::f32([n, t, 4]) => t,
            _ => return wrong("truth_boxes", format!("f32 ({}, T, 4)", grid[0]), boxes.to_string()),
        };
        let listed = TensorType::i32([grid[0], truths]);
        if *classes != listed {
            return wrong("truth_classes", listed.to_string(), classes.to_string());
        }
        if self.prior && (inputs[3].elements() != 1 || inputs[3].dtype != boxes.dtype) {
            return wrong("prior", "one f32".into(), inputs[3].to_string());
        }
        Ok((grid, truths))
    }
}

impl Op for HeadLoss {
    fn name(&self) -> &'static str {
        "head_loss"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if self.prior && self.head.kind != HeadKind::Region {
            let message = format!("'{node}': only a region head has a prior");
            return Err(Error::Attribute { op: "head_loss".into(), message });
        }
        let (grid, _) = self.extents(node, inputs)?;
        let scalar: [usize; 0] = [];
        let mut outputs = vec![TensorType::f32(scalar); 4];
        outputs.push(TensorType::i32([grid[0], self.head.places(grid)]));
        Ok(outputs)
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (grid, truths) = self.extents("", cx.inputs)?;
        let places = grid[0] * self.head.places(grid);
        let groups = places.div_ceil(256) as u32;
        let mut slots = self.slots(0);
        slots.extend([Slot::Output(4), Slot::Scratch(0)]);
        let finish = FinishParams { n: groups, pictures: grid[0] as f32, ..Default::default() };
        let sums = [Slot::Scratch(0), Slot::Output(0), Slot::Output(1), Slot::Output(2), Slot::Output(3)];
        let launches = vec![
            Launch::new(&FORWARD, self.params(grid, truths), slots, [groups, 1, 1])
                .with(&self.head.overrides())
                .costing(30 * (places * (truths + 4)) as u64, cx.traffic()),
            Launch::new(&FINISH, finish, sums.to_vec(), [1, 1, 1])
                .costing(4 * u64::from(groups), 16 * u64::from(groups)),
        ];
        Ok(Work { launches, scratch: vec![16 * u64::from(groups)] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if !cx.wanted[0] {
            return cx.not_differentiable(self.name(), "truths and prior have none; only x does");
        }
        let (Some(grad_y), true) = (cx.grads[0], cx.grads[1..].iter().all(Option::is_none)) else {
            return cx.not_differentiable(self.name(), "the parts are for reports; only y has a gradient");
        };
        let mut inputs = vec![grad_y];
        inputs.extend_from_slice(cx.inputs);
        inputs.push(cx.outputs[4]);
        let grad = cx.emit(HeadLossGrad(self.clone()), &inputs)?;
        Ok((0..cx.inputs.len()).map(|i| (i == 0).then_some(grad)).collect())
    }
}

/// (grad_y, x, truth_boxes, truth_classes, prior?, found) -> grad_x.
#[derive(Clone, Debug)]
struct HeadLossGrad(HeadLoss);

impl Op for HeadLossGrad {
    fn name(&self) -> &'static str {
        "head_loss.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[1].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let last = cx.inputs.len() - 1;
        let (grid, truths) = self.0.extents("", &cx.inputs[1..last])?;
        let mut slots = vec![Slot::Input(0)];
        slots.extend(self.0.slots(1));
        slots.extend([Slot::Input(last), Slot::Output(0)]);
        let n = cx.outputs[0].elements();
        let launch = Launch::new(&GRAD, self.0.params(grid, truths), slots, [n.div_ceil(256) as u32, 1, 1])
            .with(&self.0.head.overrides());
        Ok(Work::one(launch.costing(20 * n as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
