// y = min(max(x, params.a), params.b). Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return min(max(v, V(params.a)), V(params.b));
}
