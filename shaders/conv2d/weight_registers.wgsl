// uses: conv_weight
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// For channels in fours: input and output channels of a group are multiples of four. One invocation makes four input channels
// by four output channels and keeps the sixteen sums in registers; `rows` is uniform over the workgroup, which software
// devices turn into one load. The grid is (groups * blocks of 4 * LANES output channels, taps * input channels of a
// group / 4, parts); tails are guarded here. f32 sums, anchors in order.

override LANES: u32 = 8u;

@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> columns: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.x / params.blocks;
    let quads = params.kernel.w / 4u;
    let quad = g.x % params.blocks * LANES + lane;
    let column = of_group * quads + min(quad, quads - 1u);
    let in_quads = params.kernel.z / 4u;
    let tap = g.y / in_quads;
    let i = g.y % in_quads;
    let channel = of_group * in_quads + i;
    let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
    let first = max(first_anchor(params.rows_x, k.y), first_anchor(params.columns_x, k.y));
    let end = min(
        params.anchors.z,
        min(last_anchor(params.rows_x, k.y, params.rows.z), last_anchor(params.columns_x, k.y, params.columns.z)),
    );
    let row_quads = params.rows.w / 4u;
    let column_quads = params.columns.w / 4u;
    let row_step = u32(params.rows_x.x) * row_quads;
    let column_step = u32(params.columns_x.x) * column_quads;
    let last_row = min((g.z + 1u) * params.anchors.w, params.anchors.x * params.anchors.y);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var r = g.z * params.anchors.w; r < last_row; r++) {
        let n = r / params.anchors.y;
        let at_rows = position(params.rows_y, r % params.anchors.y, k.x);
        let at_columns = position(params.columns_y, r % params.anchors.y, k.x);
        if !within(at_rows, params.rows.y) || !within(at_columns, params.columns.y) {
            continue;
        }
        let row_start = i32((n * params.rows.y + u32(at_rows)) * params.rows.z);
        let column_start = i32((n * params.columns.y + u32(at_columns)) * params.columns.z);
        var row_at = u32(row_start + position(params.rows_x, first, k.y)) * row_quads + channel;
        var at = u32(column_start + position(params.columns_x, first, k.y)) * column_quads + column;
        for (var a = first; a < end; a++) {
            let u = rows[row_at];
            let v = columns[at];
            row_at += row_step;
            at += column_step;
            sum0 += u.x * v;
            sum1 += u.y * v;
            sum2 += u.z * v;
            sum3 += u.w * v;
        }
    }
    if quad < quads {
        let to = g.z * (params.size / 4u) + (tap * params.kernel.z + 4u * i) * column_quads + column;
        parts[to] = sum0;
        parts[to + column_quads] = sum1;
        parts[to + 2u * column_quads] = sum2;
        parts[to + 3u * column_quads] = sum3;
    }
}
