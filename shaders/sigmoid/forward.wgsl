// y = 1 / (1 + exp(-x)). Grid and tail: shaders/lib/map.wgsl.
// uses: map, logistic

fn apply(v: V) -> V {
    return logistic(v);
}
