//! Blocks of pixels become channels, as pixel_unshuffle: PyTorch's pixel_unshuffle, in its order of channels. The gradient is the way back.

use super::depth_to_space::DepthToSpace;
use super::lanes::wide;
use super::strided::{self, Dim};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;

wide!(FORWARD, "space_to_depth.forward", "space_to_depth/forward.wgsl", strided::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "space_to_depth",
    summary: "blocks of pixels become channels, as pixel_unshuffle",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "downscale_factor", default: "2", doc: "edge of a block, in pixels" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, _| Ok(Built::images(SpaceToDepth { block: attrs.size("downscale_factor", 2)? }, 1, 1)),
};

/// (N, H, W, C) -> (N, H / r, W / r, C * r * r), where r is `block`; pixel (p, q) of a block is channel (c * r + p) * r + q.
#[derive(Clone, Copy, Debug)]
pub struct SpaceToDepth {
    /// Edge of a block, in pixels.
    pub block: usize,
}

impl Op for SpaceToDepth {
    fn name(&self) -> &'static str {
        "space_to_depth"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("space_to_depth", node, "inputs", "x", inputs.len())) };
        let r = self.block;
        match x.shape.nhwc() {
            Some([n, h, w, c]) if (1..=256).contains(&r) && h % r == 0 && w % r == 0 => {
                Ok(vec![TensorType { shape: [n, h / r, w / r, c * r * r].into(), dtype: x.dtype }])
            }
            _ => Err(shape_error(
                "space_to_depth",
                node,
                "x",
                format!("(N, H, W, C), height and width divisible by {r} (1 to 256)"),
                x,
            )),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let r = self.block;
        let [n, h, w, c] = cx.inputs[0].shape.nhwc().expect("rank 4 was checked");
        let dims: [Dim<1>; 6] =
            [(n, [h * w * c]), (h / r, [r * w * c]), (w / r, [r * c]), (c, [1]), (r, [w * c]), (r, [c])];
        Ok(strided::walk(&FORWARD, cx, 0, &dims))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(DepthToSpace { block: self.block }, &[cx.grad()])?)])
    }
}
