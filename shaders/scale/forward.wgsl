// y = a * x + b; with b = 0 also its own gradient. Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return params.a * v + params.b;
}
