// g = clip grad + decay p; b' = momentum b + g; p -= lr b', or lr (g + momentum b') with Nesterov, as PyTorch has it without
// dampening. control = (clip, finite, lr, ...). Where finite is 0 both stay as they were: chosen, not multiplied. One invocation
// makes one element of each; the grid is ceil(n / 256).

struct Params {
    origin: vec4<u32>,
    n: u32,
    momentum: f32,
    decay: f32,
    nesterov: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> buffer: array<f32>;
@group(0) @binding(4) var<storage, read> control: array<f32>;
@group(0) @binding(5) var<storage, read_write> new_param: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_buffer: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let old = param[i];
        let old_buffer = buffer[i];
        let g = control[0] * grad[i] + params.decay * old;
        let next_buffer = params.momentum * old_buffer + g;
        let direction = select(next_buffer, g + params.momentum * next_buffer, params.nesterov == 1u);
        let keep = control[1] < 0.5;
        new_param[i] = select(old - control[2] * direction, old, keep);
        new_buffer[i] = select(next_buffer, old_buffer, keep);
    }
}
