// How RoIAlign samples one side of a region (He et al. 2017, as torchvision's roi_align does it). The side has `grid` samples to a bin, at
// even distances; sample s of the whole side lies at start + (s + 1/2) * step. Numbers of samples are floats here: whole, below 2^20.

struct Axis {
    start: f32,
    step: f32,
    // 1 / step, but no larger than samples_between can use.
    inverse: f32,
    // Samples in a bin; 0 where the region pools nothing.
    grid: f32,
}

// How far samples_between looks beyond its bounds, so that rounding loses no sample.
const MARGIN: f32 = 0.015625;

const NO_SAMPLES: Axis = Axis(0.0, 0.0, 0.0, 0.0);

// Whether a box is there: not all zeros, no NaN and no infinity in it. `bits` has its corners.
fn roi_present(bits: vec4<u32>) -> bool {
    let absent = all((bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u));
    let wild = any((bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
    return !absent && !wild;
}

// The side from `low` to `high`, in elements of the map. ratio: samples in a bin, or 0: one for each element, rounded up.
fn roi_axis(low: f32, high: f32, bins: f32, ratio: f32, aligned: bool) -> Axis {
    // Corners in the millions are outside any map; cut, so that sums stay finite.
    let corners = clamp(vec2<f32>(low, high), vec2<f32>(-8388608.0), vec2<f32>(8388608.0));
    let start = corners.x - select(0.0, 0.5, aligned);
    let side = select(max(corners.y - corners.x, 1.0), corners.y - corners.x, aligned);
    var grid = ratio;
    if ratio == 0.0 {
        // The least whole number with grid * bins >= side; the quotient may be some units in the last place off.
        grid = max(ceil(side / bins), 0.0);
        grid -= select(0.0, 1.0, grid > 0.0 && (grid - 1.0) * bins >= side);
        grid += select(0.0, 1.0, grid * bins < side && side > 0.0);
        grid = min(grid, floor(1048575.0 / bins));
    }
    let samples = max(grid * bins, 1.0);
    let step = side / samples;
    // With a smaller step all samples lie within the margin.
    let least = 1.0 / (128.0 * samples);
    let inverse = 1.0 / select(min(step, -least), max(step, least), step >= 0.0);
    return Axis(start, step, inverse, grid);
}

fn sample_at(axis: Axis, sample: f32) -> f32 {
    return axis.start + (sample + 0.5) * axis.step;
}

// First and last of the samples that may lie in low..high; perhaps one more on either side. None: the last is below the first.
fn samples_between(axis: Axis, bins: f32, low: f32, high: f32) -> vec2<f32> {
    let one = (low - MARGIN - axis.start) * axis.inverse - 0.5;
    let other = (high + MARGIN - axis.start) * axis.inverse - 0.5;
    let samples = axis.grid * bins;
    return vec2<f32>(clamp(ceil(min(one, other)), 0.0, samples), clamp(floor(max(one, other)), -1.0, samples - 1.0));
}

// Where a sample reads: (1 - weight) of element `low`, `weight` of element `high`. It counts up to one element outside the map.
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
    counts: bool,
}

fn roi_tap(at: f32, extent: u32) -> Tap {
    let inside = clamp(at, 0.0, f32(extent - 1u));
    let low = u32(inside);
    return Tap(low, min(low + 1u, extent - 1u), inside - f32(low), at >= -1.0 && at <= f32(extent));
}

// What element `i` weighs in the sample at `at`: the same from the element's side.
fn roi_share(at: f32, i: f32, extent: u32) -> f32 {
    let inside = clamp(at, 0.0, f32(extent - 1u));
    return select(0.0, max(1.0 - abs(inside - i), 0.0), at >= -1.0 && at <= f32(extent));
}
