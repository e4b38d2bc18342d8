// Tensors of halves for devices without that type: two to a word, the first in the lower half. Widening is exact. A single
// half cannot be stored so, since its word belongs to two. Used by what src/gpu/storage.rs rewrites.
// uses: half_bits

alias Half1 = u32;
alias Half2 = u32;
alias Half4 = vec2<u32>;
const HALF_SHIFT = 1u;

fn half_load1(v: Half1, i: u32) -> f32 {
    return unpack2x16float(v >> (16u * (i & 1u))).x;
}

fn half_load2(v: Half2) -> vec2<f32> {
    return unpack2x16float(v);
}

fn half_load4(v: Half4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}

fn half_store2(v: vec2<f32>) -> Half2 {
    return half_words(vec4<f32>(v, 0.0, 0.0)).x;
}

fn half_store4(v: vec4<f32>) -> Half4 {
    return half_words(v);
}
