//! Kernels of batch norm and their grids. [`moments`] also serves the other normalisations.

use super::params::Params;
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Slot, Uniform};
use crate::ops::lanes::wide;
use crate::ops::{LaunchCx, Work};
use crate::tensor::TensorType;

macro_rules! kernel {
    ($name:ident, $label:literal) => {
        pub static $name: Kernel = Kernel {
            label: concat!("batch_norm.", $label),
            source: include_str!(concat!("../../../shaders/batch_norm/", $label, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

wide!(pub MOMENTS, "batch_norm.moments", "batch_norm/moments.wgsl", Params);
wide!(pub NORMALISE, "batch_norm.normalise", "batch_norm/normalise.wgsl", Params, &[RESIDUAL]);
wide!(pub GRAD_SUMS, "batch_norm.grad_sums", "batch_norm/grad_sums.wgsl", Params);
wide!(pub GRAD_SUMS_KEPT, "batch_norm.grad_sums_kept", "batch_norm/grad_sums_kept.wgsl", Params);
wide!(pub GRAD_X, "batch_norm.grad_x", "batch_norm/grad_x.wgsl", Params);
wide!(pub GRAD_X_FROZEN, "batch_norm.grad_x_frozen", "batch_norm/grad_x_frozen.wgsl", Params, &[RESIDUAL]);
kernel!(FINISH, "finish");
kernel!(GRAD_AFFINE, "grad_affine");

/// Override of the kernels that add, or pass on, a residual.
const RESIDUAL: &[(&str, f64)] = &[("RESIDUAL", 1.0)];

/// Numbers and switches of one use of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Slope of the rectifier below zero; 1 for none.
    pub leak: f32,
    /// Added to the variance, where the kernel is given variances; `None` where it is given 1 / standard deviation.
    pub eps: Option<f32>,
}

impl Use {
    /// No rectifier, no variance.
    pub const PLAIN: Self = Self { leak: 1.0, eps: None };
}

/// Rows and channels of an input: everything but the last dimension, and the last.
pub fn rows_and_channels(x: &TensorType) -> (usize, usize) {
    let channels = x.shape.channels();
    (x.elements() / channels, channels)
}

/// Means and squared deviations of `images` images, (images, chunks, channels) pairs.
pub fn moments(images: usize, params: Params, x: Slot, partials: Slot) -> Launch {
    let n = images as u64 * u64::from(params.rows) * u64::from(params.channels);
    let (kernel, lanes) = MOMENTS.pick(params.channels.is_multiple_of(4));
    let wide = params.in_lanes(lanes);
    Launch::new(kernel, wide, vec![x, partials], [wide.chunks, wide.tiles(), images as u32])
        .costing(6 * n, 4 * n + params.partial_bytes(images))
}

/// Inputs (x, weight, bias, running_mean, running_var, [residual]), outputs (y, mean, rstd, running_mean, running_var).
pub fn training(cx: &LaunchCx<'_>, eps: f32, momentum: f32, unbiased: bool, leak: f32) -> Work {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let stats = reduction(cx, rows, channels);
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
    let normalise = normalise(cx, sources, Use { leak, eps: None });
    Work { launches: vec![moments(1, stats, Slot::Input(0), partials), finish, normalise], scratch: vec![bytes] }
}

/// y from (x, weight, bias, mean, rstd), or from (x, weight, bias, mean, variance) with the `eps` of the variance. A sixth input is
/// the residual.
pub fn normalise(cx: &LaunchCx<'_>, sources: [Slot; 5], of: Use) -> Launch {
    let residual = cx.inputs.len() == 6;
    // The weight stands in for an absent residual.
    let added = Slot::Input(if residual { 5 } else { 1 });
    let slots = sources.into_iter().chain([added, Slot::Output(0)]).collect();
    let n = cx.inputs[0].elements() as u64;
    let (kernel, params) = each(cx, &NORMALISE, of);
    let launch = Launch::new(kernel, params, slots, [params.chunks, params.tiles(), 1]);
    match residual {
        true => launch.with(RESIDUAL).costing(5 * n, 12 * n),
        false => launch.costing(4 * n, 8 * n),
    }
}

/// The sums behind grad_weight and grad_bias, and the two themselves; scratch 1 then holds (grad_bias, grad_weight).
/// `sources` are (grad_y, x, weight, bias, mean, spread): spread is rstd, or the variance with its `eps`.
pub fn grad_affine(cx: &LaunchCx<'_>, sources: [Slot; 6], affine: [Slot; 2], of: Use) -> Work {
    let slots = sources.into_iter().chain([Slot::Scratch(0)]).collect();
    summed(cx, GRAD_SUMS.pick(fours(cx)), slots, sources[5], affine, of)
}

/// [`grad_affine`] by the sign of y: `sources` are (grad_y, x, y, mean, spread), and `masked` gets the gradient before the rectifier.
pub fn grad_affine_kept(
    cx: &LaunchCx<'_>,
    [grad_y, x, y, mean, spread]: [Slot; 5],
    affine: [Slot; 2],
    masked: Slot,
    of: Use,
) -> Work {
    let slots = vec![grad_y, x, y, mean, Slot::Scratch(0), masked];
    summed(cx, GRAD_SUMS_KEPT.pick(fours(cx)), slots, spread, affine, of)
}

fn summed(
    cx: &LaunchCx<'_>,
    (kernel, lanes): (&'static Kernel, u32),
    slots: Vec<Slot>,
    spread: Slot,
    [grad_weight, grad_bias]: [Slot; 2],
    of: Use,
) -> Work {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let params = with(reduction(cx, rows, channels), of);
    let n = cx.inputs[0].elements() as u64;
    let bytes = params.partial_bytes(1);
    let wide = params.in_lanes(lanes);
    let sums = Launch::new(kernel, wide, slots, [wide.chunks, wide.tiles(), 1]).costing(6 * n, 8 * n + bytes);
    let slots = vec![Slot::Scratch(0), spread, grad_weight, grad_bias, Slot::Scratch(1)];
    let finish = Launch::new(&GRAD_AFFINE, params, slots, [1, params.tiles(), 1]).costing(bytes, bytes);
    Work { launches: vec![sums, finish], scratch: vec![bytes, 8 * channels as u64] }
}

/// grad_x of the training form, after grad_affine: slots (grad_y, x, weight, bias, mean, rstd, both, grad_x).
pub fn grad_x(cx: &LaunchCx<'_>, slots: Vec<Slot>, leak: f32) -> Launch {
    let (kernel, params) = each(cx, &GRAD_X, Use { leak, eps: None });
    let n = cx.inputs[0].elements() as u64;
    Launch::new(kernel, params, slots, [params.chunks, params.tiles(), 1]).costing(8 * n, 12 * n)
}

/// grad_x of the evaluation form: slots (grad_y, y, weight, variance, grad_x, masked); `masked` is written where there is a residual.
pub fn grad_x_frozen(cx: &LaunchCx<'_>, slots: Vec<Slot>, of: Use, residual: bool) -> Launch {
    let (kernel, params) = each(cx, &GRAD_X_FROZEN, of);
    let n = cx.inputs[0].elements() as u64;
    let launch = Launch::new(kernel, params, slots, [params.chunks, params.tiles(), 1]);
    match residual {
        true => launch.with(RESIDUAL).costing(2 * n, 16 * n),
        false => launch.costing(2 * n, 12 * n),
    }
}

/// The kernel for work on each element of x alone, and its uniform.
fn each(cx: &LaunchCx<'_>, kernel: &'static crate::ops::lanes::Wide, of: Use) -> (&'static Kernel, Params) {
    let (rows, channels) = rows_and_channels(&cx.inputs[0]);
    let (kernel, lanes) = kernel.pick(fours(cx));
    (kernel, with(elementwise(cx, rows, channels / lanes as usize), of))
}

/// Work on each element of (rows, channels) alone.
pub fn elementwise(cx: &LaunchCx<'_>, rows: usize, channels: usize) -> Params {
    Params::elementwise_of(rows, channels, if few_cores(cx) { 32 } else { 8 })
}

/// A reduction over the rows of each channel.
pub fn reduction(cx: &LaunchCx<'_>, rows: usize, channels: usize) -> Params {
    Params::reduction_of(rows, channels, if few_cores(cx) { 64 } else { 16 })
}

/// Whether long chunks pay: what a lane fetches for its channel and what its workgroup merges it does once for a chunk, and there are
/// few cores to fill.
fn few_cores(cx: &LaunchCx<'_>) -> bool {
    cx.profile.kind == DeviceKind::Software
}

fn fours(cx: &LaunchCx<'_>) -> bool {
    cx.inputs[0].shape.channels().is_multiple_of(4)
}

fn with(params: Params, Use { leak, eps }: Use) -> Params {
    Params { leak, eps: eps.unwrap_or(0.0), from_variance: u32::from(eps.is_some()), ..params }
}
