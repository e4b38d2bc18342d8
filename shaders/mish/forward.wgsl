// y = x * tanh(log(1 + exp(x))). Grid and tail: shaders/lib/map.wgsl.
// uses: map, mish_gate

fn apply(v: V) -> V {
    return v * gate(v);
}
