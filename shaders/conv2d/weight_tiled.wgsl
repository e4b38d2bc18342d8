// uses: conv_weight
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// An implicit matrix product for devices with fast workgroup memory: rows are the pairs (tap, input channel of a group), columns
// the output channels of a group, and the sum runs over anchors in steps of 16. A workgroup of 256 makes 64 by 64
// elements, each invocation 4 by 4 of them; both factors pass through workgroup memory (8 KiB). The grid is
// (groups * blocks of 64 columns, ceil(rows / 64), parts); loads outside give zeros, stores are guarded. f32 sums, anchors in order.
// Both pictures may move with the tap, so the columns of a tile must share it: where `columns` moves, a tile holds one tap's rows.

override MOVING_COLUMNS: bool = false;

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

// [step of the sum][quarter of the tile], four rows or columns to a vector.
var<workgroup> tile_rows: array<vec4<f32>, 256>;
var<workgroup> tile_columns: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.x / params.blocks;
    let first_column = g.x % params.blocks * 64u;
    // Rows of the product [first_row, end_row); the column picture uses the tap of the first.
    var first_row = g.y * 64u;
    var end_row = params.kernel.x * params.kernel.y * params.kernel.z;
    if MOVING_COLUMNS {
        let tiles = (params.kernel.z + 63u) / 64u;
        first_row = g.y / tiles * params.kernel.z + g.y % tiles * 64u;
        end_row = (g.y / tiles + 1u) * params.kernel.z;
    }
    let column_tap = first_row / params.kernel.z;
    let column_k = vec2<u32>(column_tap / params.kernel.y, column_tap % params.kernel.y);

    // Loading: invocation `lane` fetches row and column lane % 64 of anchors lane / 64 + 4 j.
    let load_row = first_row + lane % 64u;
    let row_tap = load_row / params.kernel.z;
    let row_k = vec2<u32>(row_tap / params.kernel.y, row_tap % params.kernel.y);
    let row_channel = of_group * params.kernel.z + load_row % params.kernel.z;
    let load_column = first_column + lane % 64u;
    let column_channel = of_group * params.kernel.w + load_column;

    let line = g.z * params.anchors.w;
    let end = min(params.anchors.w, params.anchors.x * params.anchors.y - line) * params.anchors.z;
    var anchor = further(Anchor(line / params.anchors.y, line % params.anchors.y, 0u), lane / 64u);
    let row = lane / 16u;
    let column = lane % 16u;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var start = 0u; start < end; start += 16u) {
        for (var j = 0u; j < 4u; j++) {
            let s = lane / 64u + 4u * j;
            let there = start + s < end;
            let n = anchor.n;
            let ry = position(params.rows_y, anchor.y, row_k.x);
            let rx = position(params.rows_x, anchor.x, row_k.y);
            let cy = position(params.columns_y, anchor.y, column_k.x);
            let cx = position(params.columns_x, anchor.x, column_k.y);
            anchor = further(anchor, 4u);
            var u = 0.0;
            if there && load_row < end_row && within(ry, params.rows.y) && within(rx, params.rows.z) {
                u = rows[((n * params.rows.y + u32(ry)) * params.rows.z + u32(rx)) * params.rows.w + row_channel];
            }
            var v = 0.0;
            if there && load_column < params.kernel.w && within(cy, params.columns.y) && within(cx, params.columns.z) {
                v = columns[((n * params.columns.y + u32(cy)) * params.columns.z + u32(cx)) * params.columns.w + column_channel];
            }
            let t = lane % 64u;
            tile_rows[s * 16u + t / 4u][t % 4u] = u;
            tile_columns[s * 16u + t / 4u][t % 4u] = v;
        }
        workgroupBarrier();
        for (var s = 0u; s < 16u; s++) {
            let u = tile_rows[s * 16u + row];
            let v = tile_columns[s * 16u + column];
            sum0 += u.x * v;
            sum1 += u.y * v;
            sum2 += u.z * v;
            sum3 += u.w * v;
        }
        workgroupBarrier();
    }
    let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
    for (var j = 0u; j < 4u; j++) {
        let to_row = first_row + 4u * row + j;
        for (var c = 0u; c < 4u; c++) {
            let to_column = first_column + 4u * column + c;
            if to_row < end_row && to_column < params.kernel.w {
                let at = to_row * params.columns.w + of_group * params.kernel.w + to_column;
                parts[g.z * params.size + at] = sums[j][c];
            }
        }
    }
}
