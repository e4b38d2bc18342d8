// uses: stable
// Losses of one prediction x and one target t, and their derivatives by x. KIND is `Formula::code`; a and b are the
// formula's constants, p the weight of positive targets.
//   0 binary cross-entropy of a logit: (1 - t) softplus(x) + p t softplus(-x)
//   1 sigmoid focal, alpha = a (negative: none), gamma = b: alpha_t (1 - p_t)^gamma BCE   (Lin et al., 2017, eq. 5)
//   2 smooth L1, beta = a: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2
//   3 Huber, delta = a: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)
//   4 L1: |d|     5 squared: d^2          with d = x - t

struct Params {
    origin: vec4<u32>,
    n: u32,
    // Elements that share one weight: 0 no weights, 1 one for each element, C one for each pixel.
    weight_div: u32,
    // Entries of pos_weight: 0 none, 1, or one for each channel.
    pos_channels: u32,
    // 1 where the result is not reduced.
    each: u32,
    a: f32,
    b: f32,
    divisor: f32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

override KIND: u32 = 0u;

fn focal_alpha(t: f32, a: f32) -> f32 {
    return select(a * t + (1.0 - a) * (1.0 - t), 1.0, a < 0.0);
}

// 1 - p_t, kept above zero so that its logarithm exists.
fn focal_miss(x: f32, t: f32) -> f32 {
    return max(sigmoid(x) * (1.0 - t) + sigmoid(-x) * t, 1e-30);
}

fn loss_value(x: f32, t: f32, p: f32, a: f32, b: f32) -> f32 {
    let d = x - t;
    switch KIND {
        case 0u: { return (1.0 - t) * softplus(x) + p * t * softplus(-x); }
        case 1u: {
            let entropy = (1.0 - t) * softplus(x) + t * softplus(-x);
            return focal_alpha(t, a) * exp(b * log_of(focal_miss(x, t))) * entropy;
        }
        case 2u: { return select(abs(d) - 0.5 * a, 0.5 * d * d / max(a, 1e-30), abs(d) < a); }
        case 3u: { return select(a * (abs(d) - 0.5 * a), 0.5 * d * d, abs(d) <= a); }
        case 4u: { return abs(d); }
        default: { return d * d; }
    }
}

fn loss_slope(x: f32, t: f32, p: f32, a: f32, b: f32) -> f32 {
    let d = x - t;
    switch KIND {
        case 0u: { return (1.0 - t) * sigmoid(x) - p * t * sigmoid(-x); }
        case 1u: {
            let entropy = (1.0 - t) * softplus(x) + t * softplus(-x);
            let miss = focal_miss(x, t);
            let direct = (1.0 - t) * sigmoid(x) - t * sigmoid(-x);
            let by_miss = b * entropy * (1.0 - 2.0 * t) * (sigmoid(x) * sigmoid(-x) / miss);
            return focal_alpha(t, a) * exp(b * log_of(miss)) * (direct + by_miss);
        }
        case 2u: { return select(sign(d), d / max(a, 1e-30), abs(d) < a); }
        case 3u: { return clamp(d, -a, a); }
        case 4u: { return sign(d); }
        default: { return 2.0 * d; }
    }
}
