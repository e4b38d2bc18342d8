// Logarithms and their kin to nearly full relative precision. WGSL promises `log` only to an absolute 2^-21 near one,
// which a loss close to its minimum would show; exp is good to a few units in the last place and is used as it is.

// log(1 + e) for e in [0, 1], as 2 atanh(e / (2 + e)). The series is cut where its rest is below 2^-29.
fn log_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let z = s * s;
    let high = 0.11111111 + z * (0.09090909 + z * (0.07692308 + z * 0.06666667));
    let rest = z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * high)));
    return 2.0 * s + 2.0 * s * rest;
}

// log(v) for normal v > 0: v = m * 2^k with m in [0.707, 1.415), then 2 atanh((m - 1) / (m + 1)) + k log 2.
fn log_of(v: f32) -> f32 {
    let shifted = bitcast<u32>(v) - 0x3f3504f3u;
    let k = bitcast<i32>(shifted) >> 23u;
    let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let rest = z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * (0.11111111 + z * 0.09090909))));
    return f32(k) * 0.6931472 + (2.0 * s + 2.0 * s * rest);
}

// log(1 + exp(x)) without overflow.
fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + log_1p(exp(-abs(x)));
}

// 1 / (1 + exp(-x)) without overflow, and without cancellation on the negative side.
fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
