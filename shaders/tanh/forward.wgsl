// y = tanh(x). Grid and tail: shaders/lib/map.wgsl.
// uses: map, tanh_series

fn apply(v: V) -> V {
    return tangent(v);
}
