// y[k] = finish(x[k] - m, s) along a row, where m is the row's maximum and s the sum of exp(x[k] - m). The kernel that names
// this piece defines finish. Rows are the middle one of three dimensions (outer, length, inner). Short rows have one
// invocation each: the grid is ceil(rows / 256), invocations behind the last row work on it without storing. Long rows (LONG,
// at least 256 elements) have a workgroup each: the grid is rows; partial results meet by workgroup_reduce, always in the same order.
// Subtracting the maximum keeps exp from overflowing.

// uses: workgroup_reduce

override LONG: bool = false;

struct Params {
    origin: vec4<u32>,
    rows: u32,
    length: u32,
    inner: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = group_id.x + params.origin.x;
    let row = select(group * 256u + lane, group, LONG);
    let clamped = min(row, params.rows - 1u);
    let outer = clamped / params.inner;
    let base = outer * params.length * params.inner + (clamped - outer * params.inner);
    let first = select(0u, lane, LONG);
    let step = select(1u, 256u, LONG);

    var largest = x[base + first * params.inner];
    for (var k = first + step; k < params.length; k += step) {
        largest = max(largest, x[base + k * params.inner]);
    }
    if LONG {
        largest = workgroup_max(largest, lane);
    }

    var sum = 0.0;
    for (var k = first; k < params.length; k += step) {
        sum += exp(x[base + k * params.inner] - largest);
    }
    if LONG {
        sum = workgroup_sum(sum, lane);
    }

    if row < params.rows {
        for (var k = first; k < params.length; k += step) {
            let at = base + k * params.inner;
            y[at] = finish(x[at] - largest, sum);
        }
    }
}
