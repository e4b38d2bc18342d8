// y = 1 / x. Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return V(1.0) / v;
}
