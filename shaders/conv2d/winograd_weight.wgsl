// uses: conv_winograd
// u[ci, i, j, co] = sum over ky and kx of G[i, ky] w[ky, kx, ci, co] G[j, kx]: a 3x3 weight at Winograd's points.
//
// `weight` says how the weight is read: as it lies, or with input and output channels exchanged for an input gradient; `base`, with which tap it begins and
// which way it goes. One invocation makes all 16 or 36 values of an input channel and two output channels. The grid is
// (ceil(output pairs / LANES), input channels, 1); the tail is guarded here. Loops that a compiler cannot count, as in winograd_input.wgsl.

override LANES: u32 = 8u;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<vec2<f32>>;

fn fetch(tap: i32, at: u32) -> vec2<f32> {
    let start = u32(params.base.z + tap * params.base.w) * params.weight.x * params.weight.y + at;
    return vec2<f32>(w[start], w[start + params.weight.w]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let pairs = params.weight.y / 2u;
    let own = g.x * LANES + lane;
    let pair = min(own, pairs - 1u);
    let at = g.y * params.weight.z + 2u * pair * params.weight.w;

    // Values at one point of y each, for three columns of taps: the last three.
    var a = Six();
    var b = Six();
    var c = Six();
    var d = Six();
    var e = Six();
    var f = Six();
    for (var s = 0; s < i32(params.matrices.z); s++) {
        let made = weight_at_points(fetch(s, at), fetch(s + 3, at), fetch(s + 6, at));
        a = push(a, made.v0);
        b = push(b, made.v1);
        c = push(c, made.v2);
        d = push(d, made.v3);
        e = push(e, made.v4);
        f = push(f, made.v5);
    }
    let size = params.matrices.y;
    var to = g.y * (params.matrices.x / 2u) + pair;
    for (var i = 0u; i < size; i++) {
        var made = weight_at_points(a.v3, a.v4, a.v5);
        for (var j = 0u; j < size; j += 2u) {
            if own < pairs {
                u[to] = made.v0;
                u[to + pairs] = made.v1;
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
