// Weights as f16 for devices without that type: the same bytes, two to a word with the first in the lower half, widened by unpacking,
// which is exact. `weight_f32` says how the names are used.

alias Weight1 = u32;
alias Weight2 = u32;
alias Weight4 = vec2<u32>;
const WEIGHT_SHIFT = 1u;

fn weight1(v: Weight1, i: u32) -> f32 {
    return unpack2x16float(v >> (16u * (i & 1u))).x;
}

fn weight2(v: Weight2) -> vec2<f32> {
    return unpack2x16float(v);
}

fn weight4(v: Weight4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}
