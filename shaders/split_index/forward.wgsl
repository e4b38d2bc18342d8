// quotient[i] = index[i] / divisor and remainder[i] = index[i] % divisor; both -1 where the index is negative. One invocation makes
// one place of both; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    divisor: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> quotient: array<i32>;
@group(0) @binding(3) var<storage, read_write> remainder: array<i32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    var whole = -1;
    var rest = -1;
    if index[i] >= 0 {
        whole = index[i] / i32(params.divisor);
        rest = index[i] - whole * i32(params.divisor);
    }
    quotient[i] = whole;
    remainder[i] = rest;
}
