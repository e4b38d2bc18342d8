// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// The subgroup kernel (see gather_subgroup.wgsl) for any number of channels: a workgroup of eight invocations makes 16 pixels of
// a phase by 16 channels, each invocation two channels of all 16. Lane l fetches element l of each step of eight. With FLAT, for one
// group, undilated and not transposed, the taps of a kernel row and their channels are one run of memory and are summed as
// one, which spares small channel counts (pictures have three) the idle lanes. The grid is (ceil(pixels / 16),
// groups * blocks of 16 channels, phases); tails are guarded here. f32 sums: eight products added up, then added to the sum.

override ACTIVATION: u32 = 0u;
override FLAT: bool = false;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Weight1>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// Nothing reaches this far to the left.
const OUTSIDE = -1073741824;

fn store_one(at: u32, column: u32, sum: f32) {
    var v = sum;
    if params.has_bias == 1u {
        v += bias[column];
    }
    if params.has_residual == 1u {
        v += residual[at + column];
    }
    y[at + column] = activate(v, ACTIVATION, params.slope);
}

fn store(at: i32, columns: vec2<u32>, here: vec2<bool>, sum: vec2<f32>) {
    if at >= 0 && here.x {
        store_one(u32(at) * params.output.w, columns.x, sum.x);
    }
    if at >= 0 && here.y {
        store_one(u32(at) * params.output.w, columns.y, sum.y);
    }
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

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.y / params.blocks;
    let local = g.y % params.blocks * 16u + vec2<u32>(lane, lane + 8u);
    let here = local < vec2<u32>(params.kernel.w);
    let columns = of_group * params.kernel.w + min(local, vec2<u32>(params.kernel.w - 1u));
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    var length = params.kernel.z;
    var width = 1073741824u;
    var taps_x = params.kernel.y;
    if FLAT {
        length = params.kernel.y * params.kernel.z;
        width = params.input.z * params.input.w;
        taps_x = 1u;
    }

    // Lane l knows where pixels l and l + 8 are.
    let m = g.x * 16u + lane;
    let p0 = output_pixel(m, residue);
    let p1 = output_pixel(m + 8u, residue);
    let s0 = input_position(p0, first);
    let s1 = input_position(p1, first);
    let picture = vec2<i32>(vec2<u32>(p0.x, p1.x) * params.input.y);
    let exists = vec2<u32>(p0.x, p1.x) < vec2<u32>(params.input.x);
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
    var row_y = vec2<i32>(s0.x, s1.x);
    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        var row_x = vec2<i32>(s0.y, s1.y);
        let inside_y = exists & (row_y >= vec2<i32>()) & (row_y < vec2<i32>(i32(params.input.y)));
        for (var kx = first.y; kx < taps_x; kx += params.step.w) {
            let start = ((picture + row_y) * i32(params.input.z) + row_x) * i32(params.input.w) + channel;
            var left = select(vec2<i32>(OUTSIDE), row_x * i32(params.input.w), inside_y);
            if !FLAT {
                let inside = inside_y & (row_x >= vec2<i32>()) & (row_x < vec2<i32>(i32(params.input.z)));
                left = select(vec2<i32>(OUTSIDE), vec2<i32>(), inside);
            }
            let start0 = subgroupBroadcast(start.x, 0u);
            let left0 = subgroupBroadcast(left.x, 0u);
            let start1 = subgroupBroadcast(start.x, 1u);
            let left1 = subgroupBroadcast(left.x, 1u);
            let start2 = subgroupBroadcast(start.x, 2u);
            let left2 = subgroupBroadcast(left.x, 2u);
            let start3 = subgroupBroadcast(start.x, 3u);
            let left3 = subgroupBroadcast(left.x, 3u);
            let start4 = subgroupBroadcast(start.x, 4u);
            let left4 = subgroupBroadcast(left.x, 4u);
            let start5 = subgroupBroadcast(start.x, 5u);
            let left5 = subgroupBroadcast(left.x, 5u);
            let start6 = subgroupBroadcast(start.x, 6u);
            let left6 = subgroupBroadcast(left.x, 6u);
            let start7 = subgroupBroadcast(start.x, 7u);
            let left7 = subgroupBroadcast(left.x, 7u);
            let start8 = subgroupBroadcast(start.y, 0u);
            let left8 = subgroupBroadcast(left.y, 0u);
            let start9 = subgroupBroadcast(start.y, 1u);
            let left9 = subgroupBroadcast(left.y, 1u);
            let start10 = subgroupBroadcast(start.y, 2u);
            let left10 = subgroupBroadcast(left.y, 2u);
            let start11 = subgroupBroadcast(start.y, 3u);
            let left11 = subgroupBroadcast(left.y, 3u);
            let start12 = subgroupBroadcast(start.y, 4u);
            let left12 = subgroupBroadcast(left.y, 4u);
            let start13 = subgroupBroadcast(start.y, 5u);
            let left13 = subgroupBroadcast(left.y, 5u);
            let start14 = subgroupBroadcast(start.y, 6u);
            let left14 = subgroupBroadcast(left.y, 6u);
            let start15 = subgroupBroadcast(start.y, 7u);
            let left15 = subgroupBroadcast(left.y, 7u);
            let row = (ky * params.kernel.y + kx) * params.kernel.z;
            for (var i = 0u; i < length; i += 8u) {
                let r = i + lane;
                let x0 = fetch(start0, left0, r, length, width);
                let x1 = fetch(start1, left1, r, length, width);
                let x2 = fetch(start2, left2, r, length, width);
                let x3 = fetch(start3, left3, r, length, width);
                let x4 = fetch(start4, left4, r, length, width);
                let x5 = fetch(start5, left5, r, length, width);
                let x6 = fetch(start6, left6, r, length, width);
                let x7 = fetch(start7, left7, r, length, width);
                let x8 = fetch(start8, left8, r, length, width);
                let x9 = fetch(start9, left9, r, length, width);
                let x10 = fetch(start10, left10, r, length, width);
                let x11 = fetch(start11, left11, r, length, width);
                let x12 = fetch(start12, left12, r, length, width);
                let x13 = fetch(start13, left13, r, length, width);
                let x14 = fetch(start14, left14, r, length, width);
                let x15 = fetch(start15, left15, r, length, width);
                let r0 = (row + min(i + 0u, length - 1u)) * stride;
                let w0 = weights(r0 + columns);
                let r1 = (row + min(i + 1u, length - 1u)) * stride;
                let w1 = weights(r1 + columns);
                let r2 = (row + min(i + 2u, length - 1u)) * stride;
                let w2 = weights(r2 + columns);
                let r3 = (row + min(i + 3u, length - 1u)) * stride;
                let w3 = weights(r3 + columns);
                let r4 = (row + min(i + 4u, length - 1u)) * stride;
                let w4 = weights(r4 + columns);
                let r5 = (row + min(i + 5u, length - 1u)) * stride;
                let w5 = weights(r5 + columns);
                let r6 = (row + min(i + 6u, length - 1u)) * stride;
                let w6 = weights(r6 + columns);
                let r7 = (row + min(i + 7u, length - 1u)) * stride;
                let w7 = weights(r7 + columns);
                sum0 += subgroupBroadcast(x0, 0u) * w0 + subgroupBroadcast(x0, 1u) * w1 + subgroupBroadcast(x0, 2u) * w2 + subgroupBroadcast(x0, 3u) * w3
                    + subgroupBroadcast(x0, 4u) * w4 + subgroupBroadcast(x0, 5u) * w5 + subgroupBroadcast(x0, 6u) * w6 + subgroupBroadcast(x0, 7u) * w7;
                sum1 += subgroupBroadcast(x1, 0u) * w0 + subgroupBroadcast(x1, 1u) * w1 + subgroupBroadcast(x1, 2u) * w2 + subgroupBroadcast(x1, 3u) * w3
                    + subgroupBroadcast(x1, 4u) * w4 + subgroupBroadcast(x1, 5u) * w5 + subgroupBroadcast(x1, 6u) * w6 + subgroupBroadcast(x1, 7u) * w7;
                sum2 += subgroupBroadcast(x2, 0u) * w0 + subgroupBroadcast(x2, 1u) * w1 + subgroupBroadcast(x2, 2u) * w2 + subgroupBroadcast(x2, 3u) * w3
                    + subgroupBroadcast(x2, 4u) * w4 + subgroupBroadcast(x2, 5u) * w5 + subgroupBroadcast(x2, 6u) * w6 + subgroupBroadcast(x2, 7u) * w7;
                sum3 += subgroupBroadcast(x3, 0u) * w0 + subgroupBroadcast(x3, 1u) * w1 + subgroupBroadcast(x3, 2u) * w2 + subgroupBroadcast(x3, 3u) * w3
                    + subgroupBroadcast(x3, 4u) * w4 + subgroupBroadcast(x3, 5u) * w5 + subgroupBroadcast(x3, 6u) * w6 + subgroupBroadcast(x3, 7u) * w7;
                sum4 += subgroupBroadcast(x4, 0u) * w0 + subgroupBroadcast(x4, 1u) * w1 + subgroupBroadcast(x4, 2u) * w2 + subgroupBroadcast(x4, 3u) * w3
                    + subgroupBroadcast(x4, 4u) * w4 + subgroupBroadcast(x4, 5u) * w5 + subgroupBroadcast(x4, 6u) * w6 + subgroupBroadcast(x4, 7u) * w7;
                sum5 += subgroupBroadcast(x5, 0u) * w0 + subgroupBroadcast(x5, 1u) * w1 + subgroupBroadcast(x5, 2u) * w2 + subgroupBroadcast(x5, 3u) * w3
                    + subgroupBroadcast(x5, 4u) * w4 + subgroupBroadcast(x5, 5u) * w5 + subgroupBroadcast(x5, 6u) * w6 + subgroupBroadcast(x5, 7u) * w7;
                sum6 += subgroupBroadcast(x6, 0u) * w0 + subgroupBroadcast(x6, 1u) * w1 + subgroupBroadcast(x6, 2u) * w2 + subgroupBroadcast(x6, 3u) * w3
                    + subgroupBroadcast(x6, 4u) * w4 + subgroupBroadcast(x6, 5u) * w5 + subgroupBroadcast(x6, 6u) * w6 + subgroupBroadcast(x6, 7u) * w7;
                sum7 += subgroupBroadcast(x7, 0u) * w0 + subgroupBroadcast(x7, 1u) * w1 + subgroupBroadcast(x7, 2u) * w2 + subgroupBroadcast(x7, 3u) * w3
                    + subgroupBroadcast(x7, 4u) * w4 + subgroupBroadcast(x7, 5u) * w5 + subgroupBroadcast(x7, 6u) * w6 + subgroupBroadcast(x7, 7u) * w7;
                sum8 += subgroupBroadcast(x8, 0u) * w0 + subgroupBroadcast(x8, 1u) * w1 + subgroupBroadcast(x8, 2u) * w2 + subgroupBroadcast(x8, 3u) * w3
                    + subgroupBroadcast(x8, 4u) * w4 + subgroupBroadcast(x8, 5u) * w5 + subgroupBroadcast(x8, 6u) * w6 + subgroupBroadcast(x8, 7u) * w7;
                sum9 += subgroupBroadcast(x9, 0u) * w0 + subgroupBroadcast(x9, 1u) * w1 + subgroupBroadcast(x9, 2u) * w2 + subgroupBroadcast(x9, 3u) * w3
                    + subgroupBroadcast(x9, 4u) * w4 + subgroupBroadcast(x9, 5u) * w5 + subgroupBroadcast(x9, 6u) * w6 + subgroupBroadcast(x9, 7u) * w7;
                sum10 += subgroupBroadcast(x10, 0u) * w0 + subgroupBroadcast(x10, 1u) * w1 + subgroupBroadcast(x10, 2u) * w2 + subgroupBroadcast(x10, 3u) * w3
                    + subgroupBroadcast(x10, 4u) * w4 + subgroupBroadcast(x10, 5u) * w5 + subgroupBroadcast(x10, 6u) * w6 + subgroupBroadcast(x10, 7u) * w7;
                sum11 += subgroupBroadcast(x11, 0u) * w0 + subgroupBroadcast(x11, 1u) * w1 + subgroupBroadcast(x11, 2u) * w2 + subgroupBroadcast(x11, 3u) * w3
                    + subgroupBroadcast(x11, 4u) * w4 + subgroupBroadcast(x11, 5u) * w5 + subgroupBroadcast(x11, 6u) * w6 + subgroupBroadcast(x11, 7u) * w7;
                sum12 += subgroupBroadcast(x12, 0u) * w0 + subgroupBroadcast(x12, 1u) * w1 + subgroupBroadcast(x12, 2u) * w2 + subgroupBroadcast(x12, 3u) * w3
                    + subgroupBroadcast(x12, 4u) * w4 + subgroupBroadcast(x12, 5u) * w5 + subgroupBroadcast(x12, 6u) * w6 + subgroupBroadcast(x12, 7u) * w7;
                sum13 += subgroupBroadcast(x13, 0u) * w0 + subgroupBroadcast(x13, 1u) * w1 + subgroupBroadcast(x13, 2u) * w2 + subgroupBroadcast(x13, 3u) * w3
                    + subgroupBroadcast(x13, 4u) * w4 + subgroupBroadcast(x13, 5u) * w5 + subgroupBroadcast(x13, 6u) * w6 + subgroupBroadcast(x13, 7u) * w7;
                sum14 += subgroupBroadcast(x14, 0u) * w0 + subgroupBroadcast(x14, 1u) * w1 + subgroupBroadcast(x14, 2u) * w2 + subgroupBroadcast(x14, 3u) * w3
                    + subgroupBroadcast(x14, 4u) * w4 + subgroupBroadcast(x14, 5u) * w5 + subgroupBroadcast(x14, 6u) * w6 + subgroupBroadcast(x14, 7u) * w7;
                sum15 += subgroupBroadcast(x15, 0u) * w0 + subgroupBroadcast(x15, 1u) * w1 + subgroupBroadcast(x15, 2u) * w2 + subgroupBroadcast(x15, 3u) * w3
                    + subgroupBroadcast(x15, 4u) * w4 + subgroupBroadcast(x15, 5u) * w5 + subgroupBroadcast(x15, 6u) * w6 + subgroupBroadcast(x15, 7u) * w7;
            }
            row_x += params.delta.y;
        }
        row_y += params.delta.x;
    }
    let t0 = target_pixel(m, p0);
    let t1 = target_pixel(m + 8u, p1);
    let to0 = subgroupBroadcast(t0, 0u);
    let to1 = subgroupBroadcast(t0, 1u);
    let to2 = subgroupBroadcast(t0, 2u);
    let to3 = subgroupBroadcast(t0, 3u);
    let to4 = subgroupBroadcast(t0, 4u);
    let to5 = subgroupBroadcast(t0, 5u);
    let to6 = subgroupBroadcast(t0, 6u);
    let to7 = subgroupBroadcast(t0, 7u);
    let to8 = subgroupBroadcast(t1, 0u);
    let to9 = subgroupBroadcast(t1, 1u);
    let to10 = subgroupBroadcast(t1, 2u);
    let to11 = subgroupBroadcast(t1, 3u);
    let to12 = subgroupBroadcast(t1, 4u);
    let to13 = subgroupBroadcast(t1, 5u);
    let to14 = subgroupBroadcast(t1, 6u);
    let to15 = subgroupBroadcast(t1, 7u);
    store(to0, columns, here, sum0);
    store(to1, columns, here, sum1);
    store(to2, columns, here, sum2);
    store(to3, columns, here, sum3);
    store(to4, columns, here, sum4);
    store(to5, columns, here, sum5);
    store(to6, columns, here, sum6);
    store(to7, columns, here, sum7);
    store(to8, columns, here, sum8);
    store(to9, columns, here, sum9);
    store(to10, columns, here, sum10);
    store(to11, columns, here, sum11);
    store(to12, columns, here, sum12);
    store(to13, columns, here, sum13);
    store(to14, columns, here, sum14);
    store(to15, columns, here, sum15);
}
