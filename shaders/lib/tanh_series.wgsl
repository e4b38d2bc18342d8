// The hyperbolic tangent without overflow and with all its digits near 0. Joined with lanes1 or lanes4.
// Below 1/4 the Taylor series to the eleventh power (the next term is under 2^-27 of the result), above it (1 - e) / (1 + e) with
// e = exp(-2|v|).

fn tangent(v: V) -> V {
    let square = v * v;
    let series = v * (V(1.0) + square * (V(-1.0 / 3.0) + square * (V(2.0 / 15.0)
        + square * (V(-17.0 / 315.0) + square * (V(62.0 / 2835.0) - square * (1382.0 / 155925.0))))));
    let e = exp(-2.0 * abs(v));
    return select(sign(v) * (V(1.0) - e) / (V(1.0) + e), series, abs(v) < V(0.25));
}
