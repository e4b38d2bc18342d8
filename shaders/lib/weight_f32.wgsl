// Weights as f32. `weight_f16` and `weight_packed` have the same names for half precision: a kernel joined with any of the three
// declares `w: array<Weight4>` (or 2, or 1), and sees f32 behind `weight4(w[i])`, `weight2(w[i])` and `weight1(w[i >> WEIGHT_SHIFT], i)`.

alias Weight1 = f32;
alias Weight2 = vec2<f32>;
alias Weight4 = vec4<f32>;
const WEIGHT_SHIFT = 0u;

fn weight1(v: Weight1, i: u32) -> f32 {
    return v;
}

fn weight2(v: Weight2) -> vec2<f32> {
    return v;
}

fn weight4(v: Weight4) -> vec4<f32> {
    return v;
}
