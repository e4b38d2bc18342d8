//! RoIAlign: regions of feature maps as small maps of one size, each bin the mean of bilinear samples (He et al. 2017), from one map or from
//! the levels of a pyramid (Lin et al. 2017). No gradient flows to the regions. Which region belongs to which level is
//! [`super::roi_levels`]'s concern.

mod grad;
pub(super) mod tiles;

use super::lanes::wide;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{DeviceKind, Launch, Slot};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels, `shaders/lib/roi_align.wgsl`.
    pub struct Params {
        n: u32, channels: u32, bins_height: u32, bins_width: u32,
        height: u32, width: u32, rois: u32, each: u32,
        level: u32, levels: u32, aligned: u32, words: u32,
        scale: f32, ratio: f32, tiles_height: u32, tiles_width: u32,
    }
}

wide!(FORWARD, "roi_align.forward", "roi_align/forward.wgsl", Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "roi_align",
    summary: "regions of a map, or of the levels of a pyramid, as small maps: bins of bilinear samples",
    args: &[
        Arg::f32("x"),
        Arg::optional("x1"),
        Arg::optional("x2"),
        Arg::optional("x3"),
        Arg::optional("x4"),
        Arg::f32("rois"),
        Arg { name: "levels", dtype: DType::I32, optional: true },
    ],
    attrs: &[
        Attr { name: "output_size", default: "1", doc: "rows and columns of bins, n or [h, w]" },
        Attr {
            name: "spatial_scale",
            default: "1.0",
            doc: "elements of a map for each unit of rois; a list for a pyramid",
        },
        Attr {
            name: "sampling_ratio",
            default: "-1",
            doc: "samples of a bin each way; 0 or less: by the region's size",
        },
        Attr { name: "aligned", default: "false", doc: "shift by half an element, and allow sides below 1" },
    ],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &grad::PREPARE, &tiles::LIST, &grad::GRAD.one, &grad::GRAD.four],
    build: |attrs, inputs| {
        let maps = inputs[..MAX_LEVELS].iter().flatten().count();
        let scales = match attrs.floats("spatial_scale") {
            Ok(Some(scales)) => scales,
            _ => vec![attrs.float("spatial_scale", 1.0)?],
        };
        let op = RoiAlign {
            size: attrs.pair("output_size", [1, 1])?,
            sampling_ratio: attrs.int("sampling_ratio", -1)?.max(0) as usize,
            aligned: attrs.flag("aligned", false)?,
            scales,
        };
        let mut layouts = vec![Layout::Image; maps];
        layouts.extend(inputs[MAX_LEVELS..].iter().flatten().map(|_| Layout::Plain));
        Ok(Built { op: Arc::new(op), inputs: layouts, outputs: vec![Layout::Image] })
    },
};

/// (features of each level (N, H, W, C), rois (N, R, 4), [levels i32 (N, R)]) -> (N * R, rows, columns, C): torchvision's roi_align, and with
/// several levels its MultiScaleRoIAlign.
///
/// `rois` has corners x0, y0, x1, y1 in units of which a map has `scales` elements each. With several maps, levels says which one each region is
/// pooled from. A region of no level, one that is all zeros (absent), and one with a NaN or an infinity give zeros, and nothing flows back from them.
#[derive(Clone, Debug)]
pub struct RoiAlign {
    /// Rows and columns of bins, 1 to 1024.
    pub size: [usize; 2],
    /// Samples of a bin each way, up to 1024; 0: as many as its side has elements, rounded up.
    pub sampling_ratio: usize,
    /// Whether the centre of an element is at half an element, and not at 0. If not, sides are at least 1.
    pub aligned: bool,
    /// Elements of a map for each unit of the regions; one for each level, 1 to 5 of them.
    pub scales: Vec<f32>,
}

/// Maps that a node can have.
const MAX_LEVELS: usize = 5;

/// Largest number of bins and of samples of a bin, each way: numbers of samples stay exact in f32.
const MOST: usize = 1024;

/// Regions that a workgroup takes in turn on a software device, where a workgroup with nothing to do still costs about a microsecond.
const EACH_SOFTWARE: u32 = 8;

/// Checks regions (N, R, 4) and returns R. What the ops on regions share.
pub(super) fn check_rois(op: &str, node: &str, n: usize, rois: &TensorType) -> Result<usize> {
    let fits = rois.dtype == DType::F32 && rois.shape.rank() == 3 && rois.shape[0] == n && rois.shape[2] == 4;
    if !fits || rois.elements() == 0 {
        return Err(shape_error(op, node, "rois", format!("f32({n}, R, 4)"), rois));
    }
    Ok(rois.shape[1])
}

/// Checks that `size` of bins is one that kernels on regions can use.
pub(super) fn check_size(op: &str, node: &str, size: [usize; 2]) -> Result<()> {
    match size.iter().all(|s| (1..=MOST).contains(s)) {
        true => Ok(()),
        false => Err(shape_error(op, node, "size", format!("1 to {MOST} each way"), format!("{size:?}"))),
    }
}

/// Checks a factor from the regions' units to elements of a map.
pub(super) fn check_scale(op: &str, node: &str, scale: f32) -> Result<()> {
    match scale > 0.0 && scale.is_finite() {
        true => Ok(()),
        false => Err(shape_error(op, node, "scale", "a positive number", scale)),
    }
}

impl RoiAlign {
    /// The uniform for the map of `level`, of shape `map`, its channels counted in `width`s.
    fn params(&self, map: &Shape, level: usize, rois: usize, width: u32) -> Params {
        Params {
            channels: map[3] as u32 / width,
            bins_height: self.size[0] as u32,
            bins_width: self.size[1] as u32,
            height: map[1] as u32,
            width: map[2] as u32,
            rois: rois as u32,
            each: 1,
            level: level as u32,
            levels: self.scales.len() as u32,
            aligned: u32::from(self.aligned),
            scale: self.scales[level],
            ratio: self.sampling_ratio as f32,
            ..Default::default()
        }
    }

    /// Samples of one bin, guessed where the regions decide.
    fn samples(&self) -> u64 {
        if self.sampling_ratio == 0 { 4 } else { self.sampling_ratio.pow(2) as u64 }
    }
}

impl Op for RoiAlign {
    fn name(&self) -> &'static str {
        "roi_align"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let wrong = |what: &str, expected: String, got: &dyn ToString| {
            Err(shape_error("roi_align", node, what, expected, got.to_string()))
        };
        check_size("roi_align", node, self.size)?;
        if self.sampling_ratio > MOST {
            return wrong("sampling_ratio", format!("at most {MOST}"), &self.sampling_ratio);
        }
        let maps = self.scales.len();
        if !(1..=MAX_LEVELS).contains(&maps) {
            let message = format!("'{node}': scales must be one for each of 1 to {MAX_LEVELS} levels, got {maps}");
            return Err(Error::Attribute { op: "roi_align".into(), message });
        }
        for scale in &self.scales {
            check_scale("roi_align", node, *scale)?;
        }
        let given = maps + 1 + usize::from(maps > 1);
        if inputs.len() != given {
            let expected = format!("{given} ({maps} maps, rois{})", if maps > 1 { ", levels" } else { "" });
            return wrong("inputs", expected, &inputs.len());
        }
        let first = &inputs[0].shape;
        for (i, map) in inputs[..maps].iter().enumerate() {
            let name = if i == 0 { "x".to_string() } else { format!("x{i}") };
            if map.dtype != DType::F32 || map.shape.rank() != 4 || map.elements() == 0 {
                return wrong(&name, "f32(N, H, W, C)".into(), map);
            }
            if map.shape[0] != first[0] || map.shape[3] != first[3] {
                return wrong(&name, format!("{} pictures of {} channels, as x has", first[0], first[3]), map);
            }
        }
        let rois = check_rois("roi_align", node, first[0], &inputs[maps])?;
        if let Some(levels) = inputs.get(maps + 1) {
            let wanted = TensorType::i32([first[0], rois]);
            if *levels != wanted {
                return wrong("levels", wanted.to_string(), levels);
            }
        }
        Ok(vec![TensorType::f32([first[0] * rois, self.size[0], self.size[1], first[3]])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let maps = self.scales.len();
        let (images, rois) = (cx.inputs[maps].shape[0], cx.inputs[maps].shape[1]);
        let levels = Slot::Input(if maps > 1 { maps + 1 } else { maps });
        let (kernel, width) = FORWARD.pick(cx.outputs[0].shape[3].is_multiple_of(4));
        let software = cx.profile.kind == DeviceKind::Software;
        let several = cx.profile.forced.of("roi_align").map_or(software, |variant| variant == "several");
        let each = if several { EACH_SOFTWARE } else { 1 };
        let launch = |level: usize| {
            let params = self.params(&cx.inputs[level].shape, level, rois, width);
            let n = params.bins_height * params.bins_width * params.channels;
            let slots = vec![Slot::Input(level), Slot::Input(maps), levels, Slot::Output(0)];
            let groups = [n.div_ceil(256), params.rois.div_ceil(each), images as u32];
            // Eight operations and four reads for each sample; a level's share of the regions is not known here.
            let samples = self.samples() * cx.outputs[0].elements() as u64 / maps as u64;
            Launch::new(kernel, Params { n, each, ..params }, slots, groups).costing(8 * samples, 8 * samples)
        };
        Ok(Work { launches: (0..maps).map(launch).collect(), scratch: Vec::new() })
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        match tensor {
            Slot::Input(i) => i < self.scales.len(),
            _ => true,
        }
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let maps = self.scales.len();
        let mut grads = vec![None; cx.inputs.len()];
        for (level, grad) in grads[..maps].iter_mut().enumerate() {
            if cx.wanted[level] {
                let shape = cx.ty(cx.inputs[level]).shape;
                let inputs: Vec<Value> = [cx.grad()].iter().chain(&cx.inputs[maps..]).copied().collect();
                *grad = Some(cx.emit(grad::RoiAlignGrad { op: self.clone(), level, shape }, &inputs)?);
            }
        }
        Ok(grads)
    }
}
