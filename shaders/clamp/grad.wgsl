// grad_x = grad_y where params.a <= x <= params.b, else 0. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, value: V) -> V {
    return select(select(V(0.0), g, value >= V(params.a)), V(0.0), value > V(params.b));
}
