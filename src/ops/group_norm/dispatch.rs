//! Kernels of the norms whose statistics belong to parts of a sample, and their grids. A tensor is seen as
//! [`Segments`]; group, instance and layer norm differ in that and in what is done to the result.

use crate::gpu::Slot::{Input, Output, Scratch};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform, Variant};
use crate::ops::batch_norm::dispatch::{elementwise, moments, reduction};
use crate::ops::batch_norm::params::Params as Rows;
use crate::ops::lanes::{Wide, wide};
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
    /// Uniform of all kernels of the room, `shaders/lib/segments.wgsl`; what `rows` counts is said in each.
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
        images: u32,
        affine: u32,
        eps: f32,
        leak: f32,
        pad0: u32,
        pad1: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal, $variants:expr) => {
        pub static $name: Kernel = Kernel {
            label: concat!("group_norm.", $file),
            source: include_str!(concat!("../../../shaders/group_norm/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: $variants,
            needs: Needs::Nothing,
        };
    };
}

kernel!(FINISH, "finish", &[]);
kernel!(ROW_MOMENTS, "row_moments", &[]);
kernel!(GRAD_FINISH, "grad_finish", &[]);
kernel!(ROW_GRADS, "row_grads", &[BY_ELEMENT]);
kernel!(AFFINE_CHUNKS, "affine_chunks", &[BY_ELEMENT]);
kernel!(AFFINE_FINISH, "affine_finish", &[BY_CHANNEL]);
wide!(pub NORMALISE, "group_norm.normalise", "group_norm/normalise.wgsl", Params, &[BY_ROW, BY_ELEMENT, BOTH]);
wide!(pub GRAD_SUMS, "group_norm.grad_sums", "group_norm/grad_sums.wgsl", Params, &[BY_ELEMENT]);
wide!(pub GRAD_X, "group_norm.grad_x", "group_norm/grad_x.wgsl", Params, &[BY_ROW, BY_ELEMENT, BOTH]);

/// A segment is one row.
const BY_ROW: Variant = &[("BY_ROW", 1.0)];
/// Weights are those of elements, and lie in as many rows as a plane.
const BY_ELEMENT: Variant = &[("BY_ELEMENT", 1.0)];
/// Rows that are segments, each channel a group of its own: all have one weight.
const BOTH: Variant = &[("BY_ROW", 1.0), ("BY_ELEMENT", 1.0)];
/// The partial results are those of each image's channels.
const BY_CHANNEL: Variant = &[("BY_CHANNEL", 1.0)];

/// One use of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The view of x.
    pub segments: Segments,
    /// Whether there are weight and bias.
    pub affine: bool,
    /// Slope of the rectifier below zero; 1 for none.
    pub leak: f32,
}

impl Use {
    /// Whether weights are looked up as those of elements. Where a segment is one row of one group its elements are the channels.
    fn looks_up_elements(&self) -> bool {
        let s = &self.segments;
        self.affine && s.by_element && (s.plane > 1 || s.groups > 1)
    }

    /// The switch of kernels that look weights up.
    fn by_element(&self) -> Variant {
        if self.looks_up_elements() { BY_ELEMENT } else { &[] }
    }

    /// The switch of kernels that tell rows from planes.
    fn by_row(&self) -> Variant {
        if self.segments.plane == 1 { BY_ROW } else { &[] }
    }

    /// The uniform for lanes laid out for (rows, channels).
    fn params(&self, rows: Rows) -> Params {
        let s = &self.segments;
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
            images: 1,
            affine: u32::from(self.affine),
            leak: self.leak,
            ..Default::default()
        }
    }

    /// How many channels a lane takes: four only where they share a group.
    fn lanes(&self) -> u32 {
        if self.segments.per_group.is_multiple_of(4) { 4 } else { 1 }
    }

    /// Several segments to a workgroup, each shared by enough lanes for its `items`; `like` says the rest.
    fn by_segment(&self, items: usize, like: Params) -> (Params, [u32; 3]) {
        let lane_rows = items.div_ceil(2).next_power_of_two().clamp(1, 256);
        let lane_channels = 256 / lane_rows;
        let rows = self.segments.count();
        let params = Params {
            rows: rows as u32,
            lane_channels: lane_channels as u32,
            lane_rows: lane_rows as u32,
            half_rows: (lane_rows / 2) as u32,
            ..like
        };
        (params, [rows.div_ceil(lane_channels) as u32, 1, 1])
    }

    /// A launch of `kernel` for each element: over the rows of each image, or over those of all where a segment is one.
    fn elementwise(&self, cx: &LaunchCx<'_>, kernel: &'static Wide, slots: Vec<Slot>) -> Launch {
        let (s, lanes) = (&self.segments, self.lanes());
        let (kernel, _) = kernel.pick(lanes == 4);
        let (rows, images) = if s.plane == 1 { (s.images, 1) } else { (s.plane, s.images) };
        let rows = elementwise(cx, rows, s.channels() / lanes as usize);
        let params = Params { per_group: s.per_group as u32 / lanes, ..self.params(rows) };
        Launch::new(kernel, params, slots, [rows.chunks, rows.tiles(), images as u32])
            .with(self.by_row())
            .with(self.by_element())
    }
}

/// Inputs (x, [weight, bias]), outputs (y, mean, rstd).
pub fn forward(of: Use, eps: f32, cx: &LaunchCx<'_>) -> Work {
    let s = &of.segments;
    let n = s.elements();
    let mut scratch = Vec::new();
    let mut launches = Vec::new();
    if s.plane == 1 {
        let rows = Params { eps, ..of.params(Rows::reduction(1, s.channels())) };
        let (p, grid) = of.by_segment(s.per_group, rows);
        let slots = vec![Input(0), Output(1), Output(2)];
        launches.push(Launch::new(&ROW_MOMENTS, p, slots, grid).costing(6 * n, 4 * n));
    } else {
        let rows = reduction(cx, s.plane, s.channels());
        scratch.push(rows.partial_bytes(s.images));
        launches.push(moments(s.images, rows, Input(0), Scratch(0)));
        let like = Params { eps, ..of.params(rows) };
        let (p, grid) = of.by_segment(rows.chunks as usize * s.per_group, like);
        let slots = vec![Input(0), Scratch(0), Output(1), Output(2)];
        launches.push(Launch::new(&FINISH, p, slots, grid).costing(scratch[0], scratch[0]));
    }
    let (weight, bias) = if of.affine { (Input(1), Input(2)) } else { (unused(&mut scratch), unused(&mut scratch)) };
    let slots = vec![Input(0), weight, bias, Output(1), Output(2), Output(0)];
    launches.push(of.elementwise(cx, &NORMALISE, slots).costing(4 * n, 8 * n));
    Work { launches, scratch }
}

/// Inputs (grad_y, x, mean, rstd, [weight, bias]), outputs (grad_x, [grad_weight, grad_bias]).
pub fn grad(of: Use, cx: &LaunchCx<'_>) -> Work {
    let s = &of.segments;
    let n = s.elements();
    let mut scratch = vec![8 * s.count() as u64];
    let sums = Scratch(0);
    let (weight, bias) = if of.affine { (Input(4), Input(5)) } else { (unused(&mut scratch), unused(&mut scratch)) };
    let all = [Input(0), Input(1), weight, bias, Input(2), Input(3)];
    let slots = |last: Slot| all.into_iter().chain([last]).collect::<Vec<_>>();
    let mut launches = Vec::new();
    // The partial results of each weight, and how they are finished, where the sums of segments have them at hand.
    let mut of_channels = None;
    if s.plane == 1 {
        let (p, grid) = of.by_segment(s.per_group, of.params(Rows::reduction(1, s.channels())));
        let launch = Launch::new(&ROW_GRADS, p, slots(sums), grid).with(of.by_element());
        launches.push(launch.costing(5 * n, 8 * n));
    } else {
        let rows = reduction(cx, s.plane, s.channels());
        let partials = Scratch(scratch.len());
        let bytes = rows.partial_bytes(s.images);
        scratch.push(bytes);
        let lanes = of.lanes();
        let wide = rows.in_lanes(lanes);
        let p = Params { per_group: s.per_group as u32 / lanes, ..of.params(wide) };
        let grid = [wide.chunks, wide.tiles(), s.images as u32];
        let (kernel, _) = GRAD_SUMS.pick(lanes == 4);
        let launch = Launch::new(kernel, p, slots(partials), grid).with(of.by_element());
        launches.push(launch.costing(7 * n, 8 * n + bytes));
        let like = of.params(rows);
        let (p, grid) = of.by_segment(rows.chunks as usize * s.per_group, like);
        let p = Params { affine: u32::from(of.affine && !of.looks_up_elements()), ..p };
        launches.push(Launch::new(&GRAD_FINISH, p, vec![partials, weight, sums], grid).costing(bytes, bytes));
        of_channels =
            (!of.looks_up_elements()).then_some((Params { images: s.images as u32, ..like }, partials, BY_CHANNEL));
    }
    if of.affine {
        let (p, partials, how) = of_channels.unwrap_or_else(|| {
            let weights = cx.outputs[1].elements();
            let rows = Rows::reduction(n as usize / weights, weights);
            let partials = Scratch(scratch.len());
            let bytes = rows.partial_bytes(1);
            scratch.push(bytes);
            let p = of.params(rows);
            let grid = [rows.chunks, rows.tiles(), 1];
            let launch = Launch::new(&AFFINE_CHUNKS, p, slots(partials), grid).with(of.by_element());
            launches.push(launch.costing(8 * n, 8 * n + bytes));
            (p, partials, &[][..])
        });
        let slots = vec![partials, Input(3), Output(1), Output(2)];
        let grid = [1, p.channels.div_ceil(p.lane_channels), 1];
        let bytes = 8 * u64::from(p.images) * u64::from(p.chunks) * u64::from(p.channels);
        launches.push(Launch::new(&AFFINE_FINISH, p, slots, grid).with(how).costing(bytes, bytes));
    }
    let slots = all.into_iter().chain([sums, Output(0)]).collect();
    launches.push(of.elementwise(cx, &GRAD_X, slots).costing(10 * n, 12 * n));
    Work { launches, scratch }
}

/// A binding that a kernel without weights names but does not read.
fn unused(scratch: &mut Vec<u64>) -> Slot {
    scratch.push(16);
    Scratch(scratch.len() - 1)
}
