// One step of RMSProp (Hinton, lecture 6e, 2012) as PyTorch has it, not centred:
//   g = clip grad + decay p; s' = alpha s + (1 - alpha) g^2; b' = momentum b + g / (sqrt(s') + eps); p -= lr b'
// with rest = 1 - alpha rounded once. Where `finite` is 0 everything stays as it was: chosen, not multiplied. Joined behind lanes1 or
// lanes4.

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

struct Stepped {
    param: V,
    square: V,
    buffer: V,
}

fn rmsprop_step(old: V, grad: V, old_square: V, old_buffer: V, clip: f32, finite: f32, lr: f32) -> Stepped {
    let g = clip * grad + params.decay * old;
    let square = params.alpha * old_square + params.rest * g * g;
    let buffer = params.momentum * old_buffer + g / (sqrt(square) + params.eps);
    let keep = finite < 0.5;
    return Stepped(select(old - lr * buffer, old, keep), select(square, old_square, keep), select(buffer, old_buffer, keep));
}
