// uses: conv_weight
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// For software devices with subgroups of at least eight (see gather_subgroup.wgsl): input channels of a group in fours, output
// channels in pairs. A workgroup of eight invocations makes 16 input channels by 16 output channels of one tap, each
// invocation a pair of output channels. Per step of four anchors of a row the lanes fetch the 16 channels of `rows` between them
// and hand them round by broadcast. The grid is (groups * blocks of 16 output channels, taps * ceil(input
// channels of a group / 16), parts); tails are guarded here. f32 sums, anchors in order.

@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec2<f32>>;

fn store(i: u32, at: u32, sum: vec2<f32>) {
    if i < params.kernel.z {
        parts[at + i * (params.columns.w / 2u)] = sum;
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.x / params.blocks;
    let pairs = params.kernel.w / 2u;
    let quads = params.kernel.z / 4u;
    let pair = g.x % params.blocks * 8u + lane;
    let column = of_group * pairs + min(pair, pairs - 1u);
    let tiles = (params.kernel.z + 15u) / 16u;
    let tap = g.y / tiles;
    let i = g.y % tiles * 16u;
    let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
    let first = max(first_anchor(params.rows_x, k.y), first_anchor(params.columns_x, k.y));
    let end = min(
        params.anchors.z,
        min(last_anchor(params.rows_x, k.y, params.rows.z), last_anchor(params.columns_x, k.y, params.columns.z)),
    );
    // Lane l fetches quad l % 4 of anchors l / 4 + 2 j; a quad past the group's last is fetched as the last and not stored.
    let channel = of_group * quads + min(i / 4u + lane % 4u, quads - 1u);
    let row_quads = params.rows.w / 4u;
    let column_pairs = params.columns.w / 2u;
    let row_step = u32(params.rows_x.x) * row_quads;
    let column_step = u32(params.columns_x.x) * column_pairs;
    let last_row = min((g.z + 1u) * params.anchors.w, params.anchors.x * params.anchors.y);
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
    // Picture and row of the anchors are counted on: a division costs a software device as much as a step of the sum.
    var next_n = g.z * params.anchors.w / params.anchors.y;
    var next_y = g.z * params.anchors.w % params.anchors.y;
    for (var r = g.z * params.anchors.w; r < last_row; r++) {
        let n = next_n;
        let at_rows = position(params.rows_y, next_y, k.x);
        let at_columns = position(params.columns_y, next_y, k.x);
        next_y++;
        if next_y == params.anchors.y {
            next_y = 0u;
            next_n++;
        }
        if !within(at_rows, params.rows.y) || !within(at_columns, params.columns.y) {
            continue;
        }
        let row_start = i32((n * params.rows.y + u32(at_rows)) * params.rows.z) + position(params.rows_x, 0u, k.y);
        let column_start = i32((n * params.columns.y + u32(at_columns)) * params.columns.z) + position(params.columns_x, 0u, k.y);
        // Modulo 2^32: anchor 0 may lie before the picture, `first` does not.
        let rows_at = u32(row_start) * row_quads + channel;
        let columns_at = u32(column_start) * column_pairs + column;
        for (var a = first; a < end; a += 4u) {
            let last = end - 1u;
            let mine = a + lane / 4u;
            let u0 = select(vec4<f32>(), rows[rows_at + min(mine, last) * row_step], mine < end);
            let u1 = select(vec4<f32>(), rows[rows_at + min(mine + 2u, last) * row_step], mine + 2u < end);
            let v0 = columns[columns_at + a * column_step];
            let v1 = columns[columns_at + min(a + 1u, last) * column_step];
            let v2 = columns[columns_at + min(a + 2u, last) * column_step];
            let v3 = columns[columns_at + min(a + 3u, last) * column_step];
            let b00 = subgroupBroadcast(u0, 0u);
            let b01 = subgroupBroadcast(u0, 4u);
            let b02 = subgroupBroadcast(u1, 0u);
            let b03 = subgroupBroadcast(u1, 4u);
            sum0 += b00.x * v0 + b01.x * v1 + b02.x * v2 + b03.x * v3;
            sum1 += b00.y * v0 + b01.y * v1 + b02.y * v2 + b03.y * v3;
            sum2 += b00.z * v0 + b01.z * v1 + b02.z * v2 + b03.z * v3;
            sum3 += b00.w * v0 + b01.w * v1 + b02.w * v2 + b03.w * v3;
            let b10 = subgroupBroadcast(u0, 1u);
            let b11 = subgroupBroadcast(u0, 5u);
            let b12 = subgroupBroadcast(u1, 1u);
            let b13 = subgroupBroadcast(u1, 5u);
            sum4 += b10.x * v0 + b11.x * v1 + b12.x * v2 + b13.x * v3;
            sum5 += b10.y * v0 + b11.y * v1 + b12.y * v2 + b13.y * v3;
            sum6 += b10.z * v0 + b11.z * v1 + b12.z * v2 + b13.z * v3;
            sum7 += b10.w * v0 + b11.w * v1 + b12.w * v2 + b13.w * v3;
            let b20 = subgroupBroadcast(u0, 2u);
            let b21 = subgroupBroadcast(u0, 6u);
            let b22 = subgroupBroadcast(u1, 2u);
            let b23 = subgroupBroadcast(u1, 6u);
            sum8 += b20.x * v0 + b21.x * v1 + b22.x * v2 + b23.x * v3;
            sum9 += b20.y * v0 + b21.y * v1 + b22.y * v2 + b23.y * v3;
            sum10 += b20.z * v0 + b21.z * v1 + b22.z * v2 + b23.z * v3;
            sum11 += b20.w * v0 + b21.w * v1 + b22.w * v2 + b23.w * v3;
            let b30 = subgroupBroadcast(u0, 3u);
            let b31 = subgroupBroadcast(u0, 7u);
            let b32 = subgroupBroadcast(u1, 3u);
            let b33 = subgroupBroadcast(u1, 7u);
            sum12 += b30.x * v0 + b31.x * v1 + b32.x * v2 + b33.x * v3;
            sum13 += b30.y * v0 + b31.y * v1 + b32.y * v2 + b33.y * v3;
            sum14 += b30.z * v0 + b31.z * v1 + b32.z * v2 + b33.z * v3;
            sum15 += b30.w * v0 + b31.w * v1 + b32.w * v2 + b33.w * v3;
        }
    }
    if pair < pairs {
        let at = g.z * (params.size / 2u) + tap * params.kernel.z * column_pairs + column;
        var own = i;
        for (var round = 0u; round < params.rounds; round++) {
            store(own, at, sum0);
            store(own + 1u, at, sum1);
            own += 2u;
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
