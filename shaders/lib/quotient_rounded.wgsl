// part / whole, rounded to the nearest f32 as a processor does it, for four pairs of positive numbers with a normal quotient. WGSL lets
// a device's quotient be 2.5 units in the last place off, and equal ratios of different numbers must come out equal. So the device's quotient
// of the mantissas is only a first guess, which whole numbers correct: what is left of part is exact modulo 2^32. A quotient of two
// floats never lies halfway between two others, so there are no ties.
fn quotient_rounded(part: vec4<f32>, whole: vec4<f32>) -> vec4<f32> {
    let p = bitcast<vec4<u32>>(part);
    let w = bitcast<vec4<u32>>(whole);
    let dividend = (p & vec4<u32>(0x7fffffu)) | vec4<u32>(0x800000u);
    let divisor = (w & vec4<u32>(0x7fffffu)) | vec4<u32>(0x800000u);
    // Brings the quotient of the mantissas into [2^23, 2^24].
    let shift = select(vec4<u32>(23u), vec4<u32>(24u), dividend < divisor);
    let scale = select(vec4<f32>(8388608.0), vec4<f32>(16777216.0), dividend < divisor);
    let guess = vec4<u32>(vec4<f32>(dividend) / vec4<f32>(divisor) * scale);
    let left = bitcast<vec4<i32>>((dividend << shift) - guess * divisor);
    let steps = vec4<i32>(round(vec4<f32>(left) / vec4<f32>(divisor)));
    let signed_divisor = bitcast<vec4<i32>>(divisor);
    let twice = 2 * (left - steps * signed_divisor);
    let last = select(vec4<i32>(0), vec4<i32>(1), twice > signed_divisor) - select(vec4<i32>(0), vec4<i32>(1), twice < -signed_divisor);
    let mantissa = guess + bitcast<vec4<u32>>(steps + last);
    let exponent = (p >> vec4<u32>(23u)) + vec4<u32>(150u) - (w >> vec4<u32>(23u)) - shift;
    return bitcast<vec4<f32>>((exponent << vec4<u32>(23u)) + mantissa - vec4<u32>(0x800000u));
}
