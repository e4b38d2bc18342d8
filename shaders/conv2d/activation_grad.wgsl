// grad = grad_y * f'(v), where y = f(v) is ReLU (CODE 1), leaky ReLU with a positive slope (2) or the sigmoid (4): f' follows from y.
// One invocation makes one element; the grid is (ceil(n / 256), 1, 1); the tail is guarded here.

override CODE: u32 = 1u;

struct Params {
    origin: vec4<u32>,
    n: u32,
    slope: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let v = y[i];
        let below = select(0.0, params.slope, CODE == 2u);
        grad[i] = grad_y[i] * select(select(below, 1.0, v > 0.0), v * (1.0 - v), CODE == 4u);
    }
}
