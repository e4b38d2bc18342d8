// Whether two boxes overlap by more than a threshold, as torchvision's nms computes it: intersection and areas in f32, their quotient
// compared strictly. Every rounding counts where a quotient meets the threshold, so `zero` (a 0 that the compiler cannot see)
// keeps it from fusing the product into the subtraction. Boxes that do not touch never pass: the quotient of 0 and 0 is no overlap.
// The kernel brings `quotient_above` along.
fn overlaps(a: vec4<f32>, area_a: f32, b: vec4<f32>, area_b: f32, threshold: f32, zero: u32) -> bool {
    let size = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2<f32>(0.0));
    let part = bitcast<f32>(bitcast<u32>(size.x * size.y) ^ zero);
    return part > 0.0 && quotient_above(part, area_a + area_b - part, threshold);
}
