// grad_x = grad_y * (P(N <= x) + x * density(x)) for a standard normal N; with params.a = 1 that of the tanh approximation,
// grad_y * (s + x * s * (1 - s) * 2w'), s = logistic(2w). Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad, logistic, normal

fn pull(g: V, v: V) -> V {
    if params.a == 1.0 {
        let z = 1.5957691216057308 * (v + 0.044715 * v * v * v);
        let s = logistic(z);
        let dz = 1.5957691216057308 * (V(1.0) + 0.134145 * v * v);
        return g * s * (V(1.0) + v * logistic(-z) * dz);
    }
    let tail = upper_tail(abs(v));
    let below = select(tail, V(1.0) - tail, v > V(0.0));
    return g * (below + v * 0.3989422804014327 * exp(-0.5 * v * v));
}
