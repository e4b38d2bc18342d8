// grad_x = grad_y * (1 - y^2). Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, value: V) -> V {
    return g * (V(1.0) - value) * (V(1.0) + value);
}
