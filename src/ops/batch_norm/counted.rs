//! Training batch norm over some of the pictures of a tensor of fixed capacity: the others are padding, say regions of interest
//! that are fewer than there is room for. What does not count has no part in the statistics, comes out as 0 and passes no gradient on.

use super::dispatch::{GRAD_AFFINE, rows_and_channels};
use super::params::{CountedParams, Params};
use crate::Result;
use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::ops::{GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::tensor::TensorType;

macro_rules! kernel {
    ($name:ident, $label:literal) => {
        pub static $name: Kernel = Kernel {
            label: concat!("batch_norm.", $label),
            source: include_str!(concat!("../../../shaders/batch_norm/", $label, ".wgsl")),
            params: CountedParams::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(MOMENTS, "moments_counted");
kernel!(FINISH, "finish_counted");
kernel!(NORMALISE, "normalise_counted");
kernel!(GRAD_SUMS, "grad_sums_counted");
kernel!(GRAD_LINE, "grad_line_counted");
kernel!(GRAD_X, "grad_x_counted");

/// Training over the pictures that count: (x, weight, bias, running_mean, running_var, counted (N)) -> (y, mean, rstd,
/// new running_mean, new running_var).
///
/// x is (N, H, W, C) or (N, C). Mean and variance are over the pictures n with counted[n] > 0, as [`super::BatchNorm`] takes them of
/// all; y of the others is 0. How many count is known on the device alone, so too few cannot be refused as PyTorch does: where none
/// counts, mean and rstd are 0, and with fewer than two values of a channel the running statistics stay as they are.
/// running_mean and running_var may be overwritten in place.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormCounted {
    /// Added to the variance.
    pub eps: f32,
    /// New running statistic = (1 - momentum) * old + momentum * the batch's.
    pub momentum: f32,
    /// The running variance takes the unbiased one, sum / (n - 1), as in PyTorch; else sum / n.
    pub unbiased: bool,
}

impl Default for BatchNormCounted {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, unbiased: true }
    }
}

impl Op for BatchNormCounted {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [others @ .., counted] = inputs else { return Err(shape_error("batch_norm", node, "inputs", 6, 0)) };
        let x = super::infer(node, others)?;
        let wanted = TensorType::f32([x.shape[0]]);
        if *counted != wanted {
            return Err(shape_error("batch_norm", node, "counted", wanted, counted));
        }
        let channel = TensorType::f32([x.shape.channels()]);
        Ok(vec![x.clone(), channel.clone(), channel.clone(), channel.clone(), channel])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[0];
        let (n, c) = (x.elements() as u64, x.shape.channels() as u64);
        let sums =
            CountedParams { eps: self.eps, momentum: self.momentum, unbiased: self.unbiased.into(), ..reduction(x) };
        let bytes = 16 * u64::from(sums.chunks) * c;
        let merged = [Scratch(0), Input(3), Input(4), Output(1), Output(2), Output(3), Output(4)];
        let sources = [Input(0), Input(1), Input(2), Input(5), Output(1), Output(2), Output(0)];
        let launches = vec![
            over_rows(&MOMENTS, sums, &[Input(0), Input(5), Scratch(0)]).costing(6 * n, 4 * n + bytes),
            Launch::new(&FINISH, sums, merged.to_vec(), [1, tiles(&sums), 1]).costing(bytes, bytes),
            over_rows(&NORMALISE, elementwise(x), &sources).costing(3 * n, 8 * n),
        ];
        Ok(Work { launches, scratch: vec![bytes] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        if cx.grads[1..].iter().any(Option::is_some) {
            return cx
                .not_differentiable("batch_norm", "only y carries a gradient; the statistics are there to be stored");
        }
        let inputs = [cx.grad(), cx.inputs[0], cx.inputs[1], cx.inputs[5], cx.outputs[1], cx.outputs[2]];
        let found = cx.emit_all(CountedGrad, &inputs)?;
        let pick = |i: usize| cx.wanted[i].then(|| found[i]);
        Ok(vec![pick(0), pick(1), pick(2), None, None, None])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(3, 3), (4, 4)]
    }
}

/// (grad_y, x, weight, counted, mean, rstd) -> (grad_x, grad_weight, grad_bias).
#[derive(Clone, Copy, Debug)]
struct CountedGrad;

impl Op for CountedGrad {
    fn name(&self) -> &'static str {
        "batch_norm.grad"
    }

    fn infer(&self, _node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone(), inputs[2].clone(), inputs[2].clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let x = &cx.inputs[1];
        let (n, c) = (x.elements() as u64, x.shape.channels() as u64);
        let sums = reduction(x);
        let bytes = 8 * u64::from(sums.chunks) * c;
        let (rows, channels) = rows_and_channels(x);
        // The partial sums are those of the whole batch's gradient, so its second half serves here too.
        let affine = [Scratch(0), Input(5), Output(1), Output(2), Scratch(2)];
        let line = [Input(2), Input(3), Input(4), Input(5), Output(1), Output(2), Scratch(1)];
        let launches = vec![
            over_rows(&GRAD_SUMS, sums, &[Input(0), Input(1), Input(3), Input(4), Scratch(0)])
                .costing(4 * n, 8 * n + bytes),
            Launch::new(&GRAD_AFFINE, Params::reduction(rows, channels), affine.to_vec(), [1, tiles(&sums), 1])
                .costing(bytes, bytes),
            Launch::new(&GRAD_LINE, sums, line.to_vec(), [sums.channels.div_ceil(256), 1, 1]).costing(4 * c, 36 * c),
            over_rows(&GRAD_X, elementwise(x), &[Input(0), Input(1), Input(3), Scratch(1), Output(0)])
                .costing(5 * n, 12 * n),
        ];
        Ok(Work { launches, scratch: vec![bytes, 16 * c, 8 * c] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable(self.name(), "second derivatives are not offered")
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }
}

/// For a reduction over the rows of x that count.
fn reduction(x: &TensorType) -> CountedParams {
    let (rows, channels) = rows_and_channels(x);
    CountedParams::new(&Params::reduction(rows, channels), x.shape[0])
}

/// For work on each element of x alone.
fn elementwise(x: &TensorType) -> CountedParams {
    let (rows, channels) = rows_and_channels(x);
    CountedParams::new(&Params::elementwise(rows, channels), x.shape[0])
}

/// Workgroups over the channels.
fn tiles(params: &CountedParams) -> u32 {
    params.channels.div_ceil(params.lane_channels)
}

/// A launch with a workgroup for each chunk of rows and tile of channels.
fn over_rows(kernel: &'static Kernel, params: CountedParams, slots: &[Slot]) -> Launch {
    Launch::new(kernel, params, slots.to_vec(), [params.chunks, tiles(&params), 1])
}
