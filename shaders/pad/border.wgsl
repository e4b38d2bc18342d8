// y[i] = x[source(i - before)] in every dimension, where source mirrors at the borders (reflect, without repeating them) or
// stops at them (replicate). i is taken apart over `extent`, innermost dimension first. One invocation makes one element; the
// grid is ceil(n / 256); the tail is guarded here. Joined with lanes1 or lanes4 (all values of the innermost dimension in lanes,
// which is not padded then).

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    reflect: u32,
    pad0: u32,
    extent: array<vec4<u32>, 2>,
    before: array<vec4<i32>, 2>,
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
    for (var d = 0u; d < params.rank; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        let last = params.inside[d / 4u][d % 4u] - 1;
        var j = i32(rest - outer * extent) - params.before[d / 4u][d % 4u];
        if params.reflect == 1u {
            j = abs(j);
            j = min(j, 2 * last - j);
        }
        at += u32(clamp(j, 0, last)) * params.stride[d / 4u][d % 4u];
        rest = outer;
    }
    y[i] = x[at];
}
