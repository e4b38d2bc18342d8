// y[n, i, j, c] = the four source pixels around (i, j), weighted; one of them for the nearest modes.
// One invocation makes one element (of LANES channels, in which n and channels are counted); the grid is ceil(n / 256); the
// tail is guarded here. Interpolated along the width, then along the height. Joined with lanes1 or lanes4.
// uses: resample

struct Params {
    origin: vec4<u32>,
    n: u32,
    channels: u32,
    mode: u32,
    pad0: u32,
    in_h: i32,
    in_w: i32,
    out_h: i32,
    out_w: i32,
    step_h: f32,
    step_w: f32,
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
    let pixel = at / params.channels;
    let channel = at - pixel * params.channels;
    let row = pixel / u32(params.out_w);
    let j = i32(pixel - row * u32(params.out_w));
    let image = row / u32(params.out_h);
    let i = i32(row - image * u32(params.out_h));
    let down = tap(params.mode, i, params.step_h, params.in_h);
    let across = tap(params.mode, j, params.step_w, params.in_w);
    let upper = (i32(image) * params.in_h + down.low) * params.in_w;
    let top_left = x[u32(upper + across.low) * params.channels + channel];
    if params.mode <= NEAREST_EXACT {
        y[at] = top_left;
        return;
    }
    let lower = (i32(image) * params.in_h + down.high) * params.in_w;
    let top_right = x[u32(upper + across.high) * params.channels + channel];
    let bottom_left = x[u32(lower + across.low) * params.channels + channel];
    let bottom_right = x[u32(lower + across.high) * params.channels + channel];
    let top = top_left * (1.0 - across.weight) + top_right * across.weight;
    let bottom = bottom_left * (1.0 - across.weight) + bottom_right * across.weight;
    y[at] = top * (1.0 - down.weight) + bottom * down.weight;
}
