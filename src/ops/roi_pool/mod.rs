//! RoI pooling: regions of a feature map as small maps of one size, each bin the largest element in it (Fast R-CNN, Girshick 2015). Corners
//! are rounded to whole elements. The place of each maximum is kept for the gradient. No gradient flows to the regions.

use super::lanes::wide;
use super::roi_align::tiles::{self, Tiles};
use super::roi_align::{check_rois, check_scale, check_size};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Shape, TensorType};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels, `shaders/lib/roi_pool.wgsl`.
    pub struct Params {
        n: u32, channels: u32, bins_height: i32, bins_width: i32,
        height: i32, width: i32, rois: u32, words: u32,
        scale: f32, tiles_height: u32, tiles_width: u32, pad0: u32,
    }
}

wide!(FORWARD, "roi_pool.forward", "roi_pool/forward.wgsl", Params);
wide!(GRAD, "roi_pool.grad", "roi_pool/grad.wgsl", Params);

static PREPARE: Kernel = Kernel {
    label: "roi_pool.prepare",
    source: include_str!("../../../shaders/roi_pool/prepare.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "roi_pool",
    summary: "regions of a map as small maps: the largest element of each bin, and its place h * W + w",
    args: &[Arg::f32("x"), Arg::f32("rois")],
    attrs: &[
        Attr { name: "output_size", default: "1", doc: "rows and columns of bins, n or [h, w]" },
        Attr { name: "spatial_scale", default: "1.0", doc: "elements of the map for each unit of rois" },
    ],
    outputs: &["y", "indices"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &PREPARE, &tiles::LIST, &GRAD.one, &GRAD.four],
    build: |attrs, _| {
        let op = RoiPool { size: attrs.pair("output_size", [1, 1])?, scale: attrs.float("spatial_scale", 1.0)? };
        let inputs = vec![Layout::Image, Layout::Plain];
        Ok(Built { op: Arc::new(op), inputs, outputs: vec![Layout::Image; 2] })
    },
};

/// (features (N, H, W, C), rois (N, R, 4)) -> y (N * R, rows, columns, C) and indices, an i32 of the same shape: h * W + w of the maximum, of
/// equal elements the first, -1 in a bin that lies outside the map, where y is 0. torchvision's `roi_pool`.
///
/// `rois` has corners x0, y0, x1, y1. A region that is all zeros (absent), or with a NaN or an infinity, gives zeros, and nothing flows back from it.
#[derive(Clone, Copy, Debug)]
pub struct RoiPool {
    /// Rows and columns of bins, 1 to 1024.
    pub size: [usize; 2],
    /// Elements of the map for each unit of the regions.
    pub scale: f32,
}

impl RoiPool {
    /// The uniform for a map of shape `map`, its channels counted in `width`s.
    fn params(&self, map: &Shape, rois: usize, width: u32) -> Params {
        Params {
            channels: map[3] as u32 / width,
            bins_height: self.size[0] as i32,
            bins_width: self.size[1] as i32,
            height: map[1] as i32,
            width: map[2] as i32,
            rois: rois as u32,
            scale: self.scale,
            ..Default::default()
        }
    }
}

impl Op for RoiPool {
    fn name(&self) -> &'static str {
        "roi_pool"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, rois] = inputs else {
            return Err(shape_error("roi_pool", node, "inputs", "x and rois", inputs.len()));
        };
        check_size("roi_pool", node, self.size)?;
        check_scale("roi_pool", node, self.scale)?;
        if x.dtype != DType::F32 || x.shape.rank() != 4 || x.elements() == 0 {
            return Err(shape_error("roi_pool", node, "x", "f32(N, H, W, C)", x));
        }
        let count = check_rois("roi_pool", node, x.shape[0], rois)?;
        let shape = [x.shape[0] * count, self.size[0], self.size[1], x.shape[3]];
        Ok(vec![TensorType::f32(shape), TensorType::i32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (x, rois) = (&cx.inputs[0].shape, &cx.inputs[1].shape);
        let (kernel, width) = FORWARD.pick(x[3].is_multiple_of(4));
        let params = self.params(x, rois[1], width);
        let n = self.size[0] as u32 * self.size[1] as u32 * params.channels;
        let slots = vec![Slot::Input(0), Slot::Input(1), Slot::Output(0), Slot::Output(1)];
        let groups = [n.div_ceil(256), rois[1] as u32, x[0] as u32];
        // A guess: bins of a few elements.
        let reads = 8 * cx.outputs[0].elements() as u64;
        Ok(Work::one(Launch::new(kernel, Params { n, ..params }, slots, groups).costing(2 * reads, 4 * reads)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.grads[1].is_some() {
            return cx.not_differentiable(self.name(), "indices are whole numbers; only y carries a gradient");
        }
        if !cx.wanted[0] {
            return Ok(vec![None, None]);
        }
        let op = RoiPoolGrad { op: *self, shape: cx.ty(cx.inputs[0]).shape };
        Ok(vec![Some(cx.emit(op, &[cx.grad(), cx.outputs[1], cx.inputs[1]])?), None])
    }
}

/// (grad_y, indices, rois) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct RoiPoolGrad {
    op: RoiPool,
    shape: Shape,
}

impl Op for RoiPoolGrad {
    fn name(&self) -> &'static str {
        "roi_pool.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (kernel, width) = GRAD.pick(self.shape[3].is_multiple_of(4));
        let count = cx.inputs[2].shape[1];
        let tiles = Tiles::new(&self.shape, count);
        let [tiles_height, tiles_width] = tiles.tiles;
        let params = self.op.params(&self.shape, count, width);
        let params = Params { words: tiles.words, tiles_height, tiles_width, ..params };
        let [windows, bounds, lists] = [0, 1, 2].map(Slot::Scratch);

        let all = (self.shape[0] * count) as u32;
        let slots = vec![Slot::Input(2), windows, bounds];
        let prepare = Launch::new(&PREPARE, Params { n: all, ..params }, slots, [all.div_ceil(256), 1, 1]);
        let slots = vec![Slot::Input(0), Slot::Input(1), windows, lists, Slot::Output(0)];
        let sum = Launch::new(kernel, params, slots, tiles.groups(params.channels));
        let all = u64::from(all);
        // A guess: bins of a few elements, each of which looks at the bin.
        let (flops, bytes) = Tiles::cost(cx, 8);
        let launches =
            vec![prepare.costing(32 * all, 48 * all), tiles.launch(bounds, lists), sum.costing(flops, bytes)];
        Ok(Work { launches, scratch: vec![16 * all, 16 * all, tiles.bytes()] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("roi_pool.grad", "second derivatives are not offered")
    }
}
