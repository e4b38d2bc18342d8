// grad_x = grad_y * y * (1 - y). Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, result: V) -> V {
    return g * result * (V(1.0) - result);
}
