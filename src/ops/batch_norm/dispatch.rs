//! Kernels of batch norm and their grids. [`moments`] also serves the other normalisations.

use super::params::Params;
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::ops::{LaunchCx, Work};
use crate::tensor::TensorType;

macro_rules! kernel {
    ($name:ident, $label:literal, $file:literal) => {
        pub static $name: Kernel = Kernel {
            label: concat!("batch_norm.", $label),
            source: include_str!(concat!("../../../shaders/batch_norm/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(MOMENTS, "moments", "moments");
kernel!(FINISH, "finish", "finish");
kernel!(NORMALISE, "normalise", "normalise");
kernel!(GRAD_SUMS, "grad_sums", "grad_sums");
kernel!(GRAD_AFFINE, "grad_affine", "grad_affine");
kernel!(GRAD_X, "grad_x", "grad_x");
kernel!(GRAD_X_FROZEN, "grad_x_frozen", "grad_x_frozen");

/// Rows and channels of an input: everything but the last dimension, and the last.
pub fn rows_and_channels(x: &TensorType) -> (usize, usize) {
    let channels = x.shape.channels();
    (x.elements() / channels, channels)
}

/// Means and squared deviations of `images` images, (images, chunks, channels) pairs.
pub fn moments(images: usize, params: Params, x: Slot, partials: Slot) -> Launch {
    let n = images as u64 * u64::from(params.rows) * u64::from(params.channels);
    Launch::new(&MOMENTS, params, vec![x, partials], [params.chunks, params.tiles(), images as u32])
        .costing(6 * n, 4 * n + params.partial_bytes(images))
}

/// Inputs (x, weight, bias, running_mean, running_var), outputs (y, mean, rstd, running_mean, running_var).
pub fn training(cx: &LaunchCx<'_>, eps: f32, momentum: f32, unbiased: bool) -> Work {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let stats = Params::reduction(rows, channels);
    let partials = Slot::Scratch(0);
    let variance_scale = if unbiased { rows as f32 / (rows as f32 - 1.0) } else { 1.0 };
    let bytes = stats.partial_bytes(1);
    let merged = vec![
        Slot::Input(0),
        partials,
        Slot::Input(3),
        Slot::Input(4),
        Slot::Output(1),
        Slot::Output(2),
        Slot::Output(3),
        Slot::Output(4),
    ];
    let finish = Params { eps, momentum, variance_scale, ..stats };
    let finish = Launch::new(&FINISH, finish, merged, [1, stats.tiles(), 1]).costing(bytes, bytes);
    let sources = [Slot::Input(0), Slot::Input(1), Slot::Input(2), Slot::Output(1), Slot::Output(2)];
    let launches = vec![moments(1, stats, Slot::Input(0), partials), finish, normalise(cx, sources, None)];
    Work { launches, scratch: vec![bytes] }
}

/// y from (x, weight, bias, mean, rstd), or from (x, weight, bias, mean, variance) with the `eps` of the variance.
pub fn normalise(cx: &LaunchCx<'_>, sources: [Slot; 5], eps: Option<f32>) -> Launch {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let params = with_eps(Params::elementwise(rows, channels), eps);
    let slots = sources.into_iter().chain([Slot::Output(0)]).collect();
    let n = cx.inputs[0].elements() as u64;
    Launch::new(&NORMALISE, params, slots, [params.chunks, params.tiles(), 1]).costing(3 * n, 8 * n)
}

/// The sums behind grad_weight and grad_bias, and the two themselves. `spread` is rstd, or the variance with its `eps`.
pub fn grad_affine(
    cx: &LaunchCx<'_>,
    [grad_y, x, mean, spread]: [Slot; 4],
    [grad_weight, grad_bias]: [Slot; 2],
    eps: Option<f32>,
) -> Work {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let params = with_eps(Params::reduction(rows, channels), eps);
    let n = cx.inputs[0].elements() as u64;
    let bytes = params.partial_bytes(1);
    let partials = Slot::Scratch(0);
    let sums = Launch::new(&GRAD_SUMS, params, vec![grad_y, x, mean, partials], [params.chunks, params.tiles(), 1])
        .costing(4 * n, 8 * n + bytes);
    let slots = vec![partials, spread, grad_weight, grad_bias];
    let finish = Launch::new(&GRAD_AFFINE, params, slots, [1, params.tiles(), 1]).costing(bytes, bytes);
    Work { launches: vec![sums, finish], scratch: vec![bytes] }
}

/// grad_x of the training form, after grad_affine: slots (grad_y, x, weight, mean, rstd, grad_weight, grad_bias, grad_x).
pub fn grad_x(cx: &LaunchCx<'_>, slots: Vec<Slot>) -> Launch {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let params = Params::elementwise(rows, channels);
    let n = cx.inputs[0].elements() as u64;
    Launch::new(&GRAD_X, params, slots, [params.chunks, params.tiles(), 1]).costing(5 * n, 12 * n)
}

/// grad_x of the evaluation form: slots (grad_y, weight, variance, grad_x).
pub fn grad_x_frozen(cx: &LaunchCx<'_>, slots: Vec<Slot>, eps: f32) -> Launch {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let params = with_eps(Params::elementwise(rows, channels), Some(eps));
    let n = cx.inputs[0].elements() as u64;
    Launch::new(&GRAD_X_FROZEN, params, slots, [params.chunks, params.tiles(), 1]).costing(n, 8 * n)
}

fn with_eps(params: Params, eps: Option<f32>) -> Params {
    Params { eps: eps.unwrap_or(0.0), from_variance: u32::from(eps.is_some()), ..params }
}
