// uses: activation, conv_gather
// y[n, o, c] = activation(sum over taps k of x[n, in(o, k), c] * w[k, c] + bias[c] + residual[n, o, c])
//
// Depthwise: as many groups as channels, in fours. One invocation makes four channels of eight neighbouring pixels of a row of a phase, so
// that a weight is read once for eight. Where the input moves by one from pixel to pixel and by one or minus one (delta.z) from tap to tap, a value
// read for one tap serves its neighbour for the next. What is read and stored is the bulk of the code and stands in loops. The grid is (ceil(pixels of a row / 8), ceil(channels / (4 * LANES)),
// phases * rows of all pictures); tails are guarded here. One f32 accumulator for each element, taps in order.

override LANES: u32 = 8u;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<Weight4>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

fn store(to: u32, sum: vec4<f32>) {
    var v = sum;
    if params.has_residual == 1u {
        v += residual[to];
    }
    y[to] = activate4(v, params.activation, params.slope);
}

// The value at `at`, or zero where `column` is outside the picture.
fn fetch(at: i32, column: i32) -> vec4<f32> {
    let inside = column >= 0 && column < i32(params.input.z);
    return select(vec4<f32>(), x[u32(select(0, at, inside))], inside);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let width = params.output.w / 4u;
    let in_width = i32(params.input.w / 4u);
    let own = g.y * LANES + lane;
    let channel = min(own, width - 1u);
    let first_channel = i32(channel);
    let rows = params.input.x * params.phase.x;
    let phase = g.z / rows;
    let row = g.z % rows;
    let residue = vec2<u32>(phase / params.phase.w, phase % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    // The first of the eight pixels; the next one of a phase lies `up` to the right, and meets the input `down` to the right.
    let pixel = vec3<u32>(row / params.phase.x, vec2<u32>(row % params.phase.x, g.x * 8u) * params.phase.zw + residue);
    let start = input_position(pixel, first);
    let step = i32(params.step.y);
    let slide = params.delta.z;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    var sum4 = vec4<f32>();
    var sum5 = vec4<f32>();
    var sum6 = vec4<f32>();
    var sum7 = vec4<f32>();
    var in_row = start.x;
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        let picture_row = (i32(pixel.x * params.input.y) + in_row) * i32(params.input.z);
        let inside = in_row >= 0 && in_row < i32(params.input.y);
        in_row += params.delta.x;
        if !inside {
            continue;
        }
        let line = picture_row * in_width + first_channel;
        var in_column = start.y;
        var filled = false;
        var v0 = vec4<f32>();
        var v1 = vec4<f32>();
        var v2 = vec4<f32>();
        var v3 = vec4<f32>();
        var v4 = vec4<f32>();
        var v5 = vec4<f32>();
        var v6 = vec4<f32>();
        var v7 = vec4<f32>();
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            if !filled {
                var column = in_column;
                for (var round = 0u; round < params.rounds; round++) {
                    v0 = v2;
                    v1 = v3;
                    v2 = v4;
                    v3 = v5;
                    v4 = v6;
                    v5 = v7;
                    v6 = fetch(line + column * in_width, column);
                    v7 = fetch(line + (column + step) * in_width, column + step);
                    column += 2 * step;
                }
            }
            filled = slide != 0;
            let weight = weight4(w[(ky * params.kernel.y + kx) * width + channel]);
            sum0 += weight * v0;
            sum1 += weight * v1;
            sum2 += weight * v2;
            sum3 += weight * v3;
            sum4 += weight * v4;
            sum5 += weight * v5;
            sum6 += weight * v6;
            sum7 += weight * v7;
            in_column += params.delta.y;
            if filled {
                let column = in_column + select(0, 7, slide == 1);
                let fresh = fetch(line + column * in_width, column);
                if slide == 1 {
                    v0 = v1;
                    v1 = v2;
                    v2 = v3;
                    v3 = v4;
                    v4 = v5;
                    v5 = v6;
                    v6 = v7;
                    v7 = fresh;
                } else {
                    v7 = v6;
                    v6 = v5;
                    v5 = v4;
                    v4 = v3;
                    v3 = v2;
                    v2 = v1;
                    v1 = v0;
                    v0 = fresh;
                }
            }
        }
    }
    var own_bias = vec4<f32>();
    if params.has_bias == 1u {
        own_bias = bias[channel];
    }
    if own < width && pixel.y < params.output.y {
        var to = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * width + channel;
        var column = pixel.z;
        for (var round = 0u; round < params.rounds; round++) {
            if column < params.output.z {
                store(to, sum0 + own_bias);
            }
            column += params.phase.w;
            to += params.phase.w * width;
            if column < params.output.z {
                store(to, sum1 + own_bias);
            }
            column += params.phase.w;
            to += params.phase.w * width;
            sum0 = sum2;
            sum1 = sum3;
            sum2 = sum4;
            sum3 = sum5;
            sum4 = sum6;
            sum5 = sum7;
        }
    }
}
