// y[m, h, w] = x[m, h, w, index[m]], or 0 where the index lies outside x. One invocation makes one element; the grid is ceil(n / 256); the tail
// is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    pixels: u32,
    channels: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    // A negative index is a large unsigned one.
    let channel = u32(index[i / params.pixels]);
    var value = 0.0;
    if channel < params.channels {
        value = x[i * params.channels + channel];
    }
    y[i] = value;
}
