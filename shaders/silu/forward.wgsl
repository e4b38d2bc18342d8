// y = x * logistic(x). Grid and tail: shaders/lib/map.wgsl.
// uses: map, logistic

fn apply(v: V) -> V {
    return v * logistic(v);
}
