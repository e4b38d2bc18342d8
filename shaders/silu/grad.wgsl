// grad_x = grad_y * s * (1 + x * (1 - s)), s the logistic function of x; 1 - s is that of -x. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad, logistic

fn pull(g: V, value: V) -> V {
    return g * logistic(value) * (V(1.0) + value * logistic(-value));
}
