//! to_half: the nearest half, ties to even, as IEEE 754 has it; numbers beyond the largest half stop there.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use half::f16;
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, to_half::ToHalf};
use wgvision::tensor::{Data, Tensor};

struct Spec;

fn case(rng: &mut Rng, shape: &[usize]) -> ((), Vec<Tensor>) {
    let n = shape.iter().product();
    let size = rng.pick(&[1e-8f32, 1e-6, 1e-4, 1.0, 1e3, 1e6]);
    ((), vec![Tensor::f32(shape, (0..n).map(|_| rng.float(-size, size)).collect())])
}

fn nearest(v: f64) -> f64 {
    let largest = f16::MAX.to_f64();
    if v.is_finite() { f16::from_f64(v).to_f64().clamp(-largest, largest) } else { v }
}

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "to_half";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        let shapes: [&[usize]; 9] =
            [&[1], &[2], &[3], &[511], &[512], &[513], &[1, 1, 1, 1], &[3, 3, 5, 7], &[3, 1031]];
        shapes.into_iter().map(|s| case(rng, s)).collect()
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 9)).collect();
        case(rng, &shape)
    }

    fn op(_: &()) -> OpRef {
        Arc::new(ToHalf)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        let data = inputs[0].data.iter().map(|&v| nearest(v)).collect();
        vec![Expected::exact(Array { shape: inputs[0].shape.clone(), data })]
    }
}

#[test]
fn to_half() {
    check::<Spec>();
}

/// Every half, what lies half-way between two, and its neighbours, bit for bit, against another implementation.
#[test]
fn to_half_rounds_as_ieee_does_everywhere() {
    let mut values = Vec::new();
    for bits in 0..0x7c00u16 {
        let (here, next) = (f16::from_bits(bits).to_f32(), f16::from_bits(bits + 1).to_f32());
        let between = if next.is_finite() { (here + next) / 2.0 } else { 65520.0 };
        let around = [between.to_bits() - 1, between.to_bits(), between.to_bits() + 1].map(f32::from_bits);
        values.extend([here].into_iter().chain(around).flat_map(|v| [v, -v]));
    }
    values.extend([f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY, 1e-30, 1e-45]);
    let want: Vec<u16> = values
        .iter()
        .map(|&v| match f16::from_f32(v) {
            h if h.is_infinite() && v.is_finite() => f16::MAX.to_bits() | (h.to_bits() & 0x8000),
            h => h.to_bits(),
        })
        .collect();
    let x = Tensor::f32([values.len()], values.clone());
    let y = run_op(gpu(), Arc::new(ToHalf), &[&x]).unwrap().remove(0);
    let Data::F16(got) = y.data() else { panic!("{}", y.ty()) };
    let wrong = values.iter().zip(got).zip(&want).find(|((_, got), want)| got.to_bits() != **want);
    assert_eq!(wrong, None);
    let nan = run_op(gpu(), Arc::new(ToHalf), &[&Tensor::full([1], f32::NAN)]).unwrap().remove(0);
    assert!(matches!(nan.data(), Data::F16(v) if v[0].is_nan()));
}

#[test]
fn to_half_refuses_integers() {
    let why = run_op(gpu(), Arc::new(ToHalf), &[&Tensor::i32([3], vec![1, 2, 3])]).expect_err("refused").to_string();
    assert!(why.contains("x: expected f32") && why.contains("i32(3)"), "{why}");
}
