// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// An implicit matrix product for devices with fast workgroup memory: rows are the pixels of a phase, columns the output channels
// of a group, and the sum runs over (tap, channel) in steps of SIDE / 4. A workgroup makes SIDE rows by SIDE columns, 64 or, where those would
// leave a device idle, 32; each of its LANES = (SIDE / 4)^2 invocations makes 4 by 4 of them. Both factors pass through workgroup memory (8 KiB). The grid is
// (ceil(pixels / SIDE), groups * blocks of SIDE channels, phases); loads outside give zeros, stores are guarded. Joined with columns_single or columns_pairs.
// One f32 accumulator for each element, taps in order, channels innermost.

override SIDE: u32 = 64u;
override LANES: u32 = 256u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Weight1>;

// [step of the sum][quarter of the tile], four rows or columns to a vector.
var<workgroup> tile_x: array<vec4<f32>, 256>;
var<workgroup> tile_w: array<vec4<f32>, 256>;

// A term of the sum: kernel row and column, and input channel of the group.
struct Term {
    k: vec2<u32>,
    channel: u32,
}

// Term `r` of those that a phase's outputs have: divided out once, then counted on.
fn term(r: u32, first: vec2<u32>, columns: u32) -> Term {
    let tap = r / params.kernel.z;
    return Term(first + vec2<u32>(tap / columns, tap % columns) * params.step.zw, r % params.kernel.z);
}

// The term `by` further on, which comes as a term counted from the first one.
fn further(now: Term, by: Term, first: vec2<u32>, columns: u32) -> Term {
    var t = Term(now.k + by.k, now.channel + by.channel);
    if t.channel >= params.kernel.z {
        t.channel -= params.kernel.z;
        t.k.y += params.step.w;
    }
    if t.k.y >= first.y + columns * params.step.w {
        t.k.y -= columns * params.step.w;
        t.k.x += params.step.z;
    }
    return t;
}

fn store(m: u32, pixel: vec3<u32>, of_group: u32, column: u32, sums: vec4<f32>) {
    if !is_output(m, pixel) {
        return;
    }
    let first = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * params.output.w;
    let here = min(max(params.kernel.w, column) - column, 4u);
    let co = of_group * params.kernel.w + column;
    var v = sums;
    if params.has_bias == 1u && here > 0u {
        v += vec4<f32>(bias_pair(co), bias_pair(min(co + 2u, params.output.w - 1u)));
    }
    store_pair(first + co, min(here, 2u), v.xy);
    store_pair(first + co + 2u, max(here, 2u) - 2u, v.zw);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.y / params.blocks;
    let step = SIDE / 4u;
    let first_column = g.y % params.blocks * SIDE;
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    let taps = (max(params.kernel.xy, first) - first + params.step.zw - 1u) / params.step.zw;
    let depth = taps.x * taps.y * params.kernel.z;

    // Loading, of a tile of 64: invocation `lane` fetches step lane % 16 of rows lane / 16 + 16 j, and column lane % 64 of steps lane / 64 + 4 j.
    let row = lane / step;
    let column = lane % step;
    let m0 = g.x * SIDE + row;
    let load0 = output_pixel(m0, residue);
    let load1 = output_pixel(m0 + step, residue);
    let load2 = output_pixel(m0 + 2u * step, residue);
    let load3 = output_pixel(m0 + 3u * step, residue);
    let load_column = first_column + lane % SIDE;

    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    let columns = max(taps.y, 1u);
    let whole = term(step, vec2<u32>(), columns);
    let quarter = term(step / 4u, vec2<u32>(), columns);
    var of_x = term(column, first, columns);
    var of_w = term(lane / SIDE, first, columns);
    for (var start = 0u; start < depth; start += step) {
        let r = start + column;
        let channel = of_group * params.kernel.z + of_x.channel;
        let k = of_x.k;
        of_x = further(of_x, whole, first, columns);
        let loads = array<vec3<u32>, 4>(load0, load1, load2, load3);
        for (var j = 0u; j < 4u; j++) {
            let pixel = loads[j];
            let at = input_position(pixel, k);
            let t = row + step * j;
            var v = 0.0;
            if r < depth && pixel.x < params.input.x && is_input(at) {
                v = x[((pixel.x * params.input.y + u32(at.x)) * params.input.z + u32(at.y)) * params.input.w + channel];
            }
            tile_x[column * step + t / 4u][t % 4u] = v;
        }
        for (var j = 0u; j < 4u; j++) {
            let s = lane / SIDE + step / 4u * j;
            let wr = start + s;
            var v = 0.0;
            if wr < depth && load_column < params.kernel.w {
                let line = (of_w.k.x * params.kernel.y + of_w.k.y) * params.kernel.z + of_w.channel;
                let own_weight = line * params.output.w + of_group * params.kernel.w + load_column;
                v = weight1(w[own_weight >> WEIGHT_SHIFT], own_weight);
            }
            of_w = further(of_w, quarter, first, columns);
            let c = lane % SIDE;
            tile_w[s * step + c / 4u][c % 4u] = v;
        }
        workgroupBarrier();
        for (var s = 0u; s < step; s++) {
            let a = tile_x[s * step + row];
            let b = tile_w[s * step + column];
            sum0 += a.x * b;
            sum1 += a.y * b;
            sum2 += a.z * b;
            sum3 += a.w * b;
        }
        workgroupBarrier();
    }
    let m = g.x * SIDE + 4u * row;
    let c = first_column + 4u * column;
    store(m, output_pixel(m, residue), of_group, c, sum0);
    store(m + 1u, output_pixel(m + 1u, residue), of_group, c, sum1);
    store(m + 2u, output_pixel(m + 2u, residue), of_group, c, sum2);
    store(m + 3u, output_pixel(m + 3u, residue), of_group, c, sum3);
}
