// Copies one part into its place: y[o, offset + j] = x[o, j], where a row of x has `inner` elements and one of y `total`.
// One invocation copies one element (of LANES words, in which all sizes are counted); the grid is ceil(n / 256); the tail is
// guarded here. Words are copied as they are, whatever their type. Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    inner: u32,
    total: u32,
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<W>;
@group(0) @binding(2) var<storage, read_write> y: array<W>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let row = i / params.inner;
        y[row * params.total + params.offset + (i - row * params.inner)] = x[i];
    }
}
