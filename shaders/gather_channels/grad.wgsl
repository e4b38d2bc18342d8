// grad_x[m, h, w, c] = grad_y[m, h, w] where c = index[m], else 0. One invocation makes one element; the grid is ceil(n / 256); the tail is
// guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    pixels: u32,
    channels: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let pixel = i / params.channels;
    let channel = i - pixel * params.channels;
    grad_x[i] = select(0.0, grad_y[pixel], i32(channel) == index[pixel / params.pixels]);
}
