// uses: activation, conv_gather
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// An implicit matrix product like gather_tiled.wgsl, by cooperative matrices: rows are the pixels of a phase, columns the output channels of
// a group (an even number), and the sum runs over (tap, channel) in steps of SIDE. A workgroup is one subgroup, makes two by two matrices of
// SIDE by SIDE, and passes both factors and the sums through workgroup memory. The grid is (ceil(pixels / (2 SIDE)), groups * blocks of
// 2 SIDE channels, phases); loads outside give zeros, stores are guarded. Factors are rounded to CoopNumber; f32 sums, in the
// device's order within a step. Joined with coop8_f32, coop8_f16 or coop16_f16, and with columns_pairs. LANES is a multiple of SIDE.

override LANES: u32 = 32u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Weight1>;

// [row][step of the sum], [step of the sum][column], [row][column]; of 32 rows and columns and 16 steps at most.
var<workgroup> tile_x: array<CoopNumber, 512>;
var<workgroup> tile_w: array<CoopNumber, 512>;
var<workgroup> tile_sums: array<f32, 1024>;
// The pixel of each row.
var<workgroup> row_pixel: array<vec3<u32>, 32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.y / params.blocks;
    let first_column = g.y % params.blocks * 2u * SIDE;
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));
    let taps = (max(params.kernel.xy, first) - first + params.step.zw - 1u) / params.step.zw;
    let depth = taps.x * taps.y * params.kernel.z;
    let m0 = g.x * 2u * SIDE;
    for (var row = lane; row < 2u * SIDE; row += LANES) {
        row_pixel[row] = output_pixel(m0 + row, residue);
    }
    for (var i = lane; i < 4u * SIDE * SIDE; i += LANES) {
        tile_sums[i] = 0.0;
    }
    workgroupBarrier();
    let below = 2u * SIDE * SIDE;
    var sum00 = coopLoadT<CoopC>(&tile_sums[0], 2u * SIDE);
    var sum01 = coopLoadT<CoopC>(&tile_sums[SIDE], 2u * SIDE);
    var sum10 = coopLoadT<CoopC>(&tile_sums[below], 2u * SIDE);
    var sum11 = coopLoadT<CoopC>(&tile_sums[below + SIDE], 2u * SIDE);

    // A lane fetches one step of the sum for every (LANES / SIDE)-th row.
    let step = lane % SIDE;
    for (var start = 0u; start < depth; start += SIDE) {
        let r = start + step;
        let tap = r / params.kernel.z;
        let channel = of_group * params.kernel.z + r % params.kernel.z;
        let k = first + vec2<u32>(tap / max(taps.y, 1u), tap % max(taps.y, 1u)) * params.step.zw;
        for (var row = lane / SIDE; row < 2u * SIDE; row += LANES / SIDE) {
            let pixel = row_pixel[row];
            let at = input_position(pixel, k);
            var v = 0.0;
            if r < depth && pixel.x < params.input.x && is_input(at) {
                v = x[((pixel.x * params.input.y + u32(at.x)) * params.input.z + u32(at.y)) * params.input.w + channel];
            }
            tile_x[row * SIDE + step] = CoopNumber(v);
        }
        for (var i = lane; i < 2u * SIDE * SIDE; i += LANES) {
            let wr = start + i / (2u * SIDE);
            let column = first_column + i % (2u * SIDE);
            let wtap = wr / params.kernel.z;
            let wk = first + vec2<u32>(wtap / max(taps.y, 1u), wtap % max(taps.y, 1u)) * params.step.zw;
            var v = 0.0;
            if wr < depth && column < params.kernel.w {
                let line = (wk.x * params.kernel.y + wk.y) * params.kernel.z + wr % params.kernel.z;
                let own_weight = line * params.output.w + of_group * params.kernel.w + column;
                v = weight1(w[own_weight >> WEIGHT_SHIFT], own_weight);
            }
            tile_w[i] = CoopNumber(v);
        }
        workgroupBarrier();
        let upper = coopLoadT<CoopA>(&tile_x[0], SIDE);
        let lower = coopLoadT<CoopA>(&tile_x[SIDE * SIDE], SIDE);
        let left = coopLoadT<CoopB>(&tile_w[0], 2u * SIDE);
        let right = coopLoadT<CoopB>(&tile_w[SIDE], 2u * SIDE);
        sum00 = coopMultiplyAdd(upper, left, sum00);
        sum01 = coopMultiplyAdd(upper, right, sum01);
        sum10 = coopMultiplyAdd(lower, left, sum10);
        sum11 = coopMultiplyAdd(lower, right, sum11);
        workgroupBarrier();
    }
    coopStoreT(sum00, &tile_sums[0], 2u * SIDE);
    coopStoreT(sum01, &tile_sums[SIDE], 2u * SIDE);
    coopStoreT(sum10, &tile_sums[below], 2u * SIDE);
    coopStoreT(sum11, &tile_sums[below + SIDE], 2u * SIDE);
    workgroupBarrier();
    for (var i = lane; i < 2u * SIDE * SIDE; i += LANES) {
        let row = i / SIDE;
        let column = first_column + i % SIDE * 2u;
        let pixel = row_pixel[row];
        if is_output(m0 + row, pixel) && column < params.kernel.w {
            let to = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * params.output.w;
            let co = of_group * params.kernel.w + column;
            var v = vec2<f32>(tile_sums[row * 2u * SIDE + i % SIDE * 2u], tile_sums[row * 2u * SIDE + i % SIDE * 2u + 1u]);
            if params.has_bias == 1u {
                v += bias_pair(co);
            }
            store_pair(to + co, 2u, v);
        }
    }
}
