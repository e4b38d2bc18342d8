// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// For any number of channels and groups. One invocation makes one channel of eight neighbouring pixels of a row of a phase, so that a
// weight is read once for eight. The grid is (ceil(pixels of a row / 8), ceil(output channels / LANES),
// phases * rows of all pictures); tails are guarded here. One f32 accumulator for each element, taps in order, channels innermost.

override LANES: u32 = 8u;
override GROUPED: bool = true;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Weight1>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn store(to: u32, sum: f32) {
    var v = sum;
    if params.has_residual == 1u {
        v += residual[to];
    }
    y[to] = activate(v, params.activation, params.slope);
}

// The value at `at`, or zero where `column` is outside the picture.
fn fetch(at: i32, column: i32) -> f32 {
    let inside = column >= 0 && column < i32(params.input.z);
    return select(0.0, x[u32(select(0, at, inside))], inside);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let width = params.output.w;
    let in_width = i32(params.input.w);
    let own = g.y * LANES + lane;
    let channel = min(own, width - 1u);
    var first_channel = 0;
    if GROUPED {
        first_channel = i32(channel / params.kernel.w * params.kernel.z);
    }
    let rows = params.input.x * params.phase.x;
    let phase = g.z / rows;
    let row = g.z % rows;
    let residue = vec2<u32>(phase / params.phase.w, phase % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    // The first of the eight pixels; the next one of a phase lies `up` to the right, and meets the input `down` to the right.
    let pixel = vec3<u32>(row / params.phase.x, vec2<u32>(row % params.phase.x, g.x * 8u) * params.phase.zw + residue);
    let start = input_position(pixel, first);
    let step = i32(params.step.y);
    var sum0 = 0.0;
    var sum1 = 0.0;
    var sum2 = 0.0;
    var sum3 = 0.0;
    var sum4 = 0.0;
    var sum5 = 0.0;
    var sum6 = 0.0;
    var sum7 = 0.0;
    var in_row = start.x;
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        let picture_row = (i32(pixel.x * params.input.y) + in_row) * i32(params.input.z);
        let inside = in_row >= 0 && in_row < i32(params.input.y);
        in_row += params.delta.x;
        if !inside {
            continue;
        }
        var in_column = start.y;
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            let c0 = in_column;
            let c1 = in_column + 1 * step;
            let c2 = in_column + 2 * step;
            let c3 = in_column + 3 * step;
            let c4 = in_column + 4 * step;
            let c5 = in_column + 5 * step;
            let c6 = in_column + 6 * step;
            let c7 = in_column + 7 * step;
            let weight_row = (ky * params.kernel.y + kx) * params.kernel.z;
            let at0 = (picture_row + c0) * in_width + first_channel;
            let at1 = (picture_row + c1) * in_width + first_channel;
            let at2 = (picture_row + c2) * in_width + first_channel;
            let at3 = (picture_row + c3) * in_width + first_channel;
            let at4 = (picture_row + c4) * in_width + first_channel;
            let at5 = (picture_row + c5) * in_width + first_channel;
            let at6 = (picture_row + c6) * in_width + first_channel;
            let at7 = (picture_row + c7) * in_width + first_channel;
            for (var i = 0u; i < params.kernel.z; i++) {
                let own_weight = (weight_row + i) * width + channel;
                let weight = weight1(w[own_weight >> WEIGHT_SHIFT], own_weight);
                sum0 += weight * fetch(at0 + i32(i), c0);
                sum1 += weight * fetch(at1 + i32(i), c1);
                sum2 += weight * fetch(at2 + i32(i), c2);
                sum3 += weight * fetch(at3 + i32(i), c3);
                sum4 += weight * fetch(at4 + i32(i), c4);
                sum5 += weight * fetch(at5 + i32(i), c5);
                sum6 += weight * fetch(at6 + i32(i), c6);
                sum7 += weight * fetch(at7 + i32(i), c7);
            }
            in_column += params.delta.y;
        }
    }
    var own_bias = 0.0;
    if params.has_bias == 1u {
        own_bias = bias[channel];
    }
    if own < width && pixel.y < params.output.y {
        var to = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * width + channel;
        var column = pixel.z;
        // Four rounds of two pixels: see gather_subgroup.wgsl.
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
