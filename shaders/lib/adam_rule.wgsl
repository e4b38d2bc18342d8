// One step of Adam (Kingma, Ba, 2015) or, with `decoupled`, AdamW (Loshchilov, Hutter, 2019), as PyTorch orders the arithmetic:
//   g = clip grad (+ decay p if not decoupled); p' = p (1 - lr decay if decoupled)
//   m' = m + (1 - beta1) (g - m); v' = beta2 v + (1 - beta2) g^2; p -= step m' / (sqrt(v') scale + eps)
// with rest1 = 1 - beta1 and rest2 = 1 - beta2 rounded once: 1 - f32(0.999) would be off by 1e-5 of itself.
// `now` is control[0..4] = (clip, finite, lr, step) with step = lr / (1 - beta1^t), `scale` = control[4] = 1 / sqrt(1 - beta2^t). Where finite
// is 0 everything stays as it was: chosen, not multiplied, so that no NaN gets through. Joined behind lanes1 or lanes4.

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

struct Stepped {
    param: V,
    m: V,
    v: V,
}

fn adam_step(old: V, grad: V, old_m: V, old_v: V, now: vec4<f32>, scale: f32) -> Stepped {
    let coupled = select(params.decay, 0.0, params.decoupled == 1u);
    let shrink = select(0.0, now.z * params.decay, params.decoupled == 1u);
    let g = now.x * grad + coupled * old;
    let m = old_m + params.rest1 * (g - old_m);
    let v = params.beta2 * old_v + params.rest2 * g * g;
    let next = old * (1.0 - shrink) - now.w * m / (sqrt(v) * scale + params.eps);
    let keep = now.y < 0.5;
    return Stepped(select(next, old, keep), select(m, old_m, keep), select(v, old_v, keep));
}
