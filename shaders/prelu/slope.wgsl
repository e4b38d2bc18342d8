// 1 where x > 0, weight elsewhere: what grad_y is multiplied by to give grad_x. Grid, indices and tail: shaders/lib/binary.wgsl.
// uses: binary

fn combine(value: V, weight: V) -> V {
    return select(weight, V(1.0), value > V(0.0));
}
