// grad_x = grad_y - exp(y) * sum of grad_y along the row. Rows, grid, tail and order: shaders/lib/softmax_grad.wgsl.
// uses: softmax_grad

fn term(g: f32, result: f32) -> f32 {
    return g;
}

fn pull(g: f32, result: f32, total: f32) -> f32 {
    return g - exp(result) * total;
}
