// grad_x = grad_y * (0 below -3, 1 above 3, x / 3 + 1/2 between). Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, value: V) -> V {
    return g * select(select(value / 3.0 + V(0.5), V(1.0), value >= V(3.0)), V(0.0), value <= V(-3.0));
}
