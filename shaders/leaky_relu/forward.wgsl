// y = x where x > 0, params.a * x elsewhere. Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return select(params.a * v, v, v > V(0.0));
}
