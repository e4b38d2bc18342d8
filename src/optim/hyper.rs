//! The numbers that change from step to step, computed on the host in float64 and uploaded as six floats.

use crate::ops::clip_guard::HYPER;
use crate::tensor::{Tensor, TensorType};

/// What one step needs to know; `clip_guard` passes it on to every optimiser. Equal arguments give equal bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hyper {
    /// Learning rate.
    pub lr: f32,
    /// Adam: lr / (1 - beta1^t).
    pub adam_step: f32,
    /// Adam: 1 / sqrt(1 - beta2^t).
    pub adam_scale: f32,
    /// 1 - decay of the moving averages: how far they move. Rounded once, as 1 - f32(0.999) would be off by 1e-5 of itself.
    pub ema_share: f32,
}

impl Hyper {
    /// For step `t`, counted from 1. Optimisers other than Adam look at `lr` alone and may pass any betas below 1.
    pub fn new(lr: f64, betas: [f64; 2], t: u64, ema_decay: f64) -> Self {
        assert!(t > 0, "steps are counted from 1");
        Self {
            lr: lr as f32,
            adam_step: (lr / (1.0 - power(betas[0], t))) as f32,
            adam_scale: (1.0 / (1.0 - power(betas[1], t)).sqrt()) as f32,
            ema_share: (1.0 - ema_decay) as f32,
        }
    }

    /// Type of the graph's input.
    pub fn ty() -> TensorType {
        TensorType::f32([HYPER])
    }

    /// The input's value: lr, adam_step, adam_scale, ema_share, and two zeros.
    pub fn tensor(self) -> Tensor {
        Tensor::f32([HYPER], vec![self.lr, self.adam_step, self.adam_scale, self.ema_share, 0.0, 0.0])
    }
}

/// Decay of the moving average at step `t`, counted from 1: it grows from 2/11 to `decay`, so that the shadow forgets the
/// start quickly.
pub fn ema_decay(decay: f64, t: u64) -> f64 {
    decay.min((1.0 + t as f64) / (10.0 + t as f64))
}

/// base^n by squaring: multiplications only, so that every platform rounds alike.
fn power(base: f64, mut n: u64) -> f64 {
    let (mut result, mut square) = (1.0, base);
    while n > 0 {
        if n & 1 == 1 {
            result *= square;
        }
        square *= square;
        n >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bias_corrections_follow_the_paper() {
        let first = Hyper::new(0.001, [0.9, 0.999], 1, 0.0);
        assert!((first.adam_step - 0.01).abs() < 1e-8 && (first.adam_scale - 1000f32.sqrt()).abs() < 1e-3);
        let late = Hyper::new(0.001, [0.9, 0.999], 100_000, 0.0);
        assert_eq!((late.adam_step, late.adam_scale), (0.001, 1.0));
        assert!((power(0.999, 777) - 0.999f64.powi(777)).abs() < 1e-14);
    }

    #[test]
    fn the_average_warms_up() {
        assert_eq!(ema_decay(0.999, 1), 2.0 / 11.0);
        assert_eq!(ema_decay(0.999, 1_000_000), 0.999);
    }
}
