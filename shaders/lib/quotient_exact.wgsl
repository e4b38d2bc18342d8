// Whether part / whole, rounded to the nearest f32, is above the threshold; all three positive or the threshold 0. WGSL lets a
// device's quotient be 2.5 units in the last place off, and boxes of whole pixels meet thresholds such as 1/2 exactly. So where
// the quotient comes within 8 units of the threshold, whole numbers decide: the rounded quotient is above t exactly if part is above
// (t + half a unit) * whole, or equal to it and t odd (ties round to even).
fn quotient_above(part: f32, whole: f32, threshold: f32) -> bool {
    let quotient = part / whole;
    let t = bitcast<u32>(threshold);
    if abs(bitcast<i32>(quotient) - bitcast<i32>(threshold)) > 8 {
        return quotient > threshold;
    }
    let p = bitcast<u32>(part);
    let w = bitcast<u32>(whole);
    if p < 0x800000u || w < 0x800000u || t < 0x800000u {
        return quotient > threshold;
    }
    // Mantissas of 24 bits; the middle between t and the next float has 25. `shift` brings part to the scale of the product.
    let part_bits = (p & 0x7fffffu) | 0x800000u;
    let whole_bits = (w & 0x7fffffu) | 0x800000u;
    let middle_bits = 2u * ((t & 0x7fffffu) | 0x800000u) + 1u;
    let shift = (p >> 23u) + 151u - (t >> 23u) - (w >> 23u);
    // The product of 49 bits as high * 2^25 + low, from halves of 12 and 13 bits.
    let across = 2u * ((middle_bits >> 13u) * (whole_bits & 0xfffu)) + (middle_bits & 0x1fffu) * (whole_bits >> 12u);
    let carried = ((across & 0x1fffu) << 12u) + (middle_bits & 0x1fffu) * (whole_bits & 0xfffu);
    let high = (middle_bits >> 13u) * (whole_bits >> 12u) + (across >> 13u) + (carried >> 25u);
    let low = carried & 0x1ffffffu;
    let part_high = select(part_bits << (max(shift, 25u) - 25u), part_bits >> (25u - min(shift, 25u)), shift < 25u);
    let part_low = (part_bits << min(shift, 31u)) & 0x1ffffffu;
    if part_high != high {
        return part_high > high;
    }
    return part_low > low || (part_low == low && (t & 1u) == 1u);
}
