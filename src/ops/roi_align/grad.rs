//! The gradient of RoIAlign for one level's map: each element gathers from the bins that read it, so nothing is scattered and the order of
//! sums is fixed. Three launches: the regions' axes on this map, for each tile of the map the regions that touch it, the sums.

use super::super::lanes::wide;
use super::super::{GradCx, LaunchCx, Op, Value, Work};
use super::tiles::Tiles;
use super::{Params, RoiAlign};
use crate::Result;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::{Shape, TensorType};

pub(super) static PREPARE: Kernel = Kernel {
    label: "roi_align.prepare",
    source: include_str!("../../../shaders/roi_align/prepare.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

wide!(pub(super) GRAD, "roi_align.grad", "roi_align/grad.wgsl", Params);

/// (grad_y, rois, [levels]) -> grad_x of `shape`, the map of `level`.
#[derive(Clone, Debug)]
pub(super) struct RoiAlignGrad {
    pub op: RoiAlign,
    pub level: usize,
    pub shape: Shape,
}

impl Op for RoiAlignGrad {
    fn name(&self) -> &'static str {
        "roi_align.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (images, channels) = (self.shape[0], self.shape[3]);
        let (kernel, width) = GRAD.pick(channels.is_multiple_of(4));
        let count = cx.inputs[1].shape[1];
        let tiles = Tiles::new(&self.shape, count);
        let [tiles_height, tiles_width] = tiles.tiles;
        let params = self.op.params(&self.shape, self.level, count, width);
        let params = Params { words: tiles.words, tiles_height, tiles_width, ..params };
        let [regions, bounds, lists] = [0, 1, 2].map(Slot::Scratch);
        let rois = Slot::Input(1);
        let levels = if self.op.scales.len() > 1 { Slot::Input(2) } else { rois };

        let all = (images * count) as u32;
        let slots = vec![rois, levels, regions, bounds];
        let prepare = Launch::new(&PREPARE, Params { n: all, ..params }, slots, [all.div_ceil(256), 1, 1]);
        let slots = vec![Slot::Input(0), regions, lists, Slot::Output(0)];
        let sum = Launch::new(kernel, params, slots, tiles.groups(params.channels));
        let all = u64::from(all);
        let (flops, bytes) = Tiles::cost(cx, self.op.samples().div_ceil(self.op.scales.len() as u64));
        let launches =
            vec![prepare.costing(64 * all, 64 * all), tiles.launch(bounds, lists), sum.costing(flops, bytes)];
        Ok(Work { launches, scratch: vec![32 * all, 16 * all, tiles.bytes()] })
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
