// One step of gradient descent as PyTorch orders the arithmetic, without dampening. control = (clip, finite, lr, ...); where finite is 0
// everything stays as it was: chosen, not multiplied, so that no NaN gets through. Joined behind lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    momentum: f32,
    decay: f32,
    nesterov: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Stepped {
    param: V,
    buffer: V,
}

// g = clip grad + decay p; p -= lr g.
fn sgd_plain(old: V, grad: V, clip: f32, finite: f32, lr: f32) -> V {
    let g = clip * grad + params.decay * old;
    return select(old - lr * g, old, finite < 0.5);
}

// g as above; b' = momentum b + g; p -= lr b', or lr (g + momentum b') with Nesterov.
fn sgd_momentum(old: V, grad: V, old_buffer: V, clip: f32, finite: f32, lr: f32) -> Stepped {
    let g = clip * grad + params.decay * old;
    let buffer = params.momentum * old_buffer + g;
    let direction = select(buffer, g + params.momentum * buffer, params.nesterov == 1u);
    let keep = finite < 0.5;
    return Stepped(select(old - lr * direction, old, keep), select(buffer, old_buffer, keep));
}
