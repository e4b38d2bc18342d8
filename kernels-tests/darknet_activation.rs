//! darknet_activation: the functions that only Darknet has.

use crate::harness::{PointwiseSpec, Rng, check, refuses};
use std::sync::Arc;
use wgvision::ops::darknet_activation::{DarknetActivation, Kind};
use wgvision::ops::{Attrs, OpRef, entry};
use wgvision::tensor::{Shape, Tensor, TensorType};

struct Spec;

impl PointwiseSpec for Spec {
    type Attrs = Kind;
    const NAME: &'static str = "darknet_activation";
    const ROUNDINGS: f64 = 24.0;

    fn attrs(rng: &mut Rng) -> Kind {
        Kind::ALL[rng.range(0, Kind::ALL.len() - 1)]
    }

    fn op(&kind: &Kind) -> OpRef {
        Arc::new(DarknetActivation { kind })
    }

    fn f(kind: &Kind, x: f64) -> f64 {
        match kind {
            Kind::Loggy => 2.0 / (1.0 + (-x).exp()) - 1.0,
            Kind::Elu if x >= 0.0 => x,
            Kind::Elu => x.exp_m1(),
            Kind::Selu if x >= 0.0 => 1.0507 * x,
            Kind::Selu => 1.0507 * 1.6732 * x.exp_m1(),
            Kind::Ramp => {
                if x > 0.0 {
                    1.1 * x
                } else {
                    0.1 * x
                }
            }
            Kind::Plse if x < -4.0 => 0.01 * (x + 4.0),
            Kind::Plse if x > 4.0 => 0.01 * (x - 4.0) + 1.0,
            Kind::Plse => 0.125 * x + 0.5,
            Kind::Stair => {
                let odd = (x.floor() as i64).rem_euclid(2) == 1;
                (x / 2.0).floor() + if odd { x - x.floor() } else { 0.0 }
            }
            Kind::Lhtan if x < 0.0 => 0.001 * x,
            Kind::Lhtan if x > 1.0 => 0.001 * (x - 1.0) + 1.0,
            Kind::Lhtan => x,
            Kind::HardMish if x > 0.0 => x,
            Kind::HardMish if x > -2.0 => x * x / 2.0 + x,
            Kind::HardMish => 0.0,
        }
    }

    /// The pieces are sums of x and constants, which cancel here and there.
    fn magnitude(kind: &Kind, x: f64) -> f64 {
        match kind {
            Kind::Loggy | Kind::Elu | Kind::Selu | Kind::Ramp => Self::f(kind, x).abs(),
            Kind::Stair | Kind::HardMish => x.abs() + x * x,
            Kind::Plse => 0.125 * x.abs() + 0.5,
            Kind::Lhtan => x.abs() + 1.0,
        }
    }

    /// Both signs, every branch, and no element near a whole number, where the kinks are.
    fn x(_: &Kind, rng: &mut Rng, shape: Shape) -> Tensor {
        let clear = |v: f32| if (v - v.round()).abs() < 0.02 { v + 0.05 } else { v };
        let data = rng.tensor_in(shape.clone(), -7.0, 7.0).as_f32().iter().map(|&v| clear(v)).collect();
        Tensor::f32(shape, data)
    }
}

#[test]
fn darknet_activation() {
    check::<Spec>();
}

#[test]
fn darknet_activation_refuses_what_it_cannot_use() {
    let op = DarknetActivation { kind: Kind::Ramp };
    refuses(&op, &[TensorType::i32([3])], "darknet_activation 'node': x: expected f32, got i32(3)");
    refuses(&op, &[], "expected x, got 0");
    let build = entry("darknet_activation").unwrap().build;
    for (json, wanted) in [("{}", "must be given"), (r#"{"kind":"leaky"}"#, "must be one of loggy, elu")] {
        let attrs = Attrs::new("darknet_activation", &serde_json::from_str(json).unwrap()).unwrap();
        let message = build(&attrs, &[Some(TensorType::f32([3]))]).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
}
