// RMSProp (Hinton, lecture 6e, 2012) as PyTorch has it, not centred:
//   g = clip grad + decay p; s' = alpha s + (1 - alpha) g^2; b' = momentum b + g / (sqrt(s') + eps); p -= lr b'
// with rest = 1 - alpha rounded once. control = (clip, finite, lr, ...). Where finite is 0 everything stays as it was: chosen, not multiplied. One invocation makes
// one element of each; the grid is ceil(n / 256).

struct Params {
    origin: vec4<u32>,
    n: u32,
    alpha: f32,
    rest: f32,
    eps: f32,
    momentum: f32,
    decay: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> square: array<f32>;
@group(0) @binding(4) var<storage, read> buffer: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_param: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_square: array<f32>;
@group(0) @binding(8) var<storage, read_write> new_buffer: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let old = param[i];
        let old_square = square[i];
        let old_buffer = buffer[i];
        let g = control[0] * grad[i] + params.decay * old;
        let next_square = params.alpha * old_square + params.rest * g * g;
        let next_buffer = params.momentum * old_buffer + g / (sqrt(next_square) + params.eps);
        let keep = control[1] < 0.5;
        new_param[i] = select(old - control[2] * next_buffer, old, keep);
        new_square[i] = select(next_square, old_square, keep);
        new_buffer[i] = select(next_buffer, old_buffer, keep);
    }
}
