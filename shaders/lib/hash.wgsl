// Counter-based random numbers: a pure function of its counters, so that a resumed run repeats an uninterrupted one.
// PCG-RXS-M-XS as a hash: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.

fn pcg(v: u32) -> u32 {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// Uniform in [0, 1), 24 bits, from seed, step, node and index.
fn random_unit(seed: u32, step: u32, node: u32, index: u32) -> f32 {
    let h = pcg(index ^ pcg(node ^ pcg(step ^ pcg(seed))));
    return f32(h >> 8u) * 0x1p-24;
}
