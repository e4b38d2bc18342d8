//! Adaptive average pooling: the mean over windows that divide the picture into a given number of rows and columns, as PyTorch
//! cuts them (neighbours may share a row). Size 1 is global pooling, which runs as a two-pass sum over the whole picture.

use super::batch_norm::params::Params as Rows;
use super::lanes::wide;
use super::pool::{self, Params, Side, Window, adaptive_shape};
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work};
use crate::Result;
use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Uniform};
use crate::tensor::{Shape, TensorType};

wide!(FORWARD, "adaptive_avg_pool2d.forward", "adaptive_avg_pool2d/forward.wgsl", Params);
wide!(GRAD, "adaptive_avg_pool2d.grad", "adaptive_avg_pool2d/grad.wgsl", Params);

static GLOBAL_SUMS: Kernel = Kernel {
    label: "adaptive_avg_pool2d.global_sums",
    source: include_str!("../../../shaders/adaptive_avg_pool2d/global_sums.wgsl"),
    params: Rows::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

static GLOBAL_FINISH: Kernel = Kernel {
    label: "adaptive_avg_pool2d.global_finish",
    source: include_str!("../../../shaders/adaptive_avg_pool2d/global_finish.wgsl"),
    params: Rows::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "adaptive_avg_pool2d",
    summary: "the mean of each of output_size windows that cover the picture; size 1 is global pooling",
    args: &[Arg::f32("x")],
    attrs: &[Attr { name: "output_size", default: "1", doc: "n or [h, w]" }],
    outputs: &["y"],
    gradient: Ok(()),
    kernels: &[&FORWARD.one, &FORWARD.four, &GRAD.one, &GRAD.four, &GLOBAL_SUMS, &GLOBAL_FINISH],
    build: |attrs, _| Ok(Built::images(AdaptiveAvgPool2d { output_size: attrs.pair("output_size", [1, 1])? }, 1, 1)),
};

/// (N, H, W, C) -> (N, output height, output width, C): means over adaptive windows.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool2d {
    /// Rows and columns of the output.
    pub output_size: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// The mean over the whole picture.
    pub const GLOBAL: Self = Self { output_size: [1, 1] };
}

impl Op for AdaptiveAvgPool2d {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(adaptive_shape(self.name(), node, inputs, self.output_size)?)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        if self.output_size == [1, 1] {
            return Ok(global(cx));
        }
        let sizes = (&Window::square(1, 1, 0), &cx.inputs[0].shape, &cx.outputs[0].shape, Side::Output);
        let launch = pool::launch(cx, &FORWARD, sizes, vec![Input(0), Output(0)], |_| ());
        Ok(Work::one(launch.costing(cx.inputs[0].elements() as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        let shape = cx.ty(cx.inputs[0]).shape;
        Ok(vec![Some(cx.emit(AdaptiveAvgPool2dGrad { shape }, &[cx.grad()])?)])
    }
}

fn global(cx: &LaunchCx<'_>) -> Work {
    let [images, h, w, c] = cx.inputs[0].shape.nhwc().expect("a picture");
    let rows = Rows::reduction(h * w, c);
    let n = cx.inputs[0].elements() as u64;
    let bytes = rows.partial_bytes(images) / 2;
    let slots = vec![Input(0), Scratch(0)];
    let sums = Launch::new(&GLOBAL_SUMS, rows, slots, [rows.chunks, rows.tiles(), images as u32]);
    let finish = Launch::new(&GLOBAL_FINISH, rows, vec![Scratch(0), Output(0)], [1, rows.tiles(), images as u32]);
    let launches = vec![sums.costing(n, 4 * n + bytes), finish.costing(bytes / 4, bytes)];
    Work { launches, scratch: vec![bytes] }
}

/// (grad_y) -> grad_x of `shape`.
#[derive(Clone, Debug)]
struct AdaptiveAvgPool2dGrad {
    shape: Shape,
}

impl Op for AdaptiveAvgPool2dGrad {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d.grad"
    }

    fn infer(&self, _node: &str, _inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(&self.shape)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sizes = (&Window::square(1, 1, 0), &self.shape, &cx.inputs[0].shape, Side::Input);
        let launch = pool::launch(cx, &GRAD, sizes, vec![Input(0), Output(0)], |_| ());
        Ok(Work::one(launch.costing(cx.outputs[0].elements() as u64, cx.traffic())))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
