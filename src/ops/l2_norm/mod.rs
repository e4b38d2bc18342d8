//! L2 normalisation over the channels of each pixel, with a learnt scale for each channel (Liu, Rabinovich and Berg, ParseNet, 2015;
//! SSD puts it behind conv4_3): y = x / (norm + eps) * weight.

use super::batch_norm::params::Params;
use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Uniform};
use crate::tensor::{DType, TensorType};

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        static $name: Kernel = Kernel {
            label: concat!("l2_norm.", $file),
            source: include_str!(concat!("../../../shaders/l2_norm/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(FORWARD, "forward");
kernel!(GRAD_X, "grad_x");
kernel!(WEIGHT_CHUNKS, "weight_chunks");
kernel!(WEIGHT_FINISH, "weight_finish");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "l2_norm",
    summary: "x / (norm over the channels + eps) * weight, and the norm of each pixel",
    args: &[Arg::f32("x"), Arg::f32("weight")],
    attrs: &[Attr { name: "eps", default: "1e-10", doc: "added to the norm" }],
    outputs: &["y", "norm"],
    gradient: Ok(()),
    kernels: &[&FORWARD, &GRAD_X, &WEIGHT_CHUNKS, &WEIGHT_FINISH],
    build: |attrs, _| Ok(Built::images(L2Norm { eps: attrs.float("eps", 1e-10)? }, 2, 2)),
};

/// x (N, H, W, C) or (N, C) and weight (C) -> y of x's shape and norm, whose last extent is 1.
#[derive(Clone, Copy, Debug)]
pub struct L2Norm {
    /// Added to the norm.
    pub eps: f32,
}

/// Lanes for work by pixel: several pixels to a workgroup, each shared by enough lanes for its channels.
fn by_pixel(x: &TensorType, eps: f32) -> (Params, [u32; 3]) {
    let channels = x.shape.channels();
    let pixels = x.elements() / channels;
    let lane_rows = channels.div_ceil(2).next_power_of_two().clamp(1, 256);
    let lane_channels = 256 / lane_rows;
    let params = Params {
        rows: pixels as u32,
        channels: channels as u32,
        lane_channels: lane_channels as u32,
        lane_rows: lane_rows as u32,
        half_rows: (lane_rows / 2) as u32,
        eps,
        ..Default::default()
    };
    (params, [pixels.div_ceil(lane_channels) as u32, 1, 1])
}

impl Op for L2Norm {
    fn name(&self) -> &'static str {
        "l2_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [x, weight] = inputs else {
            return Err(shape_error("l2_norm", node, "inputs", "x, weight", inputs.len()));
        };
        if x.dtype != DType::F32 || !matches!(x.shape.rank(), 2 | 4) || x.elements() == 0 {
            return Err(shape_error("l2_norm", node, "x", "f32(N, H, W, C) or f32(N, C)", x));
        }
        let channel = TensorType::f32([x.shape.channels()]);
        if *weight != channel {
            return Err(shape_error("l2_norm", node, "weight", channel, weight));
        }
        let mut norm = x.shape.to_vec();
        *norm.last_mut().expect("rank 2 or 4") = 1;
        Ok(vec![x.clone(), TensorType::f32(norm)])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (params, grid) = by_pixel(&cx.inputs[0], self.eps);
        let slots = vec![Input(0), Input(1), Output(0), Output(1)];
        let cost = cx.elementwise(5);
        Ok(Work::one(Launch::new(&FORWARD, params, slots, grid).costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.grads[1].is_some() {
            return cx.not_differentiable(self.name(), "only y carries a gradient; the norm is there to be read");
        }
        let (grad_y, x, weight, norm) = (cx.grad(), cx.inputs[0], cx.inputs[1], cx.outputs[1]);
        let (mut grad_x, mut grad_weight) = (None, None);
        if cx.wanted[0] {
            grad_x = Some(cx.emit(InputGrad(*self), &[grad_y, x, weight, norm])?);
        }
        if cx.wanted[1] {
            grad_weight = Some(cx.emit(WeightGrad(*self), &[grad_y, x, norm])?);
        }
        Ok(vec![grad_x, grad_weight])
    }
}

/// (grad_y, x, weight, norm) -> grad_x.
#[derive(Clone, Copy, Debug)]
struct InputGrad(L2Norm);

impl Op for InputGrad {
    fn name(&self) -> &'static str {
        "l2_norm.grad_x"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let (params, grid) = by_pixel(&cx.inputs[0], self.0.eps);
        let slots = vec![Input(0), Input(1), Input(2), Input(3), Output(0)];
        let cost = cx.elementwise(8);
        Ok(Work::one(Launch::new(&GRAD_X, params, slots, grid).costing(cost.flops, cost.bytes)))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}

/// (grad_y, x, norm) -> grad_weight.
#[derive(Clone, Copy, Debug)]
struct WeightGrad(L2Norm);

impl Op for WeightGrad {
    fn name(&self) -> &'static str {
        "l2_norm.grad_weight"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32([inputs[0].shape.channels()])])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let channels = cx.inputs[0].shape.channels();
        let n = cx.inputs[0].elements();
        let params = Params { eps: self.0.eps, ..Params::reduction(n / channels, channels) };
        let bytes = params.partial_bytes(1) / 2;
        let slots = vec![Input(0), Input(1), Input(2), Scratch(0)];
        let chunks = Launch::new(&WEIGHT_CHUNKS, params, slots, [params.chunks, params.tiles(), 1]);
        let finish = Launch::new(&WEIGHT_FINISH, params, vec![Scratch(0), Output(0)], [1, params.tiles(), 1]);
        let launches = vec![chunks.costing(3 * n as u64, 8 * n as u64), finish.costing(bytes, bytes)];
        Ok(Work { launches, scratch: vec![bytes] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }
}
