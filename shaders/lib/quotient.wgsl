// Whether part / whole, rounded to the nearest f32, is above the threshold; all three positive or the threshold 0. Where division
// is correctly rounded.
fn quotient_above(part: f32, whole: f32, threshold: f32) -> bool {
    return part / whole > threshold;
}
