// y = x * P(N <= x) for a standard normal N, that is x * (1 + erf(x / sqrt 2)) / 2; with params.a = 1 the tanh approximation
// x * (1 + tanh(w)) / 2, w = sqrt(2 / pi) * (x + 0.044715 x^3), which is x * logistic(2w). Hendrycks and Gimpel, 2016.
// The first is written max(x, 0) - |x| * Q(|x|), Q the upper tail: its error is at most 2.1e-7 |x|.
// Grid and tail: shaders/lib/map.wgsl.
// uses: map, logistic, normal

fn apply(v: V) -> V {
    if params.a == 1.0 {
        return v * logistic(1.5957691216057308 * (v + 0.044715 * v * v * v));
    }
    let u = abs(v);
    return max(v, V(0.0)) - u * upper_tail(u);
}
