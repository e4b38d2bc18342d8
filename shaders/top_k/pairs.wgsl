// uses: order_key
// pairs[row, i] = (key of x[row, i], i) for i < found[row], which is m or, if `limited`, the smaller limits[row] (i32, negative:
// none). One invocation makes one pair; the grid is ceil(m / 256) by rows; the tail is guarded here. Where nothing is
// limited, x is bound as limits too.

struct Params {
    origin: vec4<u32>,
    m: u32,
    limited: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> limits: array<u32>;
@group(0) @binding(3) var<storage, read_write> pairs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> found: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let row = group.y + params.origin.y;
    var n = params.m;
    if params.limited == 1u {
        n = u32(clamp(bitcast<i32>(limits[row]), 0, i32(params.m)));
    }
    if i == 0u {
        found[row] = n;
    }
    if i < n {
        let at = row * params.m + i;
        pairs[at] = vec2<u32>(order_key(x[at]), i);
    }
}
