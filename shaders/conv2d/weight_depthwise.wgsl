// uses: conv_weight
// parts[part, k, c] = sum over the part's anchors of rows[n, at_rows, c] * columns[n, at_columns, c]
//
// Depthwise: as many groups as channels, in fours. One invocation makes four channels of one tap, four anchors of a row at a time.
// The grid is (ceil(channels / (4 * LANES)), taps, parts); tails are guarded here. f32 sums: four products added up, then
// added to the sum.

override LANES: u32 = 8u;

@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> columns: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let width = params.columns.w / 4u;
    let own = g.x * LANES + lane;
    let channel = min(own, width - 1u);
    let k = vec2<u32>(g.y / params.kernel.y, g.y % params.kernel.y);
    let first = max(first_anchor(params.rows_x, k.y), first_anchor(params.columns_x, k.y));
    let end = min(
        params.anchors.z,
        min(last_anchor(params.rows_x, k.y, params.rows.z), last_anchor(params.columns_x, k.y, params.columns.z)),
    );
    let row_step = u32(params.rows_x.x) * width;
    let column_step = u32(params.columns_x.x) * width;
    let last_row = min((g.z + 1u) * params.anchors.w, params.anchors.x * params.anchors.y);
    var sum = vec4<f32>();
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
        let row_start = i32((n * params.rows.y + u32(at_rows)) * params.rows.z);
        let column_start = i32((n * params.columns.y + u32(at_columns)) * params.columns.z);
        var u = u32(row_start + position(params.rows_x, first, k.y)) * width + channel;
        var v = u32(column_start + position(params.columns_x, first, k.y)) * width + channel;
        var a = first;
        for (; a + 4u <= end; a += 4u) {
            sum += rows[u] * columns[v] + rows[u + row_step] * columns[v + column_step]
                + rows[u + 2u * row_step] * columns[v + 2u * column_step]
                + rows[u + 3u * row_step] * columns[v + 3u * column_step];
            u += 4u * row_step;
            v += 4u * column_step;
        }
        for (; a < end; a++) {
            sum += rows[u] * columns[v];
            u += row_step;
            v += column_step;
        }
    }
    if own < width {
        parts[g.z * (params.size / 4u) + g.y * width + channel] = sum;
    }
}
