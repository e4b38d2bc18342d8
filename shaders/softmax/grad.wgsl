// grad_x = y * (grad_y - sum of grad_y * y along the row). Rows, grid, tail and order: shaders/lib/softmax_grad.wgsl.
// uses: softmax_grad

fn term(g: f32, result: f32) -> f32 {
    return g * result;
}

fn pull(g: f32, result: f32, total: f32) -> f32 {
    return result * (g - total);
}
