// grad_x = grad_y where x > 0, params.a * grad_y elsewhere; y tells as well as x when params.a >= 0. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, value: V) -> V {
    return select(params.a * g, g, value > V(0.0));
}
