// y[i] = combine(a[j], b[k]), where i is taken apart over `extent`, the innermost dimension first, and j and k are the sums of
// its indices times `step_a` and `step_b` (0 along dimensions that are repeated). The kernel that names this piece defines
// combine(V, V) -> V. One invocation makes one element (of LANES numbers, in which extents and steps are counted); the grid is
// ceil(n / 256); the tail is guarded here. Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    pad0: u32,
    pad1: u32,
    extent: array<vec4<u32>, 2>,
    step_a: array<vec4<u32>, 2>,
    step_b: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<V>;
@group(0) @binding(2) var<storage, read> b: array<V>;
@group(0) @binding(3) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    var rest = i;
    var j = 0u;
    var k = 0u;
    let last = params.rank - 1u;
    for (var d = 0u; d < last; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        let index = rest - outer * extent;
        j += index * params.step_a[d / 4u][d % 4u];
        k += index * params.step_b[d / 4u][d % 4u];
        rest = outer;
    }
    j += rest * params.step_a[last / 4u][last % 4u];
    k += rest * params.step_b[last / 4u][last % 4u];
    y[i] = combine(a[j], b[k]);
}
