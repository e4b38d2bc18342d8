//! Greedy non-maximum suppression: boxes in descending order of score, each kept unless it overlaps a kept one of its group by
//! more than a threshold. As torchvision.ops.nms; groups are classes, or levels of a pyramid, as in batched_nms.
//!
//! Sorted boxes are resolved in blocks of 1024: a bit matrix of the block's overlaps, one pass over it that keeps boxes in order, and
//! a sweep that marks the boxes behind the block which the newly kept ones suppress. All counts stay on the device.

use super::top_k::sort::{self, Rows};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels.
    pub struct Params {
        k: u32, max_out: u32, block: u32, grouped: u32,
        threshold: f32, zero: u32, pad0: u32, pad1: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        kernel!($name, $file, Needs::Nothing);
    };
    ($name:ident, $file:literal, $needs:expr) => {
        static $name: Kernel = Kernel {
            label: concat!("nms.", $file),
            source: include_str!(concat!("../../../shaders/nms/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: $needs,
        };
    };
}

kernel!(GATHER, "gather");
kernel!(MATRIX, "matrix");
kernel!(MATRIX_SUBGROUP, "matrix_subgroup", Needs::Subgroups);
kernel!(RESOLVE, "resolve");
kernel!(SWEEP, "sweep");
kernel!(SWEEP_SUBGROUP, "sweep_subgroup", Needs::Subgroups);
kernel!(FINISH, "finish");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "nms",
    summary: "indices of the boxes that non-maximum suppression keeps, by descending score",
    args: &[
        Arg::f32("boxes"),
        Arg::f32("scores"),
        Arg { name: "groups", dtype: DType::I32, optional: true },
        Arg { name: "counts", dtype: DType::I32, optional: true },
    ],
    attrs: &[
        Attr { name: "iou_threshold", default: "0.5", doc: "boxes that overlap a kept one by more are dropped" },
        Attr { name: "max_out", default: "K", doc: "how many are kept at most" },
    ],
    outputs: &["keep", "count"],
    gradient: Err("which boxes are kept does not change with their coordinates and scores but by leaps"),
    kernels: &[
        &sort::PAIRS,
        &sort::SORT_TILE,
        &sort::MERGE,
        &GATHER,
        &MATRIX,
        &MATRIX_SUBGROUP,
        &RESOLVE,
        &SWEEP,
        &SWEEP_SUBGROUP,
        &FINISH,
    ],
    build: |attrs, inputs| {
        let k = inputs[1].as_ref().and_then(|s| s.shape.last().copied()).unwrap_or(1);
        let op = Nms {
            iou_threshold: attrs.double("iou_threshold", 0.5)?,
            max_out: attrs.size("max_out", k)?,
            grouped: inputs[2].is_some(),
            counted: inputs[3].is_some(),
            subgroups: None,
        };
        let given = inputs.iter().flatten().count();
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; given], outputs: vec![Layout::Plain; 2] })
    },
};

/// (boxes (N, K, 4) corners, scores (N, K), [groups i32 (N, K)], [counts i32 (N)]) -> keep i32 (N, max_out), count i32 (N).
///
/// `keep` has the indices of the kept boxes by descending score, the lower index first among equals, and -1 from `count` on. Boxes need
/// not come sorted. A box is dropped where its score is NaN, where its index is not below its row's count, and where a kept box of the same
/// group overlaps it by strictly more than the threshold: intersection over union, areas (x1 - x0) * (y1 - y0), in f32 as torchvision
/// computes it. A box without area overlaps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nms {
    /// Overlap above which a box is dropped, 0 or more. In double precision, as torchvision compares it: 0.3 lies below the f32 next to it.
    pub iou_threshold: f64,
    /// Largest number of boxes kept.
    pub max_out: usize,
    /// Whether groups are given: only boxes of one group suppress each other.
    pub grouped: bool,
    /// Whether counts are given.
    pub counted: bool,
    /// Forces the kernels with or without subgroups, for tests; `None` chooses by the device.
    pub subgroups: Option<bool>,
}

/// Boxes that are resolved at once, and the 32-bit words of one row of their matrix; `shaders/lib/nms.wgsl` has the same.
const BLOCK: u32 = 1024;
const WORDS: u32 = 32;

/// Operations of one comparison of two boxes.
const OVERLAP_FLOPS: u64 = 20;

/// The largest f32 that is not above `x`: an f32 is above `x` exactly if it is above this.
pub(super) fn f32_not_above(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near.next_down() } else { near }
}

/// Checks boxes (N, K, 4), scores (N, K) and what follows them; returns N and K. What `nms` and `soft_nms` share.
pub(super) fn check(op: &str, node: &str, inputs: &[TensorType], grouped: bool, counted: bool) -> Result<[usize; 2]> {
    let given = 2 + usize::from(grouped) + usize::from(counted);
    if inputs.len() != given {
        return Err(shape_error(op, node, "inputs", format!("{given} (boxes, scores, ...)"), inputs.len()));
    }
    let (boxes, scores) = (&inputs[0], &inputs[1]);
    if scores.dtype != DType::F32 || scores.shape.rank() != 2 || scores.elements() == 0 {
        return Err(shape_error(op, node, "scores", "f32 of rank 2 with elements", scores));
    }
    let [n, k] = [scores.shape[0], scores.shape[1]];
    let wanted = TensorType::f32([n, k, 4]);
    if *boxes != wanted {
        return Err(shape_error(op, node, "boxes", wanted, boxes));
    }
    let mut rest = inputs[2..].iter();
    for (name, present, wanted) in
        [("groups", grouped, TensorType::i32([n, k])), ("counts", counted, TensorType::i32([n]))]
    {
        if present {
            let got = rest.next().expect("counted above");
            if *got != wanted {
                return Err(shape_error(op, node, name, wanted, got));
            }
        }
    }
    Ok([n, k])
}

impl Op for Nms {
    fn name(&self) -> &'static str {
        "nms"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [n, _] = check("nms", node, inputs, self.grouped, self.counted)?;
        let wrong =
            |message: String| Err(Error::Attribute { op: "nms".into(), message: format!("'{node}': {message}") });
        if self.max_out == 0 {
            return wrong("max_out must be at least 1".into());
        }
        if self.iou_threshold.is_nan() || self.iou_threshold < 0.0 {
            return wrong(format!("iou_threshold must be 0 or more, got {}", self.iou_threshold));
        }
        Ok(vec![TensorType::i32([n, self.max_out]), TensorType::i32([n])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let scores = &cx.inputs[1].shape;
        let (n, k, max_out) = (scores[0] as u32, scores[1] as u32, self.max_out as u32);
        let (boxes, keep, count) = (Slot::Input(0), Slot::Output(0), Slot::Output(1));
        let groups = if self.grouped { Slot::Input(2) } else { boxes };
        let limits = self.counted.then(|| Slot::Input(2 + usize::from(self.grouped)));
        let [pairs, spare, found, sorted, tags, flags, matrix, fresh, state] =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(Slot::Scratch);
        // Loads that lanes share pay where loads are dear; there division is the processor's, correctly rounded.
        let software = cx.profile.kind == DeviceKind::Software;
        let named = cx.profile.forced.of("nms").map(|variant| variant == "subgroup");
        let shared = cx.profile.subgroup_size >= 8 && self.subgroups.or(named).unwrap_or(software);
        let rows = Rows { rows: n, length: k, pairs, spare, found };
        let params = |block| Params {
            k,
            max_out,
            block,
            grouped: u32::from(self.grouped),
            threshold: f32_not_above(self.iou_threshold),
            ..Default::default()
        };
        let (wide_n, wide_k) = (u64::from(n), u64::from(k));

        let mut launches = vec![rows.fill(Slot::Input(1), limits)];
        let order = rows.sort(&mut launches);
        let slots = vec![boxes, groups, order, found, sorted, tags, flags, state];
        let gather = Launch::new(&GATHER, params(0), slots, [k.div_ceil(256), n, 1]);
        launches.push(gather.costing(8 * wide_n * wide_k, 56 * wide_n * wide_k));
        for block in 0..k.div_ceil(BLOCK) {
            let inside = BLOCK.min(k - block * BLOCK);
            let behind = k - block * BLOCK - inside;
            let slots = vec![sorted, tags, flags, state, matrix];
            let words = inside.div_ceil(32);
            let (kernel, groups) =
                if shared { (&MATRIX_SUBGROUP, [words, n, 1]) } else { (&MATRIX, [inside.div_ceil(256), words, n]) };
            let tests = wide_n * u64::from(inside).pow(2) / 2;
            let bytes = wide_n * u64::from(inside * (WORDS * 4 + 28));
            let mark = Launch::new(kernel, params(block), slots, groups);
            launches.push(mark.costing(OVERLAP_FLOPS * tests, bytes));
            let slots = vec![flags, matrix, order, state, keep, fresh];
            let resolve = Launch::new(&RESOLVE, params(block), slots, [n, 1, 1]);
            launches.push(resolve.costing(3 * wide_n * u64::from(inside * WORDS), bytes));
            if behind > 0 {
                let slots = vec![sorted, tags, fresh, state, flags];
                let sweep = Launch::new(
                    if shared { &SWEEP_SUBGROUP } else { &SWEEP },
                    params(block),
                    slots,
                    [behind.div_ceil(256), n, 1],
                );
                let tests = wide_n * u64::from(behind) * u64::from(inside.min(max_out));
                launches.push(sweep.costing(OVERLAP_FLOPS * tests, 32 * wide_n * u64::from(behind)));
            }
        }
        let finish = Launch::new(&FINISH, params(0), vec![state, keep, count], [max_out.div_ceil(256), n, 1]);
        launches.push(finish.costing(0, cx.outputs[0].bytes()));
        let block_bytes = u64::from(BLOCK) * 4;
        let scratch = vec![
            rows.bytes(),
            rows.bytes(),
            4 * wide_n,
            16 * wide_n * wide_k,
            8 * wide_n * wide_k,
            4 * wide_n * wide_k,
            block_bytes * u64::from(WORDS) * wide_n,
            block_bytes * wide_n,
            16 * wide_n,
        ];
        Ok(Work { launches, scratch })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("nms", ENTRY.gradient.expect_err("none"))
    }
}
