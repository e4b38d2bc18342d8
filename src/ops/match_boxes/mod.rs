//! Which true box each of many boxes (anchors, proposals) belongs to, by overlap: torchvision's Matcher on torchvision.ops.box_iou.
//!
//! Overlaps are computed where they are needed and stored nowhere. The rule for low quality compares overlaps for equality, so every one
//! of them is rounded as a processor rounds it, twice alike.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels.
    pub struct Params {
        rows: u32, truths: u32, box_stride: u32, low_quality: u32,
        high: f32, low: f32, zero: u32, pad0: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        static $name: Kernel = Kernel {
            label: concat!("match_boxes.", $file),
            source: include_str!(concat!("../../../shaders/match_boxes/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(PACK, "pack");
kernel!(BEST, "best");
kernel!(DECIDE, "decide");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "match_boxes",
    summary: "the true box that each box belongs to; -1 background, -2 neither, -3 no box",
    args: &[Arg::f32("boxes"), Arg::f32("gt_boxes"), Arg::i32("gt_labels")],
    attrs: &[
        Attr { name: "high_threshold", default: "0.7", doc: "overlap from which a box belongs to a true box" },
        Attr { name: "low_threshold", default: "0.3", doc: "overlap below which it is background" },
        Attr { name: "allow_low_quality_matches", default: "false", doc: "every true box keeps its best boxes" },
    ],
    outputs: &["matched"],
    gradient: Err("indices are whole numbers"),
    kernels: &[&PACK, &BEST, &DECIDE],
    build: |attrs, _| {
        let op = MatchBoxes {
            high: attrs.float("high_threshold", 0.7)?,
            low: attrs.float("low_threshold", 0.3)?,
            low_quality: attrs.flag("allow_low_quality_matches", false)?,
        };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 3], outputs: vec![Layout::Plain] })
    },
};

/// (boxes (N, R, 4) or (1, R, 4), gt_boxes (N, T, 4), gt_labels i32 (N, T)), corners -> matched i32 (N, R).
///
/// True boxes are those with a label of 0 or more, wherever they stand. `matched` is the place of the true box that a box overlaps
/// most, the first among equals; -1 where that overlap is below `low`, and everywhere in a picture without true boxes; -2 where
/// it is between the thresholds; -3 where there is no box (four zeros). With `low_quality`, a box whose overlap with some true box is as
/// large as any box's keeps the true box that it overlaps most itself. A true box that nothing overlaps makes every box such a
/// box, as in torchvision.
///
/// The overlap is intersection over union in f32, correctly rounded on every device: the comparisons fall as torchvision's do. It is 0 where the
/// union is empty (torchvision has NaN there) and where it would be below 1e-20.
#[derive(Clone, Copy, Debug)]
pub struct MatchBoxes {
    /// Overlap from which a box belongs to a true box.
    pub high: f32,
    /// Overlap below which it is background; at most `high`.
    pub low: f32,
    /// Whether every true box keeps the boxes that overlap it most, however little.
    pub low_quality: bool,
}

/// Boxes that a workgroup takes.
const BOXES: u32 = 1024;

/// Operations of one overlap.
const OVERLAP_FLOPS: u64 = 30;

impl Op for MatchBoxes {
    fn name(&self) -> &'static str {
        "match_boxes"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        if self.low.is_nan() || self.high.is_nan() || self.low > self.high {
            let message = format!("'{node}': low must be at most high, got {} and {}", self.low, self.high);
            return Err(Error::Attribute { op: "match_boxes".into(), message });
        }
        let [boxes, truths, labels] = inputs else {
            let expected = "boxes, gt_boxes and gt_labels";
            return Err(shape_error("match_boxes", node, "inputs", expected, inputs.len()));
        };
        if labels.dtype != DType::I32 || labels.shape.rank() != 2 || labels.elements() == 0 {
            return Err(shape_error("match_boxes", node, "gt_labels", "i32 of rank 2 with elements", labels));
        }
        let [n, t] = [labels.shape[0], labels.shape[1]];
        let wanted = TensorType::f32([n, t, 4]);
        if *truths != wanted {
            return Err(shape_error("match_boxes", node, "gt_boxes", wanted, truths));
        }
        let fits = boxes.dtype == DType::F32 && boxes.shape.rank() == 3 && boxes.shape[2] == 4;
        if !fits || boxes.elements() == 0 || ![1, n].contains(&boxes.shape[0]) {
            let expected = format!("f32 of shape ({n} or 1, R, 4)");
            return Err(shape_error("match_boxes", node, "boxes", expected, boxes));
        }
        Ok(vec![TensorType::i32([n, boxes.shape[1]])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [n, rows] = [0, 1].map(|d| cx.outputs[0].shape[d] as u32);
        let truths = cx.inputs[2].shape[1] as u32;
        let params = Params {
            rows,
            truths,
            box_stride: if cx.inputs[0].shape[0] == 1 { 0 } else { rows },
            low_quality: u32::from(self.low_quality),
            high: self.high,
            low: self.low,
            ..Default::default()
        };
        let (boxes, matched) = (Slot::Input(0), Slot::Output(0));
        let [packed, tags, counts, maxima, best] = [0, 1, 2, 3, 4].map(Slot::Scratch);
        let (all_truths, all_boxes) = (u64::from(n) * u64::from(truths), u64::from(n) * u64::from(rows));
        let pairs = all_boxes * u64::from(truths);

        let slots = vec![Slot::Input(1), Slot::Input(2), packed, tags, counts, maxima];
        let pack = Launch::new(&PACK, params, slots, [n, 1, 1]).costing(16 * all_truths, 48 * all_truths);
        let grid = [rows.div_ceil(BOXES), n, 1];
        let slots = vec![boxes, packed, tags, counts, maxima, best, matched];
        let find = Launch::new(&BEST, params, slots, grid).costing(OVERLAP_FLOPS * pairs, 24 * all_boxes);
        let mut launches = vec![pack, find];
        if self.low_quality {
            // How many boxes are held against the true boxes again is the pictures' affair; few, as a rule.
            let slots = vec![boxes, packed, tags, counts, maxima, best, matched];
            let decide = Launch::new(&DECIDE, params, slots, grid);
            launches.push(decide.costing(OVERLAP_FLOPS * pairs / 4, 28 * all_boxes));
        }
        let best_bytes = if self.low_quality { 4 * all_boxes } else { 4 };
        let scratch = vec![16 * all_truths, 8 * all_truths, 4 * u64::from(n), 4 * all_truths, best_bytes];
        Ok(Work { launches, scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("match_boxes", ENTRY.gradient.expect_err("none"))
    }
}
