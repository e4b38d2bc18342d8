// y = x * min(max(x + 3, 0), 6) / 6. Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return v * clamp(v + V(3.0), V(0.0), V(6.0)) / 6.0;
}
