//! Adaptive max pooling: the largest element of windows that divide the picture into a given number of rows and columns, as
//! PyTorch cuts them. Size 1 is global pooling, which runs in two passes. Of equal elements the first in row-major order
//! wins. The place of each maximum is kept for the gradient: outputs are few, windows are large.

use super::batch_norm::params::Params as Rows;
use super::lanes::wide;
use super::pool::{self, Params, Side, Window, adaptive_shape};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Uniform};
use crate::tensor::{Shape, TensorType};

wide!(FORWARD, "adaptive_max_pool2d.forward", "adaptive_max_pool2d/forward.wgsl", Params);
wide!(GRAD, "adaptive_max_pool2d.grad", "adaptive_max_pool2d/grad.wgsl", Params);

static GLOBAL_CHUNKS: Kernel = Kernel {
    label: "adaptive_max_pool2d.global_chunks",
    source: include_str!("../../../shaders/adaptive_max_pool2d/global_chunks.wgsl"),
    params: Rows::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GLOBAL_FINISH: Kernel = Kernel {
    label: "adaptive_max_pool2d.global_finish",
    source: include_str!("../../../shaders/adaptive_max_pool2d/global_finish.wgsl"),
    params: Rows::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "adaptive_max_pool2d",
    summary: "the largest element of each of output_size windows that cover the picture, and its place h * W + w",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "output_size", default: "1", doc: "n or [h, w]" }],
    outputs: &["y", "indices"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four, &GLOBAL_CHUNKS, &GLOBAL_FINISH],
    build: |attrs, _| Ok(Built::images(AdaptiveMaxPool2d { output_size: attrs.pair("output_size", [1, 1])? }, 1, 2)),
};

/// (N, H, W, C) -> y (N, output height, output width, C) and indices, an i32 of the same shape: h * W + w of the maximum.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveMaxPool2d {
    /// Rows and columns of the output.
    pub output_size: [usize; 2],
}

impl AdaptiveMaxPool2d {
    /// The largest element of the whole picture.
    pub const GLOBAL: Self = Self { output_size: [1, 1] };
}

impl Op for AdaptiveMaxPool2d {
    fn name(&self) -> &'static str {
        "adaptive_max_pool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let shape = adaptive_shape(self.name(), node, inputs, self.output_size)?;
        Ok(vec![TensorType::f32(shape), TensorType::i32(shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        if self.output_size == [1, 1] {
            return Ok(global(cx));
        }
        let sizes = (&Window::square(1, 1, 0), &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        let launch = pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0), Output(1)], |_| ());
        Ok(Work::one(launch.costing(cx.inputs[0].elements() as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.grads[1].is_some() {
            return cx.not_differentiable(self.name(), "indices are whole numbers; only y carries a gradient");
        }
        let shape = cx.ty(cx.inputs[0]).shape;
        Ok(vec![Some(cx.emit(AdaptiveMaxPool2dGrad { shape }, &[cx.grad(), cx.outputs[1]])?)])
    }
}

fn global(cx: &LaunchCx<'_>) -> Work {
    let [images, h, w, c] = cx.inputs[0].shape.nhwc().expect("a picture");
    let rows = Rows::reduction(h * w, c);
    let n = cx.inputs[0].elements() as u64;
    let bytes = rows.partial_bytes(images) / 2;
    let slots = vec![Input(0), Scratch(0), Scratch(1)];
    let chunks = Launch::new(&GLOBAL_CHUNKS, rows, slots, [rows.chunks, rows.tiles(), images as u32]);
    let slots = vec![Scratch(0), Scratch(1), Output(0), Output(1)];
    let finish = Launch::new(&GLOBAL_FINISH, rows, slots, [1, rows.tiles(), images as u32]);
    let launches = vec![chunks.costing(n, 4 * n + 2 * bytes), finish.costing(bytes / 4, 2 * bytes)];
    Work { launches, scratch: vec![bytes, bytes] }
}

/// (grad_y, indices) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct AdaptiveMaxPool2dGrad {
    shape: Shape,
}

impl Op for AdaptiveMaxPool2dGrad {
    fn name(&self) -> &'static str {
        "adaptive_max_pool2d.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&Window::square(1, 1, 0), &self.shape, &cx.inputs[0].shape, Side::Input);
        let launch = pool::launch(cx, &GRAD, sizes, vec![Input(0), Input(1), Output(0)], |_| ());
        Ok(Work::one(launch.costing(cx.outputs[0].elements() as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
