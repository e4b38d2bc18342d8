//! Winograd's convolution: F(2x2, 3x3) and F(4x4, 3x3) for kernels of 3x3 at stride and dilation 1, with 16 and 36 products for 4 and 16 outputs where the
//! definition has 36 and 144. Forward and input gradient alike, since both are gathers.
//!
//! Three transforms of its own around a product of matrices, one for each pair of points, which is a grouped 1x1 convolution of the kernels that
//! `dispatch` has. Decision 18 has the points, the bound on the error and the layout; `docs/benchmarks.md` the numbers behind [`pick`].

use super::dispatch::{Fused, Variant, gather, gather_ways, kernel, lanes, wanted};
use super::geometry::{Axis, Gather};
use super::params::WinogradParams;
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Profile, Slot, Uniform};
use crate::ops::{LaunchCx, OpRef, Ways, Work};
use crate::tensor::DType;

kernel!(WINOGRAD_INPUT, "conv2d.winograd_input", "winograd_input.wgsl", WinogradParams, &[]);
kernel!(WINOGRAD_OUTPUT, "conv2d.winograd_output", "winograd_output.wgsl", WinogradParams, &[]);
kernel!(WINOGRAD_WEIGHT, "conv2d.winograd_weight", "winograd_weight.wgsl", WinogradParams, &[]);

/// Channels behind the matrices of a tile: rows a power of two apart would fall into few sets of a processor's cache.
const SPARE: usize = 16;

/// Bytes of the tiles at Winograd's points that are made at a time, of the wider of input and output.
const RANGE: usize = 8 << 20;

/// Bytes of a weight at Winograd's points, at most, where it is made in each run.
const WEIGHT: u64 = 20 << 20;

/// Outputs along a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// F(2x2, 3x3): points 0, 1, -1 and infinity.
    Two,
    /// F(4x4, 3x3): points 0, 5/8, -5/8, 3/2, -3/2 and infinity.
    Four,
}

impl Tile {
    fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Points along a tile, infinity among them.
    fn points(self) -> usize {
        self.outputs() + 2
    }

    /// Matrices: pairs of points.
    fn matrices(self) -> usize {
        self.points() * self.points()
    }

    /// Elements of the weight's matrices that belong to one input channel.
    pub fn weight_row(self, outputs: usize) -> usize {
        self.matrices() * outputs + SPARE
    }

    /// Bytes of one tile at Winograd's points, of the wider of input and output.
    fn bytes(self, g: &Gather) -> usize {
        4 * (self.matrices() * g.input[3].max(g.output[3]) + SPARE)
    }

    /// The coefficients of all three transforms.
    ///
    /// With M(t) the product of (t - a) over the finite points a, row a of the input's transform has the coefficients of M(t) / (t - a), row infinity those of M;
    /// row a of the weight's, the powers of a over M'(a); column a of the output's, the powers of a.
    fn coefficients(self) -> WinogradParams {
        let ([p, q], factors, [f2, last]) = match self {
            Self::Two => ([1.0, 0.0], [-1.0, 1.0, 1.0, 0.0], [0.0, 1.0]),
            Self::Four => {
                let [p, q] = [5.0 / 8.0, 3.0 / 2.0f64];
                ([p, q], [p * p * q * q, -(p * p + q * q), -q * q, 1.0], [-p * p, 0.0])
            }
        };
        // 1 / M'(a), times the powers of a.
        let powers = |a: f64, slope: f64| [1.0 / slope, a / slope, a * a / slope];
        let ([at_p, at_q], at_0) = match self {
            Self::Two => ([powers(p, 2.0), [0.0; 3]], -1.0),
            Self::Four => {
                let slope = |a: f64, b: f64| 2.0 * a * a * (a * a - b * b);
                ([powers(p, slope(p, q)), powers(q, slope(q, p))], 1.0 / (p * p * q * q))
            }
        };
        let four = |v: [f64; 4]| v.map(|c| c as f32);
        WinogradParams {
            factors: four(factors),
            points: four([f2, p, q, last]),
            powers: four([p * p, q * q, p * p * p, q * q * q]),
            weight_p: four([at_0, at_p[0], at_p[1], at_p[2]]),
            weight_q: four([0.0, at_q[0], at_q[1], at_q[2]]),
            ..Default::default()
        }
    }
}

/// How the weight lies in memory, (3, 3, I, O) in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// As it is given: I are this convolution's inputs.
    Straight(Slot),
    /// An input gradient's: I are this convolution's outputs.
    Turned(Slot),
    /// At Winograd's points already.
    Made(Slot),
}

/// The tile for a gathering convolution on a device, or `None` where one kernel makes it as it is defined. `forced` wins where it takes the shape.
pub(crate) fn pick(
    g: &Gather,
    weight: Weight,
    dtype: DType,
    profile: &Profile,
    forced: Option<Variant>,
) -> Option<Tile> {
    tile(g, weight, dtype, profile, wanted(forced, profile, || g.name()))
}

/// The ways to make a gathering convolution, Winograd's among them.
pub(crate) fn ways(g: &Gather, weight: Weight, profile: &Profile, bind: impl Fn(Variant) -> OpRef) -> Ways {
    let mut all = gather_ways(g, profile, &bind);
    let pick = |forced| tile(g, weight, DType::F32, profile, forced);
    let more = [Variant::Winograd2, Variant::Winograd4].into_iter().filter(|&v| pick(Some(v)).is_some());
    all.ways.extend(more.map(|v| (v.name(), bind(v))));
    all.usual = match pick(None) {
        Some(Tile::Two) => Variant::Winograd2.name(),
        Some(Tile::Four) => Variant::Winograd4.name(),
        None => all.usual,
    };
    all
}

fn tile(g: &Gather, weight: Weight, dtype: DType, profile: &Profile, forced: Option<Variant>) -> Option<Tile> {
    let plain = |a: Axis| a.down == 1 && a.up == 1 && a.tap.abs() == 1;
    let fours = g.input[3].is_multiple_of(4) && g.output[3].is_multiple_of(4);
    if g.kernel != [3, 3] || g.groups != 1 || !g.axes.into_iter().all(plain) || !fours || dtype != DType::F32 {
        return None;
    }
    let fits = |tile: &Tile| {
        let bytes = 4 * g.input[3] * tile.weight_row(g.output[3]);
        let row = g.output[2].div_ceil(tile.outputs()) * tile.bytes(g);
        let made = matches!(weight, Weight::Made(_));
        let most = if made { profile.max_binding } else { profile.max_binding.min(WEIGHT) };
        bytes as u64 <= most && row <= 4 * RANGE
    };
    match forced {
        Some(Variant::Winograd2) => Some(Tile::Two).filter(fits),
        Some(Variant::Winograd4) => Some(Tile::Four).filter(fits),
        Some(_) => None,
        None => {
            let reckoning = Reckoning::of(profile);
            let both = [Tile::Two, Tile::Four].into_iter().filter(fits);
            let costs = both.map(|tile| (reckoning.winograd(tile, g, weight), tile));
            let (cost, tile) = costs.min_by(|a, b| a.0.total_cmp(&b.0))?;
            (cost < reckoning.margin * reckoning.direct(g, weight)).then_some(tile)
        }
    }
}

/// What a convolution costs, in multiply-adds of the kernels of products, for each pair of an input and an output channel. For llvmpipe it picks the fastest way of
/// all layers that were timed (docs/benchmarks.md); for GPUs, which were not timed, it counts tiles of 64 and the ratio of arithmetic to bandwidth
/// that they have.
struct Reckoning {
    /// Pixels to which a kernel of products fills up.
    tile: usize,
    /// Of loading or storing a value of a picture or of a tile at Winograd's points.
    element: f64,
    /// Of loading a value of the weight in a product.
    weight: f64,
    /// Of loading or storing a value of the weight while it is brought to Winograd's points.
    made: f64,
    /// The same while its channels are exchanged for the definition's input gradient.
    turned: f64,
    /// How much of the definition's cost is worth a detour.
    margin: f64,
}

impl Reckoning {
    fn of(profile: &Profile) -> Self {
        match profile.kind {
            DeviceKind::Software => Self { tile: 16, element: 20.0, weight: 6.0, made: 18.0, turned: 8.0, margin: 0.9 },
            _ => Self { tile: 64, element: 40.0, weight: 40.0, made: 40.0, turned: 40.0, margin: 0.7 },
        }
    }

    fn direct(&self, g: &Gather, weight: Weight) -> f64 {
        let [_, h, w, _] = g.output;
        let turn = if matches!(weight, Weight::Turned(_)) { 18.0 * self.turned } else { 0.0 };
        9.0 * (pictures(g) * h * w).next_multiple_of(self.tile) as f64 + 9.0 * self.weight + turn
    }

    fn winograd(&self, tile: Tile, g: &Gather, weight: Weight) -> f64 {
        let [_, h, w, outputs] = g.output;
        let tiles = pictures(g) * h.div_ceil(tile.outputs()) * w.div_ceil(tile.outputs());
        let matrices = tile.matrices() as f64;
        let made = (tile.outputs() * tile.outputs()) as f64;
        let product = matrices * (tiles.next_multiple_of(self.tile) as f64 + self.weight);
        let elements = 2.0 * matrices / outputs as f64 + (matrices + made) / g.input[3] as f64;
        let weight = if matches!(weight, Weight::Made(_)) { 0.0 } else { (9.0 + matrices) * self.made };
        product + self.element * tiles as f64 * elements + weight
    }
}

/// Pictures that count for the choice: one, so that a picture gets the same bits alone and in a batch. So many as 64 are the regions of a picture, a
/// number that is fixed where a network is built.
fn pictures(g: &Gather) -> usize {
    if g.input[0] < 64 { 1 } else { g.input[0] }
}

/// The launches that make `y` from `x` and the weight.
pub(crate) fn work(tile: Tile, g: &Gather, [x, y]: [Slot; 2], weight: Weight, fused: Fused, cx: &LaunchCx<'_>) -> Work {
    let mut launches = Vec::new();
    let mut scratch = Vec::new();
    let mut take = |bytes: usize| {
        scratch.push(bytes as u64);
        Slot::Scratch(scratch.len() - 1)
    };
    let [_, _, _, inputs] = g.input;
    let [pictures, height, width, outputs] = g.output;
    let u = match weight {
        Weight::Made(slot) => slot,
        Weight::Straight(w) | Weight::Turned(w) => {
            let u = take(4 * inputs * tile.weight_row(outputs));
            let turned = matches!(weight, Weight::Turned(_));
            launches.push(weight_launch(tile, [inputs, outputs], turned, g.axes[0].tap < 0, [w, u], cx.profile));
            u
        }
    };
    let (rows, columns) = (height.div_ceil(tile.outputs()), width.div_ceil(tile.outputs()));
    // Ranges of whole rows of tiles, all but the last of one size.
    let all = pictures * rows;
    let most = (RANGE / (columns * tile.bytes(g))).clamp(1, all);
    let range = all.div_ceil(all.div_ceil(most));
    let stride = |channels: usize| tile.matrices() * channels + SPARE;
    let v = take(4 * range * columns * stride(inputs));
    let m = take(4 * range * columns * stride(outputs));
    let bias = fused.bias.unwrap_or_else(|| take(16));
    let residual = fused.residual.unwrap_or_else(|| take(16));
    let (code, slope) = fused.activation.code();
    let transform = |picture: [usize; 4], first: usize| WinogradParams {
        picture: picture.map(|e| e as u32),
        tiles: [rows, columns, first, tile.outputs()].map(|e| e as u32),
        matrices: [stride(picture[3]), tile.points(), 6, 0].map(|e| e as u32),
        base: [first_tap(g.axes[0]), first_tap(g.axes[1]), 0, 0],
        slope,
        has_bias: u32::from(fused.bias.is_some()),
        has_residual: u32::from(fused.residual.is_some()),
        activation: code,
        ..tile.coefficients()
    };
    let mut first = 0;
    while first < all {
        let count = range.min(all - first);
        let tiles = count * columns;
        let launch = |kernel: &'static Kernel, picture: [usize; 4], slots: Vec<Slot>| {
            let pairs = picture[3] / 2;
            let lanes = lanes(pairs, cx.profile);
            let groups = [pairs.div_ceil(lanes), columns, count].map(|n| n as u32);
            let elements = (tiles * tile.matrices() * picture[3]) as u64;
            let made = Launch::new(kernel, transform(picture, first), slots, groups);
            made.with(&[("LANES", lanes as f64)]).costing(6 * elements, 8 * elements)
        };
        launches.push(launch(&WINOGRAD_INPUT, g.input, vec![x, v]));
        let product = Gather {
            input: [1, 1, tiles, stride(inputs)],
            output: [1, 1, tiles, stride(outputs)],
            kernel: [1, 1],
            groups: tile.matrices(),
            axes: [Axis::forward(1, 0, 1); 2],
            spare: SPARE,
        };
        let by = Some(product_variant(cx.profile));
        launches.push(gather(&product, [v, u, m], Fused::default(), cx, by, &mut scratch));
        launches.push(launch(&WINOGRAD_OUTPUT, g.output, vec![m, bias, residual, y]));
        first += count;
    }
    Work { launches, scratch }
}

/// The kernel of the products, which are wider than a group that `dispatch` would make lane by lane.
fn product_variant(profile: &Profile) -> Variant {
    match profile.kind {
        DeviceKind::Software if profile.subgroup_size >= 8 => Variant::Subgroup,
        DeviceKind::Software => Variant::Registers,
        _ => Variant::Tiled,
    }
}

/// Input position of the tap that lies furthest up or left, for output 0.
fn first_tap(axis: Axis) -> i32 {
    (axis.base + (2 * axis.tap).min(0)) as i32
}

/// The launch that brings a weight to Winograd's points. `backwards`: its first tap meets the last input.
pub(super) fn weight_launch(
    tile: Tile,
    [inputs, outputs]: [usize; 2],
    turned: bool,
    backwards: bool,
    slots: [Slot; 2],
    profile: &Profile,
) -> Launch {
    let pairs = outputs / 2;
    let lanes = lanes(pairs, profile);
    let [from_input, from_output] = if turned { [1, inputs] } else { [outputs, 1] };
    let params = WinogradParams {
        matrices: [tile.weight_row(outputs), tile.points(), 3, 0].map(|e| e as u32),
        weight: [inputs, outputs, from_input, from_output].map(|e| e as u32),
        base: if backwards { [0, 0, 8, -1] } else { [0, 0, 0, 1] },
        ..tile.coefficients()
    };
    let groups = [pairs.div_ceil(lanes), inputs, 1].map(|n| n as u32);
    let elements = (inputs * outputs) as u64;
    let matrices = tile.matrices() as u64;
    let launch = Launch::new(&WINOGRAD_WEIGHT, params, slots.to_vec(), groups);
    launch.with(&[("LANES", lanes as f64)]).costing(6 * matrices * elements, 4 * (9 + matrices) * elements)
}
