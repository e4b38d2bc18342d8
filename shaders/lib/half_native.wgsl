// Tensors of halves in the device's own type. What is stored is rounded before it is converted, so that the bits are those of
// half_packed on every device. Used by what src/gpu/storage.rs rewrites.
// uses: half_bits

enable f16;

alias Half1 = f16;
alias Half2 = vec2<f16>;
alias Half4 = vec4<f16>;
const HALF_SHIFT = 0u;

fn half_load1(v: Half1, i: u32) -> f32 {
    return f32(v);
}

fn half_load2(v: Half2) -> vec2<f32> {
    return vec2<f32>(v);
}

fn half_load4(v: Half4) -> vec4<f32> {
    return vec4<f32>(v);
}

fn half_store2(v: vec2<f32>) -> Half2 {
    return vec2<f16>(unpack2x16float(half_words(vec4<f32>(v, 0.0, 0.0)).x));
}

fn half_store4(v: vec4<f32>) -> Half4 {
    let words = half_words(v);
    return vec4<f16>(vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y)));
}
