// What mish and its gradient share. Joined with lanes1 or lanes4.

// tanh(log(1 + exp(v))) as a quotient: with e = exp(-|v|), (1 + 2e) / (1 + 2e + 2e^2) where v > 0 and (2e + e^2) / (2 + 2e + e^2)
// elsewhere. Nothing cancels and nothing overflows.
fn gate(v: V) -> V {
    let e = exp(-abs(v));
    let square = e * e;
    let positive = V(1.0) + 2.0 * e;
    let negative = 2.0 * e + square;
    return select(negative / (negative + V(2.0)), positive / (positive + 2.0 * square), v > V(0.0));
}
