// Whether two boxes overlap by more than a threshold, as torchvision's nms computes it: intersection and areas in f32, their quotient
// compared strictly. Every rounding counts where a quotient meets the threshold, so `zero` (a 0 that the compiler cannot see)
// keeps it from fusing the product into the subtraction. Boxes that do not touch never pass: the quotient of 0 and 0 is no overlap.
fn overlaps(a: vec4<f32>, area_a: f32, b: vec4<f32>, area_b: f32, threshold: f32, zero: u32) -> bool {
    let size = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2<f32>(0.0));
    let shared_area = bitcast<f32>(bitcast<u32>(size.x * size.y) ^ zero);
    return shared_area > 0.0 && shared_area / (area_a + area_b - shared_area) > threshold;
}
