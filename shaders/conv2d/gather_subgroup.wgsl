// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// For software devices with subgroups of at least eight, where a load costs by the element and the lane and is never shared:
// input channels of a group in fours, output channels in pairs. A workgroup of eight invocations makes 16 pixels of a phase by 16
// channels, each invocation a pair of channels of all 16. Per step of eight input channels the lanes fetch the activations
// of 16 pixels between them, each element once, and hand them round by broadcast. The grid is (ceil(pixels / 16),
// groups * blocks of 16 channels, phases); tails are guarded here. f32 sums: eight products added up, then added to the sum.

override ACTIVATION: u32 = 0u;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<Weight2>;
@group(0) @binding(3) var<storage, read> bias: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec2<f32>>;

fn store(at: i32, column: u32, sum: vec2<f32>) {
    if at >= 0 {
        let to = u32(at) * (params.output.w / 2u) + column;
        var v = sum;
        if params.has_bias == 1u {
            v += bias[column];
        }
        if params.has_residual == 1u {
            v += residual[to];
        }
        y[to] = vec2<f32>(activate(v.x, ACTIVATION, params.slope), activate(v.y, ACTIVATION, params.slope));
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
    let pair = g.y % params.blocks * 8u + lane;
    let column = of_group * pairs + min(pair, pairs - 1u);
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));

    // Lane l fetches quad l % 2 of the step for pixels l / 2 + 4 j.
    let m = g.x * 16u + lane / 2u;
    let p0 = output_pixel(m + 0u, residue);
    let p1 = output_pixel(m + 4u, residue);
    let p2 = output_pixel(m + 8u, residue);
    let p3 = output_pixel(m + 12u, residue);
    let s0 = input_position(p0, first);
    let s1 = input_position(p1, first);
    let s2 = input_position(p2, first);
    let s3 = input_position(p3, first);
    let picture = vec4<i32>(vec4<u32>(p0.x, p1.x, p2.x, p3.x) * params.input.y);
    let exists = vec4<u32>(p0.x, p1.x, p2.x, p3.x) < vec4<u32>(params.input.x);
    let start_x = vec4<i32>(s0.y, s1.y, s2.y, s3.y);
    let my_quad = lane % 2u;
    let channel = i32(of_group * quads + my_quad);
    let stride = params.output.w / 2u;
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
    var row_y = vec4<i32>(s0.x, s1.x, s2.x, s3.x);
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        var row_x = start_x;
        let inside_y = exists & (row_y >= vec4<i32>()) & (row_y < vec4<i32>(i32(params.input.y)));
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            let inside = inside_y & (row_x >= vec4<i32>()) & (row_x < vec4<i32>(i32(params.input.z)));
            let at = ((picture + row_y) * i32(params.input.z) + row_x) * i32(params.input.w / 4u) + channel;
            let source = vec4<u32>(select(vec4<i32>(), at, inside));
            var row = (ky * params.kernel.y + kx) * params.kernel.z * stride + column;
            for (var i = 0u; i < quads; i += 2u) {
                // Where the channels end on an odd quad, its partner is zero and takes any weights.
                let mine = i + my_quad < quads;
                let step = select(0u, i, mine);
                let x0 = select(vec4<f32>(), x[source.x + step], inside.x && mine);
                let x1 = select(vec4<f32>(), x[source.y + step], inside.y && mine);
                let x2 = select(vec4<f32>(), x[source.z + step], inside.z && mine);
                let x3 = select(vec4<f32>(), x[source.w + step], inside.w && mine);
                let w0 = weight2(w[row]);
                let w1 = weight2(w[row + 1u * stride]);
                let w2 = weight2(w[row + 2u * stride]);
                let w3 = weight2(w[row + 3u * stride]);
                let second = row + select(0u, 4u * stride, i + 1u < quads);
                let w4 = weight2(w[second]);
                let w5 = weight2(w[second + 1u * stride]);
                let w6 = weight2(w[second + 2u * stride]);
                let w7 = weight2(w[second + 3u * stride]);
                row += 8u * stride;
                sum0 += four(subgroupBroadcast(x0, 0u), w0, w1, w2, w3) + four(subgroupBroadcast(x0, 1u), w4, w5, w6, w7);
                sum1 += four(subgroupBroadcast(x0, 2u), w0, w1, w2, w3) + four(subgroupBroadcast(x0, 3u), w4, w5, w6, w7);
                sum2 += four(subgroupBroadcast(x0, 4u), w0, w1, w2, w3) + four(subgroupBroadcast(x0, 5u), w4, w5, w6, w7);
                sum3 += four(subgroupBroadcast(x0, 6u), w0, w1, w2, w3) + four(subgroupBroadcast(x0, 7u), w4, w5, w6, w7);
                sum4 += four(subgroupBroadcast(x1, 0u), w0, w1, w2, w3) + four(subgroupBroadcast(x1, 1u), w4, w5, w6, w7);
                sum5 += four(subgroupBroadcast(x1, 2u), w0, w1, w2, w3) + four(subgroupBroadcast(x1, 3u), w4, w5, w6, w7);
                sum6 += four(subgroupBroadcast(x1, 4u), w0, w1, w2, w3) + four(subgroupBroadcast(x1, 5u), w4, w5, w6, w7);
                sum7 += four(subgroupBroadcast(x1, 6u), w0, w1, w2, w3) + four(subgroupBroadcast(x1, 7u), w4, w5, w6, w7);
                sum8 += four(subgroupBroadcast(x2, 0u), w0, w1, w2, w3) + four(subgroupBroadcast(x2, 1u), w4, w5, w6, w7);
                sum9 += four(subgroupBroadcast(x2, 2u), w0, w1, w2, w3) + four(subgroupBroadcast(x2, 3u), w4, w5, w6, w7);
                sum10 += four(subgroupBroadcast(x2, 4u), w0, w1, w2, w3) + four(subgroupBroadcast(x2, 5u), w4, w5, w6, w7);
                sum11 += four(subgroupBroadcast(x2, 6u), w0, w1, w2, w3) + four(subgroupBroadcast(x2, 7u), w4, w5, w6, w7);
                sum12 += four(subgroupBroadcast(x3, 0u), w0, w1, w2, w3) + four(subgroupBroadcast(x3, 1u), w4, w5, w6, w7);
                sum13 += four(subgroupBroadcast(x3, 2u), w0, w1, w2, w3) + four(subgroupBroadcast(x3, 3u), w4, w5, w6, w7);
                sum14 += four(subgroupBroadcast(x3, 4u), w0, w1, w2, w3) + four(subgroupBroadcast(x3, 5u), w4, w5, w6, w7);
                sum15 += four(subgroupBroadcast(x3, 6u), w0, w1, w2, w3) + four(subgroupBroadcast(x3, 7u), w4, w5, w6, w7);
            }
            row_x += params.delta.y;
        }
        row_y += params.delta.x;
    }
    let t0 = target_pixel(m + 0u, p0);
    let t1 = target_pixel(m + 4u, p1);
    let t2 = target_pixel(m + 8u, p2);
    let t3 = target_pixel(m + 12u, p3);
    let to0 = subgroupBroadcast(t0, 0u);
    let to1 = subgroupBroadcast(t0, 2u);
    let to2 = subgroupBroadcast(t0, 4u);
    let to3 = subgroupBroadcast(t0, 6u);
    let to4 = subgroupBroadcast(t1, 0u);
    let to5 = subgroupBroadcast(t1, 2u);
    let to6 = subgroupBroadcast(t1, 4u);
    let to7 = subgroupBroadcast(t1, 6u);
    let to8 = subgroupBroadcast(t2, 0u);
    let to9 = subgroupBroadcast(t2, 2u);
    let to10 = subgroupBroadcast(t2, 4u);
    let to11 = subgroupBroadcast(t2, 6u);
    let to12 = subgroupBroadcast(t3, 0u);
    let to13 = subgroupBroadcast(t3, 2u);
    let to14 = subgroupBroadcast(t3, 4u);
    let to15 = subgroupBroadcast(t3, 6u);
    if pair < pairs {
        store(to0, column, sum0);
        store(to1, column, sum1);
        store(to2, column, sum2);
        store(to3, column, sum3);
        store(to4, column, sum4);
        store(to5, column, sum5);
        store(to6, column, sum6);
        store(to7, column, sum7);
        store(to8, column, sum8);
        store(to9, column, sum9);
        store(to10, column, sum10);
        store(to11, column, sum11);
        store(to12, column, sum12);
        store(to13, column, sum13);
        store(to14, column, sum14);
        store(to15, column, sum15);
    }
}
