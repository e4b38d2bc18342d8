// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// For any number of channels and groups. One invocation makes one channel of eight neighbouring pixels of a phase, so that a
// weight is read once for eight; without groups the activations are uniform over the workgroup. The grid is
// (ceil(pixels / 8), ceil(output channels / LANES), phases); tails are guarded here. One f32 accumulator
// for each element, taps in order, channels innermost.

override LANES: u32 = 8u;
override GROUPED: bool = true;
override ACTIVATION: u32 = 0u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// Where input channel 0 of the group lies in x for this pixel and tap, or -1 outside the picture.
fn source(pixel: vec3<u32>, k: vec2<u32>, first_channel: u32) -> i32 {
    let at = input_position(pixel, k);
    let row = (i32(pixel.x * params.input.y) + at.x) * i32(params.input.z) + at.y;
    return select(-1, row * i32(params.input.w) + i32(first_channel), is_input(at) && pixel.x < params.input.x);
}

fn fetch(at: i32, i: u32) -> f32 {
    let v = x[u32(max(at, 0)) + i];
    return select(0.0, v, at >= 0);
}

fn store(m: u32, pixel: vec3<u32>, co: u32, sum: f32) {
    if is_output(m, pixel) && co < params.output.w {
        let at = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * params.output.w + co;
        var v = sum;
        if params.has_bias == 1u {
            v += bias[co];
        }
        if params.has_residual == 1u {
            v += residual[at];
        }
        y[at] = activate(v, ACTIVATION, params.slope);
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let co = g.y * LANES + lane;
    let column = min(co, params.output.w - 1u);
    var first_channel = 0u;
    if GROUPED {
        first_channel = column / params.kernel.w * params.kernel.z;
    }
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    let m = g.x * 8u;
    let p0 = output_pixel(m, residue);
    let p1 = output_pixel(m + 1u, residue);
    let p2 = output_pixel(m + 2u, residue);
    let p3 = output_pixel(m + 3u, residue);
    let p4 = output_pixel(m + 4u, residue);
    let p5 = output_pixel(m + 5u, residue);
    let p6 = output_pixel(m + 6u, residue);
    let p7 = output_pixel(m + 7u, residue);
    var sum_a = vec4<f32>();
    var sum_b = vec4<f32>();
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            let k = vec2<u32>(ky, kx);
            let a = vec4<i32>(
                source(p0, k, first_channel), source(p1, k, first_channel),
                source(p2, k, first_channel), source(p3, k, first_channel),
            );
            let b = vec4<i32>(
                source(p4, k, first_channel), source(p5, k, first_channel),
                source(p6, k, first_channel), source(p7, k, first_channel),
            );
            let row = (ky * params.kernel.y + kx) * params.kernel.z;
            for (var i = 0u; i < params.kernel.z; i++) {
                let weight = w[(row + i) * params.output.w + column];
                sum_a += weight * vec4<f32>(fetch(a.x, i), fetch(a.y, i), fetch(a.z, i), fetch(a.w, i));
                sum_b += weight * vec4<f32>(fetch(b.x, i), fetch(b.y, i), fetch(b.z, i), fetch(b.w, i));
            }
        }
    }
    store(m, p0, co, sum_a.x);
    store(m + 1u, p1, co, sum_a.y);
    store(m + 2u, p2, co, sum_a.z);
    store(m + 3u, p3, co, sum_a.w);
    store(m + 4u, p4, co, sum_b.x);
    store(m + 5u, p5, co, sum_b.y);
    store(m + 6u, p6, co, sum_b.z);
    store(m + 7u, p7, co, sum_b.w);
}
