// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// The subgroup kernel (see gather_subgroup.wgsl) for any number of channels: a workgroup of eight invocations makes 16 pixels of
// a phase by 16 channels, each invocation two neighbouring channels of all 16. Per step of four elements lane l fetches element l % 4 of
// eight pixels. Where `flat`, for one group, undilated and not transposed, the taps of a kernel row and their channels are one run of memory
// and are summed as one, which spares small channel counts (pictures have three) the idle lanes. The grid is (ceil(pixels / 16),
// groups * blocks of 16 channels, phases); tails are guarded here. f32 sums: four products added up, then added to the sum.
// Joined with columns_single or columns_pairs.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Weight1>;

// Nothing reaches this far to the left.
const OUTSIDE = -1073741824;

// Stores the pair of channels of an output pixel, of which `here` are this invocation's.
fn store(at: i32, column: u32, here: u32, sum: vec2<f32>) {
    store_pair(u32(at) * params.output.w + column, select(0u, here, at >= 0), sum);
}

// Where an output pixel lies in y, counted in pixels, or -1 if there is none.
fn target_pixel(m: u32, pixel: vec3<u32>) -> i32 {
    return select(-1, i32((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z), is_output(m, pixel));
}

// Two weights.
fn weights(at: vec2<u32>) -> vec2<f32> {
    let first = weight1(w[at.x >> WEIGHT_SHIFT], at.x);
    return vec2<f32>(first, weight1(w[at.y >> WEIGHT_SHIFT], at.y));
}

// Element r of a run that starts at `start` and at `left` elements from its row's first: zero outside the row.
fn fetch(start: i32, left: i32, r: u32, length: u32, width: u32) -> f32 {
    let inside = r < length && u32(left + i32(r)) < width;
    return select(0.0, x[select(0u, u32(start + i32(r)), inside)], inside);
}

fn four(a: f32, b: f32, c: f32, d: f32, w0: vec2<f32>, w1: vec2<f32>, w2: vec2<f32>, w3: vec2<f32>) -> vec2<f32> {
    return a * w0 + b * w1 + c * w2 + d * w3;
}

// How many elements of its row lie left of where a pixel's run starts; far outside where there is nothing to read.
fn run_left(exists: bool, row: i32, column: i32) -> i32 {
    let inside_y = exists && row >= 0 && row < i32(params.input.y);
    if params.flat == 1u {
        return select(OUTSIDE, column * i32(params.input.w), inside_y);
    }
    return select(OUTSIDE, 0, inside_y && column >= 0 && column < i32(params.input.z));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.y / params.blocks;
    let local = g.y % params.blocks * 16u + 2u * lane;
    let here = min(max(params.kernel.w, local) - local, 2u);
    let columns = of_group * params.kernel.w + min(local + vec2<u32>(0u, 1u), vec2<u32>(params.kernel.w - 1u));
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    var length = params.kernel.z;
    var width = 1073741824u;
    var taps_x = params.kernel.y;
    if params.flat == 1u {
        length = params.kernel.y * params.kernel.z;
        width = params.input.z * params.input.w;
        taps_x = 1u;
    }

    // Lane l knows where pixels l and l + 8 are, and fetches element l % 4 of each step for every other pixel.
    let m = g.x * 16u + lane;
    let p0 = output_pixel(m, residue);
    let p1 = output_pixel(m + 8u, residue);
    let s0 = input_position(p0, first);
    let s1 = input_position(p1, first);
    let picture0 = i32(p0.x * params.input.y);
    let picture1 = i32(p1.x * params.input.y);
    let exists0 = p0.x < params.input.x;
    let exists1 = p1.x < params.input.x;
    let odd = lane >= 4u;
    let element = lane % 4u;
    let channel = i32(of_group * params.kernel.z);
    let stride = params.output.w;
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
        for (var kx = first.y; kx < taps_x; kx += params.step.w) {
            let start0 = ((picture0 + row_y0) * i32(params.input.z) + row_x0) * i32(params.input.w) + channel;
            let start1 = ((picture1 + row_y1) * i32(params.input.z) + row_x1) * i32(params.input.w) + channel;
            let left0 = run_left(exists0, row_y0, row_x0);
            let left1 = run_left(exists1, row_y1, row_x1);
            let from0 = select(subgroupBroadcast(start0, 0u), subgroupBroadcast(start0, 1u), odd);
            let edge0 = select(subgroupBroadcast(left0, 0u), subgroupBroadcast(left0, 1u), odd);
            let from1 = select(subgroupBroadcast(start0, 2u), subgroupBroadcast(start0, 3u), odd);
            let edge1 = select(subgroupBroadcast(left0, 2u), subgroupBroadcast(left0, 3u), odd);
            let from2 = select(subgroupBroadcast(start0, 4u), subgroupBroadcast(start0, 5u), odd);
            let edge2 = select(subgroupBroadcast(left0, 4u), subgroupBroadcast(left0, 5u), odd);
            let from3 = select(subgroupBroadcast(start0, 6u), subgroupBroadcast(start0, 7u), odd);
            let edge3 = select(subgroupBroadcast(left0, 6u), subgroupBroadcast(left0, 7u), odd);
            let from4 = select(subgroupBroadcast(start1, 0u), subgroupBroadcast(start1, 1u), odd);
            let edge4 = select(subgroupBroadcast(left1, 0u), subgroupBroadcast(left1, 1u), odd);
            let from5 = select(subgroupBroadcast(start1, 2u), subgroupBroadcast(start1, 3u), odd);
            let edge5 = select(subgroupBroadcast(left1, 2u), subgroupBroadcast(left1, 3u), odd);
            let from6 = select(subgroupBroadcast(start1, 4u), subgroupBroadcast(start1, 5u), odd);
            let edge6 = select(subgroupBroadcast(left1, 4u), subgroupBroadcast(left1, 5u), odd);
            let from7 = select(subgroupBroadcast(start1, 6u), subgroupBroadcast(start1, 7u), odd);
            let edge7 = select(subgroupBroadcast(left1, 6u), subgroupBroadcast(left1, 7u), odd);
            let row = (ky * params.kernel.y + kx) * params.kernel.z;
            for (var i = 0u; i < length; i += 4u) {
                let r = i + element;
                let x0 = fetch(from0, edge0, r, length, width);
                let x1 = fetch(from1, edge1, r, length, width);
                let x2 = fetch(from2, edge2, r, length, width);
                let x3 = fetch(from3, edge3, r, length, width);
                let x4 = fetch(from4, edge4, r, length, width);
                let x5 = fetch(from5, edge5, r, length, width);
                let x6 = fetch(from6, edge6, r, length, width);
                let x7 = fetch(from7, edge7, r, length, width);
                let w0 = weights((row + min(i + 0u, length - 1u)) * stride + columns);
                let w1 = weights((row + min(i + 1u, length - 1u)) * stride + columns);
                let w2 = weights((row + min(i + 2u, length - 1u)) * stride + columns);
                let w3 = weights((row + min(i + 3u, length - 1u)) * stride + columns);
                sum0 += four(subgroupBroadcast(x0, 0u), subgroupBroadcast(x0, 1u), subgroupBroadcast(x0, 2u), subgroupBroadcast(x0, 3u), w0, w1, w2, w3);
                sum1 += four(subgroupBroadcast(x0, 4u), subgroupBroadcast(x0, 5u), subgroupBroadcast(x0, 6u), subgroupBroadcast(x0, 7u), w0, w1, w2, w3);
                sum2 += four(subgroupBroadcast(x1, 0u), subgroupBroadcast(x1, 1u), subgroupBroadcast(x1, 2u), subgroupBroadcast(x1, 3u), w0, w1, w2, w3);
                sum3 += four(subgroupBroadcast(x1, 4u), subgroupBroadcast(x1, 5u), subgroupBroadcast(x1, 6u), subgroupBroadcast(x1, 7u), w0, w1, w2, w3);
                sum4 += four(subgroupBroadcast(x2, 0u), subgroupBroadcast(x2, 1u), subgroupBroadcast(x2, 2u), subgroupBroadcast(x2, 3u), w0, w1, w2, w3);
                sum5 += four(subgroupBroadcast(x2, 4u), subgroupBroadcast(x2, 5u), subgroupBroadcast(x2, 6u), subgroupBroadcast(x2, 7u), w0, w1, w2, w3);
                sum6 += four(subgroupBroadcast(x3, 0u), subgroupBroadcast(x3, 1u), subgroupBroadcast(x3, 2u), subgroupBroadcast(x3, 3u), w0, w1, w2, w3);
                sum7 += four(subgroupBroadcast(x3, 4u), subgroupBroadcast(x3, 5u), subgroupBroadcast(x3, 6u), subgroupBroadcast(x3, 7u), w0, w1, w2, w3);
                sum8 += four(subgroupBroadcast(x4, 0u), subgroupBroadcast(x4, 1u), subgroupBroadcast(x4, 2u), subgroupBroadcast(x4, 3u), w0, w1, w2, w3);
                sum9 += four(subgroupBroadcast(x4, 4u), subgroupBroadcast(x4, 5u), subgroupBroadcast(x4, 6u), subgroupBroadcast(x4, 7u), w0, w1, w2, w3);
                sum10 += four(subgroupBroadcast(x5, 0u), subgroupBroadcast(x5, 1u), subgroupBroadcast(x5, 2u), subgroupBroadcast(x5, 3u), w0, w1, w2, w3);
                sum11 += four(subgroupBroadcast(x5, 4u), subgroupBroadcast(x5, 5u), subgroupBroadcast(x5, 6u), subgroupBroadcast(x5, 7u), w0, w1, w2, w3);
                sum12 += four(subgroupBroadcast(x6, 0u), subgroupBroadcast(x6, 1u), subgroupBroadcast(x6, 2u), subgroupBroadcast(x6, 3u), w0, w1, w2, w3);
                sum13 += four(subgroupBroadcast(x6, 4u), subgroupBroadcast(x6, 5u), subgroupBroadcast(x6, 6u), subgroupBroadcast(x6, 7u), w0, w1, w2, w3);
                sum14 += four(subgroupBroadcast(x7, 0u), subgroupBroadcast(x7, 1u), subgroupBroadcast(x7, 2u), subgroupBroadcast(x7, 3u), w0, w1, w2, w3);
                sum15 += four(subgroupBroadcast(x7, 4u), subgroupBroadcast(x7, 5u), subgroupBroadcast(x7, 6u), subgroupBroadcast(x7, 7u), w0, w1, w2, w3);
            }
            row_x0 += params.delta.y;
            row_x1 += params.delta.y;
        }
        row_y0 += params.delta.x;
        row_y1 += params.delta.x;
    }
    var own_bias = vec2<f32>();
    if params.has_bias == 1u {
        own_bias = bias_pair(columns.x);
    }
    // Eight rounds of two pixels.
    var next = target_pixel(m, p0);
    let later = target_pixel(m + 8u, p1);
    for (var round = 0u; round < params.rounds; round++) {
        store(subgroupBroadcast(next, 0u), columns.x, here, sum0 + own_bias);
        store(subgroupBroadcast(next, 1u), columns.x, here, sum1 + own_bias);
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
