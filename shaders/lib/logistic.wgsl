// The logistic function 1 / (1 + exp(-v)) from exp(-|v|): nothing overflows and small results keep their digits.
// Joined with lanes1 or lanes4.

fn logistic(v: V) -> V {
    let e = exp(-abs(v));
    return select(e, V(1.0), v >= V(0.0)) / (V(1.0) + e);
}
