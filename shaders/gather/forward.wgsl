// y[i] = x[j] with j[dim] = index[i] and j[d] = i[d] elsewhere; 0 where the index lies outside x, so that nothing foreign is
// read. i is taken apart over `extent` (of index), innermost dimension first; `step` is x's, 0 along dim. One invocation
// makes one element; the grid is ceil(n / 256); the tail is guarded here. Words are copied as they are.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    length: u32,
    along: u32,
    extent: array<vec4<u32>, 2>,
    step: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    var rest = i;
    var at = 0u;
    for (var d = 0u; d < params.rank; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        at += (rest - outer * extent) * params.step[d / 4u][d % 4u];
        rest = outer;
    }
    // A negative index is a large unsigned one.
    let chosen = u32(index[i]);
    if chosen < params.length {
        y[i] = x[at + chosen * params.along];
    } else {
        y[i] = 0u;
    }
}
