// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// For channels in fours: input and output channels of a group are multiples of four. One invocation makes four channels of
// four neighbouring pixels of a phase and keeps the sixteen sums in registers; activations are uniform over the workgroup, which
// software devices turn into one load. The grid is (ceil(pixels / 4), groups * blocks of 4 * LANES channels, phases); tails
// are guarded here. One f32 accumulator for each element, taps in order, channels innermost.

override LANES: u32 = 8u;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<Weight4>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

// Where the pixel's first four channels of the group lie in x, or -1 outside the picture.
fn source(pixel: vec3<u32>, at: vec2<i32>, first_channel: u32) -> i32 {
    let row = (i32(pixel.x * params.input.y) + at.x) * i32(params.input.z) + at.y;
    return select(-1, (row * i32(params.input.w) + i32(first_channel)) / 4, is_input(at) && pixel.x < params.input.x);
}

fn store(m: u32, pixel: vec3<u32>, column: u32, sum: vec4<f32>) {
    if is_output(m, pixel) {
        let at = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * (params.output.w / 4u) + column;
        var v = sum;
        if params.has_bias == 1u {
            v += bias[column];
        }
        if params.has_residual == 1u {
            v += residual[at];
        }
        y[at] = activate4(v, params.activation, params.slope);
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let quads = params.kernel.w / 4u;
    let of_group = g.y / params.blocks;
    let quad = g.y % params.blocks * LANES + lane;
    let column = of_group * quads + min(quad, quads - 1u);
    let first_channel = of_group * params.kernel.z;
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    let m = g.x * 4u;
    let p0 = output_pixel(m, residue);
    let p1 = output_pixel(m + 1u, residue);
    let p2 = output_pixel(m + 2u, residue);
    let p3 = output_pixel(m + 3u, residue);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    let stride = params.output.w / 4u;
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            let k = vec2<u32>(ky, kx);
            let at = vec4<i32>(
                source(p0, input_position(p0, k), first_channel), source(p1, input_position(p1, k), first_channel),
                source(p2, input_position(p2, k), first_channel), source(p3, input_position(p3, k), first_channel),
            );
            let inside = at >= vec4<i32>();
            let start = vec4<u32>(max(at, vec4<i32>()));
            var row = (ky * params.kernel.y + kx) * params.kernel.z * stride + column;
            for (var i = 0u; i < params.kernel.z / 4u; i++) {
                let x0 = select(vec4<f32>(), x[start.x + i], inside.x);
                let x1 = select(vec4<f32>(), x[start.y + i], inside.y);
                let x2 = select(vec4<f32>(), x[start.z + i], inside.z);
                let x3 = select(vec4<f32>(), x[start.w + i], inside.w);
                let w0 = weight4(w[row]);
                let w1 = weight4(w[row + stride]);
                let w2 = weight4(w[row + 2u * stride]);
                let w3 = weight4(w[row + 3u * stride]);
                row += 4u * stride;
                sum0 = sum0 + x0.x * w0 + x0.y * w1 + x0.z * w2 + x0.w * w3;
                sum1 = sum1 + x1.x * w0 + x1.y * w1 + x1.z * w2 + x1.w * w3;
                sum2 = sum2 + x2.x * w0 + x2.y * w1 + x2.z * w2 + x2.w * w3;
                sum3 = sum3 + x3.x * w0 + x3.y * w1 + x3.z * w2 + x3.w * w3;
            }
        }
    }
    if quad < quads {
        store(m, p0, column, sum0);
        store(m + 1u, p1, column, sum1);
        store(m + 2u, p2, column, sum2);
        store(m + 3u, p3, column, sum3);
    }
}
