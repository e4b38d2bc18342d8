//! Soft-NMS (Bodla et al. 2017): a box that overlaps a better one of its group is weakened, not dropped.
//!
//! Each choice depends on all before it, so a picture's boxes are one workgroup's, which chooses some of them in each launch.

use super::nms::{check, f32_not_above};
use super::top_k::sort::order_key;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels.
    pub struct Params {
        k: u32, max_out: u32, steps: u32, grouped: u32,
        limited: u32, gaussian: u32, parameter: f32, bound: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        static $name: Kernel = Kernel {
            label: concat!("soft_nms.", $file),
            source: include_str!(concat!("../../../shaders/soft_nms/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(PREPARE, "prepare");
kernel!(CHOOSE, "choose");
kernel!(FINISH, "finish");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "soft_nms",
    summary: "boxes by descending score, each weakening those it overlaps",
    args: &[
        Arg::f32("boxes"),
        Arg::f32("scores"),
        Arg { name: "groups", dtype: DType::I32, optional: true },
        Arg { name: "counts", dtype: DType::I32, optional: true },
    ],
    attrs: &[
        Attr { name: "method", default: "\"linear\"", doc: "linear or gaussian" },
        Attr { name: "iou_threshold", default: "0.3", doc: "linear: only what overlaps by more is weakened" },
        Attr { name: "sigma", default: "0.5", doc: "gaussian: its width" },
        Attr { name: "score_threshold", default: "0.001", doc: "a score that is not above it is dropped" },
        Attr { name: "max_out", default: "K", doc: "how many are kept at most" },
    ],
    outputs: &["keep", "new_scores", "count"],
    gradient: Err("which boxes are kept does not change with their coordinates and scores but by leaps"),
    kernels: &[&PREPARE, &CHOOSE, &FINISH],
    build: |attrs, inputs| {
        let k = inputs[1].as_ref().and_then(|s| s.shape.last().copied()).unwrap_or(1);
        let iou_threshold = attrs.double("iou_threshold", 0.3)?;
        let sigma = attrs.float("sigma", 0.5)?;
        let decay = match attrs.choice("method", "linear", &["linear", "gaussian"])?.as_str() {
            "gaussian" => Decay::Gaussian { sigma },
            _ => Decay::Linear { iou_threshold },
        };
        let op = SoftNms {
            decay,
            score_threshold: attrs.float("score_threshold", 0.001)?,
            max_out: attrs.size("max_out", k)?,
            grouped: inputs[2].is_some(),
            counted: inputs[3].is_some(),
        };
        let given = inputs.iter().flatten().count();
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; given], outputs: vec![Layout::Plain; 3] })
    },
};

/// By how much a score is weakened by an overlapping box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Times 1 - IoU, where the IoU is above the threshold.
    Linear {
        /// The threshold, 0 or more.
        iou_threshold: f64,
    },
    /// Times exp(-IoU^2 / sigma).
    Gaussian {
        /// Above 0.
        sigma: f32,
    },
}

/// (boxes (N, K, 4) corners, scores (N, K), [groups i32 (N, K)], [counts i32 (N)]) -> keep i32 (N, max_out), new scores (N, max_out),
/// count i32 (N).
///
/// Again and again the box with the largest score is taken, the lower index among equals, and the scores of the rest of its group are
/// weakened. A score that is NaN or not above the threshold, at first or when weakened, is dropped. Places from `count` on hold -1 and 0.
#[derive(Clone, Copy, Debug)]
pub struct SoftNms {
    /// How scores are weakened.
    pub decay: Decay,
    /// Only scores strictly above it stay.
    pub score_threshold: f32,
    /// Largest number of boxes kept.
    pub max_out: usize,
    /// Whether groups are given: only boxes of one group weaken each other.
    pub grouped: bool,
    /// Whether counts are given.
    pub counted: bool,
}

/// Boxes that one launch looks at in all its steps: a few milliseconds on one workgroup of a GPU.
const VISITS: usize = 1 << 22;

impl Op for SoftNms {
    fn name(&self) -> &'static str {
        "soft_nms"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [n, _] = check("soft_nms", node, inputs, self.grouped, self.counted)?;
        let wrong =
            |message: String| Err(Error::Attribute { op: "soft_nms".into(), message: format!("'{node}': {message}") });
        match self.decay {
            Decay::Linear { iou_threshold: t } if t.is_nan() || t < 0.0 => {
                return wrong(format!("iou_threshold must be 0 or more, got {t}"));
            }
            Decay::Gaussian { sigma } if sigma.is_nan() || sigma <= 0.0 => {
                return wrong(format!("sigma must be above 0, got {sigma}"));
            }
            _ => {}
        }
        if self.max_out == 0 {
            return wrong("max_out must be at least 1".into());
        }
        if self.score_threshold.is_nan() {
            return wrong("score_threshold is NaN".into());
        }
        let kept = [n, self.max_out];
        Ok(vec![TensorType::i32(kept), TensorType::f32(kept), TensorType::i32([n])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let shape = &cx.inputs[1].shape;
        let (n, k) = (shape[0], shape[1]);
        let (boxes, scores) = (Slot::Input(0), Slot::Input(1));
        let groups = if self.grouped { Slot::Input(2) } else { scores };
        let limits = if self.counted { Slot::Input(2 + usize::from(self.grouped)) } else { scores };
        let [keep, new_scores, count] = [0, 1, 2].map(Slot::Output);
        let [clean, tags, live, state] = [0, 1, 2, 3].map(Slot::Scratch);
        let picks = self.max_out.min(k);
        let steps = (VISITS / k).clamp(1, picks);
        let (gaussian, parameter) = match self.decay {
            Decay::Linear { iou_threshold } => (0, f32_not_above(iou_threshold)),
            Decay::Gaussian { sigma } => (1, sigma),
        };
        let params = Params {
            k: k as u32,
            max_out: self.max_out as u32,
            steps: steps as u32,
            grouped: u32::from(self.grouped),
            limited: u32::from(self.counted),
            gaussian,
            parameter,
            bound: order_key(self.score_threshold),
            ..Default::default()
        };
        let (rows, all) = (n as u32, (n * k) as u64);
        let slots = vec![boxes, scores, groups, limits, clean, tags, live, state];
        let prepare = Launch::new(&PREPARE, params, slots, [(k as u32).div_ceil(256), rows, 1]);
        let mut launches = vec![prepare.costing(8 * all, 56 * all)];
        for _ in 0..picks.div_ceil(steps) {
            let slots = vec![clean, tags, live, state, keep, new_scores];
            let choose = Launch::new(&CHOOSE, params, slots, [rows, 1, 1]);
            launches.push(choose.costing(30 * steps as u64 * all, 32 * steps as u64 * all));
        }
        let slots = vec![state, keep, new_scores, count];
        let finish = Launch::new(&FINISH, params, slots, [(self.max_out as u32).div_ceil(256), rows, 1]);
        launches.push(finish.costing(0, 2 * cx.outputs[0].bytes()));
        Ok(Work { launches, scratch: vec![16 * all, 8 * all, 4 * all, 16 * n as u64] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("soft_nms", ENTRY.gradient.expect_err("none"))
    }
}
