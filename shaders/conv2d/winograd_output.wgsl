// uses: activation, conv_winograd
// y[tile row + r, tile column + s, c] = activation(sum over i and j of A[i, r] m[tile, i, j, c] A[j, s] + bias[c] + residual): from Winograd's points back to
// pixels.
//
// One invocation makes two channels of a tile's 2x2 or 4x4 pixels. It goes through the points of x, keeping four rows of each, then through those
// rows. The grid is (ceil(channel pairs / LANES), tile columns, tile rows of this launch); the tail, and pixels outside, are
// guarded here. Loops that a compiler cannot count, as in winograd_input.wgsl.

override LANES: u32 = 8u;
@group(0) @binding(1) var<storage, read> m: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec2<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let pairs = params.picture.w / 2u;
    let own = g.x * LANES + lane;
    let pair = min(own, pairs - 1u);
    let tile_row = params.tiles.z + g.z;
    let picture = tile_row / params.tiles.x;
    let size = params.matrices.y;

    // Four rows of pixels, at six points of x.
    var a = Six();
    var b = Six();
    var c = Six();
    var d = Six();
    let start = (g.z * params.tiles.y + g.y) * (params.matrices.x / 2u) + pair;
    for (var j = 0u; j < params.matrices.z; j++) {
        var read = Six();
        if j < size {
            let at = start + j * pairs;
            let step = size * pairs;
            read.v0 = m[at];
            read.v1 = m[at + step];
            read.v2 = m[at + 2u * step];
            read.v3 = m[at + 3u * step];
            if size > 4u {
                read.v4 = m[at + 4u * step];
                read.v5 = m[at + 5u * step];
            }
        }
        let made = outputs(read);
        a = push(a, made[0]);
        b = push(b, made[1]);
        c = push(c, made[2]);
        d = push(d, made[3]);
    }
    var own_bias = vec2<f32>();
    if params.has_bias == 1u {
        own_bias = bias[pair];
    }
    let extent = params.tiles.w;
    var row = (tile_row - picture * params.tiles.x) * extent;
    for (var r = 0u; r < extent; r++) {
        var made = outputs(a);
        var column = g.y * extent;
        for (var s = 0u; s < extent; s++) {
            if own < pairs && row < params.picture.y && column < params.picture.z {
                let to = ((picture * params.picture.y + row) * params.picture.z + column) * pairs + pair;
                var value = made[0] + own_bias;
                if params.has_residual == 1u {
                    value += residual[to];
                }
                y[to] = activate2(value, params.activation, params.slope);
            }
            made = mat4x2<f32>(made[1], made[2], made[3], made[3]);
            column += 1u;
        }
        a = b;
        b = c;
        c = d;
        row += 1u;
    }
}
