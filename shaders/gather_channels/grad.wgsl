// grad_x[m, h, w, c] = grad_y[m, h, w] where c = index[m], else 0. A workgroup makes up to 2048 elements of one picture, 256 at a time; an
// invocation divides once and steps from there, since division is dear on software devices.
// Grid: (ceil(pixels * channels / 2048), M); the tail is guarded here.

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
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let length = params.pixels * params.channels;
    let first = group.x * 2048u + lane;
    let chosen = index[group.y];
    let pixels = 256u / params.channels;
    let channels = 256u - pixels * params.channels;
    var pixel = first / params.channels;
    var channel = first - pixel * params.channels;
    for (var i = first; i < min(length, group.x * 2048u + 2048u); i += 256u) {
        grad_x[group.y * length + i] = select(0.0, grad_y[group.y * params.pixels + pixel], i32(channel) == chosen);
        pixel += pixels;
        channel += channels;
        if channel >= params.channels {
            pixel += 1u;
            channel -= params.channels;
        }
    }
}
