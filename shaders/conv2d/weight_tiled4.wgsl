// uses: conv_weight, tile_product
// parts[part, k, i, co] = sum over the part's anchors of rows[n, at_rows, i] * columns[n, at_columns, co]
//
// weight_tiled for channels of a group in fours, of which there are enough for a tile. Rows of the large tiles (tile_product) are input channels of one
// tap, columns the output channels of a group; the sum runs over anchors in eights, which are counted on and not divided out. The grid is
// (groups * blocks of SIDE columns, taps * ceil(input channels / SIDE), parts); loads outside give zeros, stores are guarded.

@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> columns: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec4<f32>>;

// Where the vector of a picture (n, h, w, channels) that an anchor and a tap meet lies; INVALID outside and where it is not there.
const INVALID = 0xffffffffu;

fn place(picture: vec4<u32>, y: i32, x: i32, n: u32, channel: u32, there: bool) -> u32 {
    let at = ((n * picture.y + u32(y)) * picture.z + u32(x)) * picture.w + channel;
    return select(INVALID, at / 4u, there && within(y, picture.y) && within(x, picture.z));
}

fn row_vector(a: Anchor, k: vec2<u32>, channel: u32, there: bool) -> vec4<f32> {
    let at = place(params.rows, position(params.rows_y, a.y, k.x), position(params.rows_x, a.x, k.y), a.n, channel, there);
    return select(rows[select(at, 0u, at == INVALID)], vec4<f32>(), at == INVALID);
}

fn column_vector(a: Anchor, k: vec2<u32>, channel: u32, there: bool) -> vec4<f32> {
    let at = place(params.columns, position(params.columns_y, a.y, k.x), position(params.columns_x, a.x, k.y), a.n, channel, there);
    return select(columns[select(at, 0u, at == INVALID)], vec4<f32>(), at == INVALID);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.x / params.blocks;
    let first_column = g.x % params.blocks * SIDE;
    let tiles = (params.kernel.z + SIDE - 1u) / SIDE;
    let tap = g.y / tiles;
    let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
    let first_row = g.y % tiles * SIDE;

    let row = first_row + 4u * quarter_of(lane);
    let column = first_column + 4u * quarter_of(lane);
    let has_row = row < params.kernel.z;
    let has_column = column < params.kernel.w;
    let row_channel = of_group * params.kernel.z + row;
    let column_channel = of_group * params.kernel.w + column;

    let line = g.z * params.anchors.w;
    let end = min(params.anchors.w, params.anchors.x * params.anchors.y - line) * params.anchors.z;
    var anchor = further(Anchor(line / params.anchors.y, line % params.anchors.y, 0u), step_of(lane));
    for (var start = 0u; start < end; start += 8u) {
        let there = start + step_of(lane) < end;
        tile_a[lane] = row_vector(anchor, k, row_channel, there && has_row);
        tile_b[lane] = column_vector(anchor, k, column_channel, there && has_column);
        if fills_twice() {
            let later = further(anchor, 4u);
            let there = start + step_of(lane) + 4u < end;
            tile_a[lane + LANES] = row_vector(later, k, row_channel, there && has_row);
            tile_b[lane + LANES] = column_vector(later, k, column_channel, there && has_column);
        }
        anchor = further(anchor, 8u);
        add_steps(lane);
    }

    let column0 = first_column + 4u * own_quarter(lane);
    let column1 = column0 + SIDE / 2u;
    for (var r = 0u; r < params.rounds; r++) {
        let to_row = first_row + own_row(lane, r);
        let at = g.z * params.size + (tap * params.kernel.z + to_row) * params.columns.w + of_group * params.kernel.w;
        if to_row < params.kernel.z && column0 < params.kernel.w {
            parts[(at + column0) / 4u] = sums[0];
        }
        if to_row < params.kernel.z && column1 < params.kernel.w {
            parts[(at + column1) / 4u] = sums[1];
        }
        next_row();
    }
}
