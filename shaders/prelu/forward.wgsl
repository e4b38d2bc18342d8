// y = x where x > 0, weight * x elsewhere, with one weight or one for each channel. Grid, indices and tail:
// shaders/lib/binary.wgsl. He et al., "Delving Deep into Rectifiers", 2015.
// uses: binary

fn combine(value: V, weight: V) -> V {
    return select(weight * value, value, value > V(0.0));
}
