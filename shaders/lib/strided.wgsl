// y[i] = x[base + sum over d of index_d(i) * step_d], where index(i) is i taken apart over `extent`, the innermost dimension
// first. One invocation makes one element (of LANES numbers: steps, extents and base are counted in them); the grid is
// ceil(n / 256); the tail is guarded here. Words are copied as they are, whatever their type.
// Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    base: u32,
    pad0: u32,
    extent: array<vec4<u32>, 2>,
    step: array<vec4<u32>, 2>,
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
    var at = params.base;
    let last = params.rank - 1u;
    for (var d = 0u; d < last; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        at += (rest - outer * extent) * params.step[d / 4u][d % 4u];
        rest = outer;
    }
    y[i] = x[at + rest * params.step[last / 4u][last % 4u]];
}
