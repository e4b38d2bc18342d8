// The standard normal distribution, for gelu. Joined with lanes1 or lanes4.
//
// WGSL has no erf. The upper tail is Q(u) = erfc(u / sqrt 2) / 2 = exp(-u^2 / 2) * t * P(t) with t = 1 / (1 + u / 4), where P is a
// polynomial of degree 9 fitted to minimise the largest relative error over u >= 0. Evaluated exactly, these coefficients are
// within 3.2e-8 of Q, relatively, for all u in [0, 14] (checked at 6001 points in 30 digits); in f32 a few roundings join
// them, and the rounding of u^2 / 2 where u is large and Q is tiny: absolutely, Q is within 2.1e-7 everywhere (200001 points).

fn upper_tail(u: V) -> V {
    let t = V(1.0) / (V(1.0) + 0.25 * u);
    var p = V(0.02063286304473877);
    p = p * t + V(-0.0846414789557457);
    p = p * t + V(0.10257650911808014);
    p = p * t + V(-0.03876262158155441);
    p = p * t + V(0.06790810078382492);
    p = p * t + V(0.05745963752269745);
    p = p * t + V(0.08192365616559982);
    p = p * t + V(0.09342939406633377);
    p = p * t + V(0.09973841160535812);
    p = p * t + V(0.09973553568124771);
    return p * t * exp(-0.5 * u * u);
}
