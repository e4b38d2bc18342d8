// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// For software devices with subgroups of at least eight, where a load costs by the element and the lane and is never shared:
// input channels of a group in fours, output channels in pairs. A workgroup of eight invocations makes 16 pixels of a phase by 16
// channels, each invocation a pair of channels of all 16. Per step of four input channels the lanes fetch the activations
// of 16 pixels between them, each element once, and hand them round by broadcast. Where sums are short, a workgroup makes several blocks of
// 16 channels (delta.w) in turn, since a workgroup is itself dear. The grid is (ceil(pixels / 16),
// groups * ceil(blocks of 16 channels / delta.w), phases); tails are guarded here. f32 sums: four products added up, then added to the sum.
//
// Compiling counts for as much as running where a driver spends a block of code on every element and lane that is loaded or
// stored: hence steps of four, the bias loaded once, and a tile stored in rounds.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<Weight2>;
@group(0) @binding(3) var<storage, read> bias: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec2<f32>>;

fn store(at: i32, column: u32, own_bias: vec2<f32>, sum: vec2<f32>) {
    if at >= 0 {
        let to = u32(at) * (params.output.w / 2u) + column;
        var v = sum + own_bias;
        if params.has_residual == 1u {
            v += residual[to];
        }
        y[to] = activate2(v, params.activation, params.slope);
    }
}

// Where an output pixel lies in y, counted in pixels, or -1 if there is none.
fn target_pixel(m: u32, pixel: vec3<u32>) -> i32 {
    return select(-1, i32((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z), is_output(m, pixel));
}

fn four(v: vec4<f32>, a: vec2<f32>, b: vec2<f32>, c: vec2<f32>, d: vec2<f32>) -> vec2<f32> {
    return v.x * a + v.y * b + v.z * c + v.w * d;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let pairs = params.kernel.w / 2u;
    let quads = params.kernel.z / 4u;
    let of_group = g.y / params.blocks;
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));

    // Lane l fetches pixels l and l + 8.
    let m = g.x * 16u + lane;
    let p0 = output_pixel(m, residue);
    let p1 = output_pixel(m + 8u, residue);
    let s0 = input_position(p0, first);
    let s1 = input_position(p1, first);
    let exists0 = p0.x < params.input.x;
    let exists1 = p1.x < params.input.x;
    let picture0 = i32(p0.x * params.input.y);
    let picture1 = i32(p1.x * params.input.y);
    let channel = i32(of_group * quads);
    let stride = params.output.w / 2u;
    let blocks = u32(params.delta.w);
    for (var block = 0u; block < blocks; block++) {
        let first_pair = (g.y % params.blocks * blocks + block) * 8u;
        if first_pair >= pairs {
            break;
        }
        let pair = first_pair + lane;
        let column = of_group * pairs + min(pair, pairs - 1u);
        var sum0 = vec2<f32>();
        var sum1 = vec2<f32>();
        var sum2 = vec2<f32>();
        var sum3 = vec2<f32>();
        var sum4 = vec2<f32>();
        var sum5 = vec2<f32>();
        var sum6 = vec2<f32>();
        var sum7 = vec2<f32>();
        var sum8 = vec2<f32>();
        var sum9 = vec2<f32>();
        var sum10 = vec2<f32>();
        var sum11 = vec2<f32>();
        var sum12 = vec2<f32>();
        var sum13 = vec2<f32>();
        var sum14 = vec2<f32>();
        var sum15 = vec2<f32>();
        var row_y0 = s0.x;
        var row_y1 = s1.x;
        for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
            var row_x0 = s0.y;
            var row_x1 = s1.y;
            for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
                let inside0 = exists0 && is_input(vec2<i32>(row_y0, row_x0));
                let inside1 = exists1 && is_input(vec2<i32>(row_y1, row_x1));
                let in_width = i32(params.input.w / 4u);
                let at0 = u32(select(0, ((picture0 + row_y0) * i32(params.input.z) + row_x0) * in_width + channel, inside0));
                let at1 = u32(select(0, ((picture1 + row_y1) * i32(params.input.z) + row_x1) * in_width + channel, inside1));
                var row = (ky * params.kernel.y + kx) * params.kernel.z * stride + column;
                for (var i = 0u; i < quads; i++) {
                    let x0 = select(vec4<f32>(), x[at0 + i], inside0);
                    let x1 = select(vec4<f32>(), x[at1 + i], inside1);
                    let w0 = weight2(w[row]);
                    let w1 = weight2(w[row + 1u * stride]);
                    let w2 = weight2(w[row + 2u * stride]);
                    let w3 = weight2(w[row + 3u * stride]);
                    row += 4u * stride;
                    sum0 += four(subgroupBroadcast(x0, 0u), w0, w1, w2, w3);
                    sum1 += four(subgroupBroadcast(x0, 1u), w0, w1, w2, w3);
                    sum2 += four(subgroupBroadcast(x0, 2u), w0, w1, w2, w3);
                    sum3 += four(subgroupBroadcast(x0, 3u), w0, w1, w2, w3);
                    sum4 += four(subgroupBroadcast(x0, 4u), w0, w1, w2, w3);
                    sum5 += four(subgroupBroadcast(x0, 5u), w0, w1, w2, w3);
                    sum6 += four(subgroupBroadcast(x0, 6u), w0, w1, w2, w3);
                    sum7 += four(subgroupBroadcast(x0, 7u), w0, w1, w2, w3);
                    sum8 += four(subgroupBroadcast(x1, 0u), w0, w1, w2, w3);
                    sum9 += four(subgroupBroadcast(x1, 1u), w0, w1, w2, w3);
                    sum10 += four(subgroupBroadcast(x1, 2u), w0, w1, w2, w3);
                    sum11 += four(subgroupBroadcast(x1, 3u), w0, w1, w2, w3);
                    sum12 += four(subgroupBroadcast(x1, 4u), w0, w1, w2, w3);
                    sum13 += four(subgroupBroadcast(x1, 5u), w0, w1, w2, w3);
                    sum14 += four(subgroupBroadcast(x1, 6u), w0, w1, w2, w3);
                    sum15 += four(subgroupBroadcast(x1, 7u), w0, w1, w2, w3);
                }
                row_x0 += params.delta.y;
                row_x1 += params.delta.y;
            }
            row_y0 += params.delta.x;
            row_y1 += params.delta.x;
        }
        var own_bias = vec2<f32>();
        if params.has_bias == 1u {
            own_bias = bias[column];
        }
        // Eight rounds of two pixels.
        var next = target_pixel(m, p0);
        let later = target_pixel(m + 8u, p1);
        for (var round = 0u; round < params.rounds; round++) {
            let to0 = subgroupBroadcast(next, 0u);
            let to1 = subgroupBroadcast(next, 1u);
            if pair < pairs {
                store(to0, column, own_bias, sum0);
                store(to1, column, own_bias, sum1);
            }
            next = select(subgroupShuffleDown(next, 2u), later, round == 3u);
            sum0 = sum2;
            sum1 = sum3;
            sum2 = sum4;
            sum3 = sum5;
            sum4 = sum6;
            sum5 = sum7;
            sum6 = sum8;
            sum7 = sum9;
            sum8 = sum10;
            sum9 = sum11;
            sum10 = sum12;
            sum11 = sum13;
            sum12 = sum14;
            sum13 = sum15;
        }
    }
}
