// uses: conv_winograd
// v[tile, i, j, c] = sum over r and s of B[r, i] x[tile row + r, tile column + s, c] B[s, j]: tiles of the input at Winograd's points, zeros outside the picture.
//
// One invocation makes all 16 or 36 values of two channels of a tile. It goes through the tile's columns, keeping their values at the
// points of y, then through those points. The grid is (ceil(channel pairs / LANES), tile columns, tile rows of this launch); the tail is guarded
// here. Loops that a compiler cannot count, for its sake (docs/benchmarks.md): six columns, of which the last two of F(2, 3) are zeros.

override LANES: u32 = 8u;
@group(0) @binding(1) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec2<f32>>;

// Two channels of a row; zeros outside. `start` is where row 0 of the column lies, in pixels.
fn fetch(row: i32, start: i32, inside_column: bool, pair: u32) -> vec2<f32> {
    let inside = inside_column && row >= 0 && row < i32(params.picture.y);
    let at = select(0u, u32(start + row * i32(params.picture.z)), inside) * (params.picture.w / 2u) + pair;
    return select(vec2<f32>(), x[at], inside);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let pairs = params.picture.w / 2u;
    let own = g.x * LANES + lane;
    let pair = min(own, pairs - 1u);
    let tile_row = params.tiles.z + g.z;
    let picture = tile_row / params.tiles.x;
    let size = params.matrices.y;
    let top = i32((tile_row - picture * params.tiles.x) * params.tiles.w) + params.base.x;
    let left = i32(g.y * params.tiles.w) + params.base.y;
    let first = i32(picture * params.picture.y * params.picture.z);

    // Values at one point of y each, for six columns.
    var a = Six();
    var b = Six();
    var c = Six();
    var d = Six();
    var e = Six();
    var f = Six();
    for (var s = 0u; s < params.matrices.z; s++) {
        let column = left + i32(s);
        let inside = column >= 0 && column < i32(params.picture.z);
        let start = first + column;
        var read = Six();
        if s < size {
            read.v0 = fetch(top, start, inside, pair);
            read.v1 = fetch(top + 1, start, inside, pair);
            read.v2 = fetch(top + 2, start, inside, pair);
            read.v3 = fetch(top + 3, start, inside, pair);
            if size > 4u {
                read.v4 = fetch(top + 4, start, inside, pair);
                read.v5 = fetch(top + 5, start, inside, pair);
            }
        }
        let made = input_at_points(read);
        a = push(a, made.v0);
        b = push(b, made.v1);
        c = push(c, made.v2);
        d = push(d, made.v3);
        e = push(e, made.v4);
        f = push(f, made.v5);
    }
    var to = (g.z * params.tiles.y + g.y) * (params.matrices.x / 2u) + pair;
    for (var i = 0u; i < size; i++) {
        var made = input_at_points(a);
        for (var j = 0u; j < size; j += 2u) {
            if own < pairs {
                v[to] = made.v0;
                v[to + pairs] = made.v1;
            }
            to += 2u * pairs;
            made = Six(made.v2, made.v3, made.v4, made.v5, made.v4, made.v5);
        }
        a = b;
        b = c;
        c = d;
        d = e;
        e = f;
    }
}
