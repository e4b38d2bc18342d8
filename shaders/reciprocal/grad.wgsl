// grad_x = -grad_y * y * y. Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad

fn pull(g: V, result: V) -> V {
    return -g * result * result;
}
