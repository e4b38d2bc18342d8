// One step of Adam (Kingma, Ba, 2015) or, with `decoupled`, AdamW (Loshchilov, Hutter, 2019), as PyTorch orders the arithmetic:
//   g = clip grad (+ decay p if not decoupled); p' = p (1 - lr decay if decoupled)
//   m' = m + (1 - beta1) (g - m); v' = beta2 v + (1 - beta2) g^2; p -= step m' / (sqrt(v') scale + eps)
// with rest1 = 1 - beta1 and rest2 = 1 - beta2 rounded once: 1 - f32(0.999) would be off by 1e-5 of itself.
// control = (clip, finite, lr, step, scale, ...) with step = lr / (1 - beta1^t), scale = 1 / sqrt(1 - beta2^t). Where finite is
// 0 everything stays as it was: chosen, not multiplied, so that no NaN gets through. One invocation makes one element of
// each output; the grid is ceil(n / 256).

struct Params {
    origin: vec4<u32>,
    n: u32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    eps: f32,
    decay: f32,
    decoupled: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> m: array<f32>;
@group(0) @binding(4) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_param: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_m: array<f32>;
@group(0) @binding(8) var<storage, read_write> new_v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let old = param[i];
    let old_m = m[i];
    let old_v = v[i];
    let coupled = select(params.decay, 0.0, params.decoupled == 1u);
    let shrink = select(0.0, control[2] * params.decay, params.decoupled == 1u);
    let g = control[0] * grad[i] + coupled * old;
    let next_m = old_m + params.rest1 * (g - old_m);
    let next_v = params.beta2 * old_v + params.rest2 * g * g;
    let next = old * (1.0 - shrink) - control[3] * next_m / (sqrt(next_v) * control[4] + params.eps);
    let keep = control[1] < 0.5;
    new_param[i] = select(next, old, keep);
    new_m[i] = select(next_m, old_m, keep);
    new_v[i] = select(next_v, old_v, keep);
}
