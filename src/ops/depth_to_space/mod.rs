//! Channels become blocks of pixels, as pixel_shuffle: PyTorch's pixel_shuffle, in its order of channels. The gradient is the way back.

use super::lanes::wide;
use super::space_to_depth::SpaceToDepth;
use super::strided::{self, Dim};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot;
use crate::tensor::TensorType;

wide!(FORWARD, "depth_to_space.forward", "depth_to_space/forward.wgsl", strided::Params);

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "depth_to_space",
    summary: "channels become blocks of pixels, as pixel_shuffle",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "upscale_factor", default: "2", doc: "edge of a block, in pixels" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four],
    build: |attrs, _| Ok(Built::images(DepthToSpace { block: attrs.size("upscale_factor", 2)? }, 1, 1)),
};

/// (N, H, W, C * r * r) -> (N, H * r, W * r, C), where r is `block`; pixel (p, q) of a block is channel (c * r + p) * r + q.
#[derive(Clone, Copy, Debug)]
pub struct DepthToSpace {
    /// Edge of a block, in pixels.
    pub block: usize,
}

impl Op for DepthToSpace {
    fn name(&self) -> &'static str {
        "depth_to_space"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x] = inputs else { return Err(shape_error("depth_to_space", node, "inputs", "x", inputs.len())) };
        let r = self.block;
        match x.shape.nhwc() {
            Some([n, h, w, c]) if (1..=256).contains(&r) && c % (r * r) == 0 => {
                Ok(vec![TensorType { shape: [n, h * r, w * r, c / (r * r)].into(), dtype: x.dtype }])
            }
            _ => Err(shape_error(
                "depth_to_space",
                node,
                "x",
                format!("(N, H, W, C), channels divisible by {} (block of 1 to 256)", r * r),
                x,
            )),
        }
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let r = self.block;
        let [n, h, w, c] = cx.inputs[0].shape.nhwc().expect("rank 4 was checked");
        let dims: [Dim<1>; 6] = [(n, [h * w * c]), (h, [w * c]), (r, [r]), (w, [c]), (r, [1]), (c / (r * r), [r * r])];
        Ok(strided::walk(&FORWARD, cx, 0, &dims))
    }

    fn stores_half(&self, _: Slot) -> bool {
        true
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(cx.emit(SpaceToDepth { block: self.block }, &[cx.grad()])?)])
    }
}
