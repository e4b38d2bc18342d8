// uses: conv_weight
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// For any number of channels and groups. One invocation makes one output channel of four input channels (ROWS = 4) or of one
// (ROWS = 1, for depthwise). The grid is (ceil(output channels / LANES), taps * ceil(input channels of a group / ROWS), parts);
// tails are guarded here. f32 sums, anchors in order.

override LANES: u32 = 8u;
override GROUPED: bool = true;
override ROWS: u32 = 4u;

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let co = g.x * LANES + lane;
    let column = min(co, params.columns.w - 1u);
    let quads = (params.kernel.z + ROWS - 1u) / ROWS;
    let tap = g.y / quads;
    let i = g.y % quads * ROWS;
    let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
    var channel = vec4<u32>(i, i + 1u, i + 2u, i + 3u);
    channel = min(channel, vec4<u32>(params.kernel.z - 1u));
    if GROUPED {
        channel += column / params.kernel.w * params.kernel.z;
    }
    let first = max(first_anchor(params.rows_x, k.y), first_anchor(params.columns_x, k.y));
    let end = min(
        params.anchors.z,
        min(last_anchor(params.rows_x, k.y, params.rows.z), last_anchor(params.columns_x, k.y, params.columns.z)),
    );
    let last_row = min((g.z + 1u) * params.anchors.w, params.anchors.x * params.anchors.y);
    var sum = vec4<f32>();
    for (var r = g.z * params.anchors.w; r < last_row; r++) {
        let n = r / params.anchors.y;
        let at_rows = position(params.rows_y, r % params.anchors.y, k.x);
        let at_columns = position(params.columns_y, r % params.anchors.y, k.x);
        if !within(at_rows, params.rows.y) || !within(at_columns, params.columns.y) {
            continue;
        }
        let row_start = i32((n * params.rows.y + u32(at_rows)) * params.rows.z);
        let column_start = i32((n * params.columns.y + u32(at_columns)) * params.columns.z);
        for (var a = first; a < end; a++) {
            let row_at = u32(row_start + position(params.rows_x, a, k.y)) * params.rows.w;
            let v = columns[u32(column_start + position(params.columns_x, a, k.y)) * params.columns.w + column];
            sum.x += rows[row_at + channel.x] * v;
            if ROWS > 1u {
                sum.y += rows[row_at + channel.y] * v;
                sum.z += rows[row_at + channel.z] * v;
                sum.w += rows[row_at + channel.w] * v;
            }
        }
    }
    if co < params.columns.w {
        for (var j = 0u; j < ROWS; j++) {
            if i + j < params.kernel.z {
                parts[g.z * params.size + (tap * params.kernel.z + i + j) * params.columns.w + co] = sum[j];
            }
        }
    }
}
