//! A convolution for inference whose weight was brought to Winograd's points once, when parameters changed: the two nodes that [`Conv2d`] asks for
//! through [`Op::prepare`]. Neither has a gradient.

use super::Conv2d;
use super::winograd::{self, Tile};
use crate::Result;
use crate::gpu::Slot;
use crate::ops::{GradCx, LaunchCx, Op, Prepared, Value, Work};
use crate::tensor::{Shape, TensorType};
use std::sync::Arc;

const NO_GRADIENT: &str = "weights at Winograd's points are for inference";

/// What a convolution asks for where `tile` makes it.
pub(super) fn prepare(conv: &Conv2d, weight: &Shape, tile: Tile) -> Prepared {
    let by = WeightAtPoints { tile };
    let op = WinogradConv2d { conv: *conv, tile, weight: weight.clone() };
    Prepared { input: 1, by: Arc::new(by), op: Arc::new(op) }
}

/// weight (3, 3, I, O) -> its matrices, a row for each input channel: (I, points^2 O and some that are not used).
#[derive(Clone, Copy, Debug)]
struct WeightAtPoints {
    tile: Tile,
}

impl Op for WeightAtPoints {
    fn name(&self) -> &'static str {
        "conv2d.weight_at_points"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let weight = &inputs[0].shape;
        Ok(vec![TensorType::f32([weight[2], self.tile.weight_row(weight[3])])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let weight = &cx.inputs[0].shape;
        let slots = [Slot::Input(0), Slot::Output(0)];
        Ok(Work::one(winograd::weight_launch(self.tile, [weight[2], weight[3]], false, false, slots, cx.profile)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), NO_GRADIENT)
    }
}

/// (x, weight's matrices, [bias], [residual]) -> y, as [`Conv2d`] has it.
#[derive(Clone, Debug)]
struct WinogradConv2d {
    conv: Conv2d,
    tile: Tile,
    weight: Shape,
}

impl WinogradConv2d {
    /// The inputs of the convolution that this stands for.
    fn plain(&self, inputs: &[TensorType]) -> Vec<TensorType> {
        let mut all = inputs.to_vec();
        all[1] = TensorType::f32(&self.weight);
        all
    }
}

impl Op for WinogradConv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        self.conv.infer(node, &self.plain(inputs))
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let g = self.conv.problem(&self.plain(cx.inputs), &cx.outputs[0].shape);
        let slots = [Slot::Input(0), Slot::Output(0)];
        let made = winograd::Weight::Made(Slot::Input(1));
        Ok(winograd::work(self.tile, &g, slots, made, self.conv.fused(), cx))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), NO_GRADIENT)
    }

    fn multiply_adds(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        self.conv.multiply_adds(&self.plain(inputs), outputs)
    }
}
