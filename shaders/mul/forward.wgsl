// y = a * b, with broadcasting. Grid, indices and tail: shaders/lib/binary.wgsl.
// uses: binary

fn combine(left: V, right: V) -> V {
    return left * right;
}
