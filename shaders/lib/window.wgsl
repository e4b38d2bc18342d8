// y[i] = x[j] where every j_d = (i_d - start_d) / step_d is whole and inside x, and `fill` elsewhere. i is taken apart over
// `extent` (of y), j_d is measured against `inside` (of x) and multiplied by `stride`, innermost dimension first.
// One invocation makes one element (of LANES numbers along the innermost dimension, in which all its values are counted); the
// grid is ceil(n / 256); the tail is guarded here. Words are copied as they are. Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    fill: u32,
    pad0: u32,
    extent: array<vec4<u32>, 2>,
    start: array<vec4<i32>, 2>,
    step: array<vec4<i32>, 2>,
    inside: array<vec4<i32>, 2>,
    stride: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<W>;
@group(0) @binding(2) var<storage, read_write> y: array<W>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    var rest = i;
    var at = 0u;
    var found = true;
    for (var d = 0u; d < params.rank; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        let from_start = i32(rest - outer * extent) - params.start[d / 4u][d % 4u];
        let step = params.step[d / 4u][d % 4u];
        let j = from_start / step;
        found = found && from_start >= 0 && j * step == from_start && j < params.inside[d / 4u][d % 4u];
        at += u32(j) * params.stride[d / 4u][d % 4u];
        rest = outer;
    }
    if found {
        y[i] = x[at];
    } else {
        y[i] = W(params.fill);
    }
}
