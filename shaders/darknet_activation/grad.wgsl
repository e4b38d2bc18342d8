// grad_x = grad_y * the derivative of one of Darknet's own activations at x; params.a and the functions: forward.wgsl. The
// derivatives are those of the functions themselves (Darknet's own source takes 1 for `stair` everywhere between the steps).
// Grid and tail: shaders/lib/map_grad.wgsl.
// uses: map_grad, logistic

fn slope(v: V) -> V {
    let zero = V(0.0);
    let one = V(1.0);
    switch u32(params.a) {
        case 0u: {
            return 2.0 * logistic(v) * logistic(-v);
        }
        case 1u: {
            return select(exp(min(v, zero)), one, v >= zero);
        }
        case 2u: {
            return select((1.0507 * 1.6732) * exp(min(v, zero)), V(1.0507), v >= zero);
        }
        case 3u: {
            return select(V(0.1), V(1.1), v > zero);
        }
        case 4u: {
            return select(V(0.125), V(0.01), abs(v) > V(4.0));
        }
        case 5u: {
            let n = floor(v);
            return select(zero, one, n != 2.0 * floor(0.5 * n));
        }
        case 6u: {
            return select(select(one, V(0.001), v > one), V(0.001), v < zero);
        }
        default: {
            return select(select(zero, v + one, v > V(-2.0)), one, v > zero);
        }
    }
}

fn pull(g: V, value: V) -> V {
    return g * slope(value);
}
