// Numbers as IEEE half precision, to nearest, ties to even; beyond the largest half infinity. Integer arithmetic: how pack2x16float
// rounds is left to the device.

// The sixteen bits of each of four floats.
fn half_bits4(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let size = bits & vec4<u32>(0x7fffffffu);
    let normal = (size + 0xfffu + ((size >> vec4<u32>(13u)) & vec4<u32>(1u)) - 0x38000000u) >> vec4<u32>(13u);
    // Below 2^-14 halves are multiples of 2^-24, which is how floats lie next to a half: adding one rounds.
    let small = bitcast<vec4<u32>>(bitcast<vec4<f32>>(size) + 0.5) - 0x3f000000u;
    let special = select(vec4<u32>(0x7c00u), vec4<u32>(0x7e00u), size > vec4<u32>(0x7f800000u));
    let finite = select(normal, small, size < vec4<u32>(0x38800000u));
    return ((bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u)) | select(finite, special, size >= vec4<u32>(0x47800000u));
}

// Two to a word, the first in the lower half.
fn half_words(v: vec4<f32>) -> vec2<u32> {
    let h = half_bits4(v);
    return h.xz | (h.yw << vec2<u32>(16u));
}
