// grad_x[k] = pull(grad_y[k], y[k], s) along a row, where s is the sum of term(grad_y[k], y[k]) over the row. The kernel that
// names this piece defines term and pull. Rows, grid, tail and order are those of shaders/lib/softmax.wgsl.

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
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = group_id.x + params.origin.x;
    let row = select(group * 256u + lane, group, LONG);
    let clamped = min(row, params.rows - 1u);
    let outer = clamped / params.inner;
    let base = outer * params.length * params.inner + (clamped - outer * params.inner);
    let first = select(0u, lane, LONG);
    let step = select(1u, 256u, LONG);

    var sum = 0.0;
    for (var k = first; k < params.length; k += step) {
        let at = base + k * params.inner;
        sum += term(grad_y[at], y[at]);
    }
    if LONG {
        sum = workgroup_sum(sum, lane);
    }

    if row < params.rows {
        for (var k = first; k < params.length; k += step) {
            let at = base + k * params.inner;
            grad_x[at] = pull(grad_y[at], y[at], sum);
        }
    }
}
