// y = min(max(x + 3, 0), 6) / 6, PyTorch's hardsigmoid. Grid and tail: shaders/lib/map.wgsl.
// uses: map

fn apply(v: V) -> V {
    return min(max(v + 3.0, V(0.0)), V(6.0)) / 6.0;
}
