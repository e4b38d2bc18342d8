// grad_x = grad_y where y > 0, else 0. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, result: V) -> V {
    return select(V(0.0), g, result > V(0.0));
}
