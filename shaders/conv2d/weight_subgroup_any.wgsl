// uses: conv_weight
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// The subgroup kernel (see weight_subgroup.wgsl) for any number of channels. A workgroup of eight invocations makes 16 rows of the
// product by 16 output channels, each invocation two output channels. Rows are pairs (tap, input channel), or, where
// `columns` moves with the tap, the input channels of one tap. Per step of four anchors lane l fetches rows l and l + 8 and hands them
// round by broadcast. The grid is (groups * blocks of 16 output channels, tiles of 16 rows, parts); tails are guarded here.
// f32 sums, anchors in order.

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

// Where a row of the product finds its element of `rows` for anchor 0 of a row of anchors, and how far left of the picture that is.
struct Source {
    at: i32,
    left: i32,
}

fn source(r: u32, end_row: u32, of_group: u32, anchor_row: u32) -> Source {
    let tap = min(r, end_row - 1u) / params.kernel.z;
    let channel = of_group * params.kernel.z + min(r, end_row - 1u) % params.kernel.z;
    let row = position(params.rows_y, anchor_row % params.anchors.y, tap / params.kernel.y);
    let column = position(params.rows_x, 0u, tap % params.kernel.y);
    let n = i32(anchor_row / params.anchors.y * params.rows.y);
    let at = ((n + row) * i32(params.rows.z) + column) * i32(params.rows.w) + i32(channel);
    return Source(at, select(-1073741824, column, within(row, params.rows.y)));
}

fn fetch(from_row: Source, anchor: u32, end: u32) -> f32 {
    let moved = i32(anchor) * params.rows_x.x;
    let inside = anchor < end && u32(from_row.left + moved) < params.rows.z;
    return select(0.0, rows[select(0u, u32(from_row.at + moved * i32(params.rows.w)), inside)], inside);
}

fn store(r: u32, end_row: u32, at: u32, to: vec2<u32>, here: vec2<bool>, sum: vec2<f32>) {
    if r < end_row {
        if here.x {
            parts[at + r * params.columns.w + to.x] = sum.x;
        }
        if here.y {
            parts[at + r * params.columns.w + to.y] = sum.y;
        }
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.x / params.blocks;
    let local = g.x % params.blocks * 16u + vec2<u32>(lane, lane + 8u);
    let here = local < vec2<u32>(params.kernel.w);
    let to = of_group * params.kernel.w + min(local, vec2<u32>(params.kernel.w - 1u));
    var first_row = g.y * 16u;
    var end_row = params.kernel.x * params.kernel.y * params.kernel.z;
    if params.columns_y.w == 1 {
        let tiles = (params.kernel.z + 15u) / 16u;
        first_row = g.y / tiles * params.kernel.z + g.y % tiles * 16u;
        end_row = (g.y / tiles + 1u) * params.kernel.z;
    }
    let tap = first_row / params.kernel.z;
    let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
    // Where `columns` moves, its edges bound the anchors; those of `rows` are looked up for each element.
    let first = first_anchor(params.columns_x, k.y);
    let end = min(params.anchors.z, last_anchor(params.columns_x, k.y, params.columns.z));
    let last_anchor_row = min((g.z + 1u) * params.anchors.w, params.anchors.x * params.anchors.y);
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
    for (var r = g.z * params.anchors.w; r < last_anchor_row; r++) {
        let at_columns = position(params.columns_y, r % params.anchors.y, k.x);
        if !within(at_columns, params.columns.y) {
            continue;
        }
        let n = r / params.anchors.y;
        let column_start = i32((n * params.columns.y + u32(at_columns)) * params.columns.z) + position(params.columns_x, 0u, k.y);
        let near = source(first_row + lane, end_row, of_group, r);
        let far = source(first_row + lane + 8u, end_row, of_group, r);
        for (var a = first; a < end; a += 4u) {
            let u0 = fetch(near, a + 0u, end);
            let o0 = fetch(far, a + 0u, end);
            let u1 = fetch(near, a + 1u, end);
            let o1 = fetch(far, a + 1u, end);
            let u2 = fetch(near, a + 2u, end);
            let o2 = fetch(far, a + 2u, end);
            let u3 = fetch(near, a + 3u, end);
            let o3 = fetch(far, a + 3u, end);
            let c0 = u32(column_start + i32(min(a + 0u, end - 1u)) * params.columns_x.x) * params.columns.w;
            let v0 = vec2<f32>(columns[c0 + to.x], columns[c0 + to.y]);
            let c1 = u32(column_start + i32(min(a + 1u, end - 1u)) * params.columns_x.x) * params.columns.w;
            let v1 = vec2<f32>(columns[c1 + to.x], columns[c1 + to.y]);
            let c2 = u32(column_start + i32(min(a + 2u, end - 1u)) * params.columns_x.x) * params.columns.w;
            let v2 = vec2<f32>(columns[c2 + to.x], columns[c2 + to.y]);
            let c3 = u32(column_start + i32(min(a + 3u, end - 1u)) * params.columns_x.x) * params.columns.w;
            let v3 = vec2<f32>(columns[c3 + to.x], columns[c3 + to.y]);
            sum0 += subgroupBroadcast(u0, 0u) * v0 + subgroupBroadcast(u1, 0u) * v1 + subgroupBroadcast(u2, 0u) * v2 + subgroupBroadcast(u3, 0u) * v3;
            sum1 += subgroupBroadcast(u0, 1u) * v0 + subgroupBroadcast(u1, 1u) * v1 + subgroupBroadcast(u2, 1u) * v2 + subgroupBroadcast(u3, 1u) * v3;
            sum2 += subgroupBroadcast(u0, 2u) * v0 + subgroupBroadcast(u1, 2u) * v1 + subgroupBroadcast(u2, 2u) * v2 + subgroupBroadcast(u3, 2u) * v3;
            sum3 += subgroupBroadcast(u0, 3u) * v0 + subgroupBroadcast(u1, 3u) * v1 + subgroupBroadcast(u2, 3u) * v2 + subgroupBroadcast(u3, 3u) * v3;
            sum4 += subgroupBroadcast(u0, 4u) * v0 + subgroupBroadcast(u1, 4u) * v1 + subgroupBroadcast(u2, 4u) * v2 + subgroupBroadcast(u3, 4u) * v3;
            sum5 += subgroupBroadcast(u0, 5u) * v0 + subgroupBroadcast(u1, 5u) * v1 + subgroupBroadcast(u2, 5u) * v2 + subgroupBroadcast(u3, 5u) * v3;
            sum6 += subgroupBroadcast(u0, 6u) * v0 + subgroupBroadcast(u1, 6u) * v1 + subgroupBroadcast(u2, 6u) * v2 + subgroupBroadcast(u3, 6u) * v3;
            sum7 += subgroupBroadcast(u0, 7u) * v0 + subgroupBroadcast(u1, 7u) * v1 + subgroupBroadcast(u2, 7u) * v2 + subgroupBroadcast(u3, 7u) * v3;
            sum8 += subgroupBroadcast(o0, 0u) * v0 + subgroupBroadcast(o1, 0u) * v1 + subgroupBroadcast(o2, 0u) * v2 + subgroupBroadcast(o3, 0u) * v3;
            sum9 += subgroupBroadcast(o0, 1u) * v0 + subgroupBroadcast(o1, 1u) * v1 + subgroupBroadcast(o2, 1u) * v2 + subgroupBroadcast(o3, 1u) * v3;
            sum10 += subgroupBroadcast(o0, 2u) * v0 + subgroupBroadcast(o1, 2u) * v1 + subgroupBroadcast(o2, 2u) * v2 + subgroupBroadcast(o3, 2u) * v3;
            sum11 += subgroupBroadcast(o0, 3u) * v0 + subgroupBroadcast(o1, 3u) * v1 + subgroupBroadcast(o2, 3u) * v2 + subgroupBroadcast(o3, 3u) * v3;
            sum12 += subgroupBroadcast(o0, 4u) * v0 + subgroupBroadcast(o1, 4u) * v1 + subgroupBroadcast(o2, 4u) * v2 + subgroupBroadcast(o3, 4u) * v3;
            sum13 += subgroupBroadcast(o0, 5u) * v0 + subgroupBroadcast(o1, 5u) * v1 + subgroupBroadcast(o2, 5u) * v2 + subgroupBroadcast(o3, 5u) * v3;
            sum14 += subgroupBroadcast(o0, 6u) * v0 + subgroupBroadcast(o1, 6u) * v1 + subgroupBroadcast(o2, 6u) * v2 + subgroupBroadcast(o3, 6u) * v3;
            sum15 += subgroupBroadcast(o0, 7u) * v0 + subgroupBroadcast(o1, 7u) * v1 + subgroupBroadcast(o2, 7u) * v2 + subgroupBroadcast(o3, 7u) * v3;
        }
    }
    let at = g.z * params.size;
    var own_row = first_row;
    for (var round = 0u; round < params.rounds; round++) {
        store(own_row, end_row, at, to, here, sum0);
        store(own_row + 1u, end_row, at, to, here, sum1);
        own_row += 2u;
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
