//! Kernels of the norms whose statistics belong to parts of a sample, and their grids. A tensor is seen as
//! [`Segments`]; group, instance and layer norm differ in nothing else.

use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Cost, Kernel, Launch, Needs, Slot, Uniform};
use crate::ops::batch_norm::{dispatch::moments, params::Params as Rows};
use crate::ops::{LaunchCx, Work};

/// A tensor as (images, plane, groups, per_group), normalised over plane and per_group: one mean for each image and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Outermost extent.
    pub images: usize,
    /// Extent that is normalised over, outside the channels.
    pub plane: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Channels in a group.
    pub per_group: usize,
    /// Weight and bias have an element for each (plane, per_group); else for each channel, groups * per_group.
    pub by_element: bool,
}

impl Segments {
    fn channels(&self) -> usize {
        self.groups * self.per_group
    }

    /// Number of means.
    pub fn count(&self) -> usize {
        self.images * self.groups
    }

    fn elements(&self) -> u64 {
        (self.images * self.plane * self.channels()) as u64
    }
}

crate::uniform! {
    /// Uniform of all kernels of the room; what `rows` and `channels` count is said in each.
    pub struct Params {
        rows: u32,
        channels: u32,
        lane_channels: u32,
        lane_rows: u32,
        half_rows: u32,
        chunks: u32,
        chunk_rows: u32,
        plane: u32,
        groups: u32,
        per_group: u32,
        affine: u32,
        by_element: u32,
        eps: f32,
        pad0: u32,
        pad1: u32,
        pad2: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        pub static $name: Kernel = Kernel {
            label: concat!("group_norm.", $file),
            source: include_str!(concat!("../../../shaders/group_norm/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(FINISH, "finish");
kernel!(ROW_MOMENTS, "row_moments");
kernel!(NORMALISE, "normalise");
kernel!(GRAD_CHUNKS, "grad_chunks");
kernel!(GRAD_FINISH, "grad_finish");
kernel!(ROW_GRADS, "row_grads");
kernel!(GRAD_X, "grad_x");
kernel!(AFFINE_CHUNKS, "affine_chunks");
kernel!(AFFINE_FINISH, "affine_finish");

/// The segments on lanes laid out for (rows, channels).
fn params(s: &Segments, rows: Rows, affine: bool, eps: f32) -> Params {
    Params {
        rows: rows.rows,
        channels: rows.channels,
        lane_channels: rows.lane_channels,
        lane_rows: rows.lane_rows,
        half_rows: rows.half_rows,
        chunks: rows.chunks,
        chunk_rows: rows.chunk_rows,
        plane: s.plane as u32,
        groups: s.groups as u32,
        per_group: s.per_group as u32,
        affine: u32::from(affine),
        by_element: u32::from(s.by_element),
        eps,
        ..Default::default()
    }
}

/// Several segments to a workgroup, each shared by enough lanes for its `items`; `like` says the rest.
fn by_segment(s: &Segments, items: usize, like: Params) -> (Params, [u32; 3]) {
    let lane_rows = items.div_ceil(2).next_power_of_two().clamp(1, 256);
    let lane_channels = 256 / lane_rows;
    let rows = s.count();
    let params = Params {
        rows: rows as u32,
        lane_channels: lane_channels as u32,
        lane_rows: lane_rows as u32,
        half_rows: (lane_rows / 2) as u32,
        ..like
    };
    (params, [rows.div_ceil(lane_channels) as u32, 1, 1])
}

/// Inputs (x, [weight, bias]), outputs (y, mean, rstd).
pub fn forward(s: &Segments, affine: bool, eps: f32) -> Work {
    let n = s.elements();
    let mut scratch = Vec::new();
    let mut launches = Vec::new();
    if s.plane == 1 {
        let rows = params(s, Rows::reduction(1, s.channels()), affine, eps);
        let (p, grid) = by_segment(s, s.per_group, rows);
        let slots = vec![Input(0), Output(1), Output(2)];
        launches.push(Launch::new(&ROW_MOMENTS, p, slots, grid).costing(6 * n, 4 * n));
    } else {
        let rows = Rows::reduction(s.plane, s.channels());
        scratch.push(rows.partial_bytes(s.images));
        launches.push(moments(s.images, rows, Input(0), Scratch(0)));
        let (p, grid) = by_segment(s, rows.chunks as usize * s.per_group, params(s, rows, affine, eps));
        let slots = vec![Input(0), Scratch(0), Output(1), Output(2)];
        launches.push(Launch::new(&FINISH, p, slots, grid).costing(scratch[0], scratch[0]));
    }
    let (weight, bias) = if affine { (Input(1), Input(2)) } else { (unused(&mut scratch), unused(&mut scratch)) };
    let rows = Rows::elementwise(s.images * s.plane, s.channels());
    let slots = vec![Input(0), weight, bias, Output(1), Output(2), Output(0)];
    let grid = [rows.chunks, rows.tiles(), 1];
    launches.push(Launch::new(&NORMALISE, params(s, rows, affine, eps), slots, grid).costing(4 * n, 8 * n));
    Work { launches, scratch }
}

/// Inputs (grad_y, x, mean, rstd, [weight]), outputs (grad_x, [grad_weight, grad_bias]).
pub fn grad(s: &Segments, affine: bool, cx: &LaunchCx<'_>) -> Work {
    let n = s.elements();
    let cost = Cost { flops: 5 * n, bytes: 8 * n };
    let mut scratch = vec![8 * s.count() as u64];
    let sums = Scratch(0);
    let weight = if affine { Input(4) } else { unused(&mut scratch) };
    let mut launches = Vec::new();
    let mut push = |kernel, params, slots, grid, cost: Cost| {
        launches.push(Launch::new(kernel, params, slots, grid).costing(cost.flops, cost.bytes));
    };
    if s.plane == 1 {
        let rows = params(s, Rows::reduction(1, s.channels()), affine, 0.0);
        let (p, grid) = by_segment(s, s.per_group, rows);
        push(&ROW_GRADS, p, vec![Input(0), Input(1), weight, Input(2), sums], grid, cost);
    } else {
        let rows = Rows::reduction(s.plane, s.channels());
        let bytes = rows.partial_bytes(s.images);
        let partials = Scratch(scratch.len());
        scratch.push(bytes);
        let all = params(s, rows, affine, 0.0);
        let grid = [rows.chunks, rows.tiles(), s.images as u32];
        push(&GRAD_CHUNKS, all, vec![Input(0), Input(1), weight, Input(2), partials], grid, cost);
        let (p, grid) = by_segment(s, rows.chunks as usize * s.per_group, all);
        push(&GRAD_FINISH, p, vec![partials, sums], grid, Cost { flops: bytes, bytes });
    }
    if affine {
        let weights = cx.outputs[1].elements();
        let rows = Rows::reduction(n as usize / weights, weights);
        let bytes = rows.partial_bytes(1);
        let partials = Scratch(scratch.len());
        scratch.push(bytes);
        let p = params(s, rows, affine, 0.0);
        let slots = vec![Input(0), Input(1), Input(2), Input(3), partials];
        push(&AFFINE_CHUNKS, p, slots, [rows.chunks, rows.tiles(), 1], cost);
        let slots = vec![partials, Output(1), Output(2)];
        push(&AFFINE_FINISH, p, slots, [1, rows.tiles(), 1], Cost { flops: bytes, bytes });
    }
    let rows = Rows::elementwise(s.images * s.plane, s.channels());
    let slots = vec![Input(0), Input(1), weight, Input(2), Input(3), sums, Output(0)];
    let cost = Cost { flops: 8 * n, bytes: 12 * n };
    push(&GRAD_X, params(s, rows, affine, 0.0), slots, [rows.chunks, rows.tiles(), 1], cost);
    Work { launches, scratch }
}

/// A binding that a kernel without weights names but does not read.
fn unused(scratch: &mut Vec<u64>) -> Slot {
    scratch.push(16);
    Scratch(scratch.len() - 1)
}
