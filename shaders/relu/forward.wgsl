// y = max(x, 0). Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return max(v, V(0.0));
}
