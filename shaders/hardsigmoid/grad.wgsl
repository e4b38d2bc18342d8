// grad_x = grad_y / 6 where -3 < x < 3, else 0. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, x: V) -> V {
    return select(V(0.0), g / 6.0, abs(x) < V(3.0));
}
