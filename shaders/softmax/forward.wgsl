// y = exp(x - m) / sum of exp(x - m) along a row. Rows, grid, tail and order: shaders/lib/softmax.wgsl.
// uses: softmax

fn finish(shifted: f32, total: f32) -> f32 {
    return exp(shifted) / total;
}
