// grad_x[i] = 0. One invocation clears one element; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    k: u32,
    m: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        grad_x[i] = 0.0;
    }
}
