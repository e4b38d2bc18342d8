//! Which regions touch which tile of a map: what gradients of pooled regions, `roi_pool`'s too, look up before they sum.

use super::super::LaunchCx;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::Shape;

crate::uniform! {
    /// Uniform of the kernel that makes the lists.
    pub struct Params { n: u32, rois: u32, words: u32, tiles_width: u32 }
}

pub(in crate::ops) static LIST: Kernel = Kernel {
    label: "roi_align.list",
    source: include_str!("../../../shaders/roi_align/list.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// Sides of the tiles that have a list and of those that a workgroup sums; `shaders/lib/roi_tiles.wgsl` has the same.
const LISTED: u32 = 8;
const SUMMED: u32 = 4;

/// Channels, in the kernel's width, that a workgroup sums.
const CHANNELS: u32 = 64;

/// The lists of a map.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Tiles {
    /// Tiles with a list, down and across.
    pub tiles: [u32; 2],
    /// Words of a list.
    pub words: u32,
    rois: u32,
    map: [u32; 3],
}

impl Tiles {
    /// Of a map of this shape (N, H, W, C) and `rois` regions for each picture.
    pub fn new(map: &Shape, rois: usize) -> Self {
        let [images, h, w, _] = map.nhwc().expect("a picture");
        let tiles = [h, w].map(|side| (side as u32).div_ceil(LISTED));
        Self { tiles, words: (rois as u32).div_ceil(32), rois: rois as u32, map: [images, h, w].map(|v| v as u32) }
    }

    /// Words of the lists of one picture.
    fn picture(&self) -> u32 {
        self.tiles[0] * self.tiles[1] * self.words
    }

    /// Bytes of all lists.
    pub fn bytes(&self) -> u64 {
        4 * u64::from(self.map[0]) * u64::from(self.picture())
    }

    /// Makes the lists from the bounds of each region.
    pub fn launch(&self, bounds: Slot, lists: Slot) -> Launch {
        let n = self.picture();
        let params = Params { n, rois: self.rois, words: self.words, tiles_width: self.tiles[1], ..Default::default() };
        let tests = 8 * self.bytes();
        Launch::new(&LIST, params, vec![bounds, lists], [n.div_ceil(256), self.map[0], 1])
            .costing(8 * tests, 16 * tests)
    }

    /// The grid of the kernel that sums, for `channels` in its width.
    pub fn groups(&self, channels: u32) -> [u32; 3] {
        let [images, h, w] = self.map;
        [w.div_ceil(SUMMED), h.div_ceil(SUMMED), images * channels.div_ceil(CHANNELS)]
    }

    /// Operations and bytes of that kernel, given how many products each gradient of an output takes part in.
    pub fn cost(cx: &LaunchCx<'_>, products: u64) -> (u64, u64) {
        let touched = products * cx.inputs[0].elements() as u64;
        (8 * touched, 8 * touched + cx.outputs[0].bytes())
    }
}
