// grad_x = grad_y * (t + x * (1 - t^2) * logistic(x)), t = tanh(log(1 + exp(x))). Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad, logistic, mish_gate

// 1 - gate^2 without cancellation, from the same quotients: their numerators squared, subtracted by hand.
fn bend(v: V) -> V {
    let e = exp(-abs(v));
    let square = e * e;
    let down = V(2.0) + 2.0 * e + square;
    let up = V(1.0) + 2.0 * e + 2.0 * square;
    let negative = 4.0 * (V(1.0) + e) * (V(1.0) + e) / (down * down);
    let positive = 4.0 * square * (V(1.0) + e) * (V(1.0) + e) / (up * up);
    return select(negative, positive, v > V(0.0));
}

fn pull(g: V, value: V) -> V {
    return g * (gate(value) + value * bend(value) * logistic(value));
}
