// y[o, c, i] = scale * sum over k of x[o, c + k * chunks, i]: one pass of a sum over the middle one of three dimensions
// (outer, length, inner). Passes follow one another until one chunk is left. One invocation makes one element of y (LANES of
// them along `inner`, which is counted so); neighbours read neighbours; the grid is ceil(n / 256); the tail is guarded here. Each
// sum runs in the order of k, so results repeat bit for bit; passes of at most some 64 terms keep the rounding small.
// Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    length: u32,
    chunks: u32,
    inner: u32,
    scale: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + params.origin.x) * 256u + lane;
    if at >= params.n {
        return;
    }
    // (o, c, i) is element `at` of y; c and i together are one offset into a block of x.
    let block = params.chunks * params.inner;
    let o = at / block;
    let offset = at - o * block;
    let first = o * params.length * params.inner + offset;
    let last = (o + 1u) * params.length * params.inner;
    var sum = V(0.0);
    for (var j = first; j < last; j += block) {
        sum += x[j];
    }
    y[at] = params.scale * sum;
}
