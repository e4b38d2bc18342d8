// exp(x) to about one unit in the last place, where WGSL's own may be several off (3 + 2 |x| of them): x = k log 2 + r with
// |r| <= log(2) / 2, a polynomial in r (Moshier, Cephes' expf), and 2^k by its bits. 0 below the normal floats; x at most 88.
fn exp_of(x: f32) -> f32 {
    let k = clamp(round(x * 1.44269504), -126.0, 127.0);
    // log 2 in two pieces, so that k times the first is exact.
    let r = (x - k * 0.693359375) + k * 0.000212194440;
    let high = 0.041665796 + r * (0.008333452 + r * (0.0013981999 + r * 0.00019875691));
    let series = r + r * r * (0.5 + r * (0.16666665 + r * high));
    let power = bitcast<f32>(u32(i32(k) + 127) << 23u);
    return select(power + power * series, 0.0, x < -87.0);
}
