//! Which level of a feature pyramid a region is pooled from: the larger the region, the coarser the map (Lin et al. 2017, equation 1).

use super::roi_align::check_rois;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of the kernel.
    pub struct Params { n: u32, count: u32, first: f32, pad0: u32 }
}

static FORWARD: Kernel = Kernel {
    label: "roi_levels.forward",
    source: include_str!("../../../shaders/roi_levels/forward.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "roi_levels",
    summary: "the level of a pyramid that each region is pooled from, by its area",
    args: &[Arg::f32("rois")],
    attrs: &[
        Attr { name: "k_min", default: "2", doc: "the finest level" },
        Attr { name: "k_max", default: "5", doc: "the coarsest level" },
        Attr { name: "canonical_scale", default: "224", doc: "side of a region of the canonical level" },
        Attr { name: "canonical_level", default: "4", doc: "its level" },
    ],
    outputs: &["levels"],
    gradient: Err("levels are whole numbers"),
    kernels: &[&FORWARD],
    build: |attrs, _| {
        let defaults = RoiLevels::default();
        let op = RoiLevels {
            min: attrs.size("k_min", defaults.min as usize)? as u32,
            max: attrs.size("k_max", defaults.max as usize)? as u32,
            canonical_scale: attrs.float("canonical_scale", defaults.canonical_scale)?,
            canonical_level: attrs.size("canonical_level", defaults.canonical_level as usize)? as u32,
        };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain], outputs: vec![Layout::Plain] })
    },
};

/// rois (N, R, 4), corners in pixels of the network's input -> i32 (N, R): floor(canonical_level + log2(sqrt(area) / canonical_scale) + 1e-6),
/// kept within min..=max, less min; -1 for a region that is all zeros (absent). torchvision's `LevelMapper`.
#[derive(Clone, Copy, Debug)]
pub struct RoiLevels {
    /// The finest level, which becomes 0.
    pub min: u32,
    /// The coarsest level, at most 15 above.
    pub max: u32,
    /// Side in pixels from which on a square belongs to the canonical level.
    pub canonical_scale: f32,
    /// The canonical level.
    pub canonical_level: u32,
}

impl Default for RoiLevels {
    /// Levels 2 to 5 of a ResNet's pyramid, as the paper and torchvision have them.
    fn default() -> Self {
        Self { min: 2, max: 5, canonical_scale: 224.0, canonical_level: 4 }
    }
}

impl RoiLevels {
    /// The least area, as f32, of level `min + 1`: where the formula reaches it, rounded up.
    fn first(&self) -> f32 {
        let octaves = f64::from(self.min) + 1.0 - f64::from(self.canonical_level) - 1e-6;
        let area = (f64::from(self.canonical_scale) * octaves.exp2()).powi(2);
        let near = area as f32;
        if f64::from(near) < area { near.next_up() } else { near }
    }
}

impl Op for RoiLevels {
    fn name(&self) -> &'static str {
        "roi_levels"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |message: String| {
            Err(Error::Attribute { op: "roi_levels".into(), message: format!("'{node}': {message}") })
        };
        if self.max < self.min || self.max - self.min > 15 || self.max.max(self.canonical_level) > 30 {
            return wrong(format!("levels must be up to 16 within 0 to 30, got {} to {}", self.min, self.max));
        }
        if !(self.canonical_scale > 0.0 && self.canonical_scale <= 1e6) {
            return wrong(format!("canonical_scale must be above 0 and at most 1e6, got {}", self.canonical_scale));
        }
        let [rois] = inputs else { return Err(shape_error("roi_levels", node, "inputs", "rois", inputs.len())) };
        let n = rois.shape.first().copied().unwrap_or(0);
        Ok(vec![TensorType::i32([n, check_rois("roi_levels", node, n, rois)?])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let n = cx.outputs[0].elements() as u32;
        let params = Params { n, count: self.max - self.min + 1, first: self.first(), ..Default::default() };
        let slots = vec![Slot::Input(0), Slot::Output(0)];
        let cost = cx.elementwise(2 * u64::from(params.count));
        Ok(Work::one(Launch::new(&FORWARD, params, slots, [n.div_ceil(256), 1, 1]).costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("roi_levels", ENTRY.gradient.expect_err("none"))
    }
}
