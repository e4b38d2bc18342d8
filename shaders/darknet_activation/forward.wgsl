// y = one of Darknet's own activation functions, chosen by params.a (the number of `Kind` on the Rust side):
//   0 loggy      2 / (1 + exp(-x)) - 1, which is tanh(x / 2)
//   1 elu        x above 0, exp(x) - 1 below
//   2 selu       1.0507 x above 0, 1.0507 * 1.6732 (exp(x) - 1) below
//   3 ramp       1.1 x above 0, 0.1 x below
//   4 plse       x / 8 + 1/2 between -4 and 4, slope 1/100 outside
//   5 stair      floor(x / 2), plus x - floor(x) where floor(x) is odd
//   6 lhtan      x between 0 and 1, slope 1/1000 outside
//   7 hard_mish  x above 0, x^2 / 2 + x down to -2, 0 below
// Grid and tail: shaders/lib/map.wgsl.
// uses: map, tanh_series

// exp(v) - 1 for v <= 0; near 0 by its series, whose next term is below 2^-33 of the result.
fn below(v: V) -> V {
    let series = v * (V(1.0) + v * (V(0.5) + v * (V(1.0 / 6.0) + v * (V(1.0 / 24.0)
        + v * (V(1.0 / 120.0) + v * (V(1.0 / 720.0) + v * (1.0 / 5040.0)))))));
    return select(exp(v) - V(1.0), series, v > V(-0.25));
}

fn apply(v: V) -> V {
    let zero = V(0.0);
    switch u32(params.a) {
        case 0u: {
            return tangent(0.5 * v);
        }
        case 1u: {
            return select(below(min(v, zero)), v, v >= zero);
        }
        case 2u: {
            return select((1.0507 * 1.6732) * below(min(v, zero)), 1.0507 * v, v >= zero);
        }
        case 3u: {
            return max(v, zero) + 0.1 * v;
        }
        case 4u: {
            let middle = 0.125 * v + V(0.5);
            return select(select(middle, 0.01 * (v - V(4.0)) + V(1.0), v > V(4.0)), 0.01 * (v + V(4.0)), v < V(-4.0));
        }
        case 5u: {
            let n = floor(v);
            let half = floor(0.5 * v);
            return select(half, (v - n) + half, n != 2.0 * floor(0.5 * n));
        }
        case 6u: {
            return select(select(v, 0.001 * (v - V(1.0)) + V(1.0), v > V(1.0)), 0.001 * v, v < zero);
        }
        default: {
            return select(select(zero, v * (0.5 * v + V(1.0)), v > V(-2.0)), v, v > zero);
        }
    }
}
