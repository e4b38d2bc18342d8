//! matmul: sum over k of a[m, k] b[k, n], in batches; every kernel.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::matmul::{MatMul, Variant};
use wgvision::tensor::Tensor;

struct Spec;

const VARIANTS: [Option<Variant>; 4] = [None, Some(Variant::Registers), Some(Variant::Subgroup), Some(Variant::Tiled)];

/// Factors of a product of (m, k) and (k, n) with batch extents of their own.
fn case(rng: &mut Rng, size: [usize; 3], batch: [&[usize]; 2], op: MatMul) -> (MatMul, Vec<Tensor>) {
    let [m, n, k] = size;
    let shape = |batch: &[usize], rows: usize, columns: usize, transposed: bool| {
        let matrix = if transposed { [columns, rows] } else { [rows, columns] };
        [batch, &matrix].concat()
    };
    let a = rng.tensor(shape(batch[0], m, k, op.transpose_a));
    let b = rng.tensor(shape(batch[1], k, n, op.transpose_b));
    (op, vec![a, b])
}

/// Position of matrix `[outer, inner]` of the result in a factor whose batch dimensions may be 1.
fn matrix(shape: &[usize], outer: usize, inner: usize) -> usize {
    let (batch, last) = shape.split_at(shape.len() - 2);
    let own = |extent: usize, i: usize| if extent == 1 { 0 } else { i };
    let index = match batch {
        [] => 0,
        [one] => own(*one, inner),
        [first, second] => own(*first, outer) * second + own(*second, inner),
        _ => unreachable!("rank 4 at most"),
    };
    index * last[0] * last[1]
}

impl OpSpec for Spec {
    type Attrs = MatMul;
    const NAME: &'static str = "matmul";
    const RANDOM: usize = 48;

    fn boundary(rng: &mut Rng) -> Vec<(MatMul, Vec<Tensor>)> {
        let sizes = [
            [1, 1, 1],
            [4, 32, 16],
            [3, 31, 15],
            [5, 33, 17],
            [63, 64, 65],
            [65, 63, 64],
            [64, 65, 63],
            [1, 257, 300],
            [131, 1, 97],
            [130, 36, 40],
            [3, 5, 4101],
        ];
        let mut cases = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            for variant in [Some(Variant::Registers), Some(Variant::Subgroup), Some(Variant::Tiled)] {
                let op = MatMul { transpose_a: i % 2 == 1, transpose_b: i % 4 > 1, variant };
                cases.push(case(rng, size, [&[], &[]], op));
            }
        }
        // Large tiles: of 64 and of 128, whole and cut, contiguous along the sum and across.
        for (i, size) in [[64, 128, 8], [68, 72, 20], [132, 196, 12]].into_iter().cycle().take(12).enumerate() {
            let op = MatMul { transpose_a: i % 2 == 1, transpose_b: i % 4 > 1, variant: Some(Variant::Tiled) };
            cases.push(case(rng, size, if i < 8 { [&[], &[]] } else { [&[2], &[]] }, op));
        }
        cases
    }

    fn random(rng: &mut Rng) -> (MatMul, Vec<Tensor>) {
        let op = MatMul { transpose_a: rng.coin(), transpose_b: rng.coin(), variant: rng.pick(&VARIANTS) };
        let size = [rng.range(1, 7), rng.range(1, 9), rng.range(1, 7)];
        let batches: [[&[usize]; 2]; 9] = [
            [&[], &[]],
            [&[3], &[3]],
            [&[3], &[]],
            [&[], &[2]],
            [&[1], &[3]],
            [&[2, 3], &[2, 3]],
            [&[2, 1], &[1, 3]],
            [&[2, 3], &[3]],
            [&[1, 3], &[2, 1]],
        ];
        let batch = rng.pick(&batches);
        case(rng, size, batch, op)
    }

    fn op(op: &MatMul) -> OpRef {
        Arc::new(*op)
    }

    fn reference(op: &MatMul, inputs: &[Array]) -> Vec<Expected> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let dims = |x: &Array, transposed: bool| {
            let [rows, columns] = x.shape[x.shape.len() - 2..] else { unreachable!() };
            if transposed { [columns, rows] } else { [rows, columns] }
        };
        let [m, k] = dims(a, op.transpose_a);
        let [_, n] = dims(b, op.transpose_b);
        let extent = |from_end: usize| {
            let of = |x: &Array| x.shape.len().checked_sub(from_end).map_or(1, |d| x.shape[d]);
            of(a).max(of(b))
        };
        let rank = a.shape.len().max(b.shape.len());
        let shape: Vec<usize> = (0..rank - 2).map(|d| extent(rank - d)).chain([m, n]).collect();
        let mut value = Array::zeros(&shape);
        let mut magnitude = vec![0.0; value.data.len()];
        let mut i = 0;
        for outer in 0..extent(4) {
            for inner in 0..extent(3) {
                let (start_a, start_b) = (matrix(&a.shape, outer, inner), matrix(&b.shape, outer, inner));
                for row in 0..m {
                    for column in 0..n {
                        for s in 0..k {
                            let x = a.data[start_a + if op.transpose_a { s * m + row } else { row * k + s }];
                            let y = b.data[start_b + if op.transpose_b { column * k + s } else { s * n + column }];
                            value.data[i] += x * y;
                            magnitude[i] += (x * y).abs();
                        }
                        i += 1;
                    }
                }
            }
        }
        vec![Expected::sum(value, magnitude, k)]
    }
}

#[test]
fn matmul() {
    check::<Spec>();
}

/// Sums are taken four or eight at a time; what fills the last four or eight must not meet an infinity, nor be one of the next row.
#[test]
fn matmul_keeps_an_infinity_an_infinity() {
    for (variant, k, n) in VARIANTS.into_iter().flat_map(|v| (1..=12).flat_map(move |k| [3, 4].map(|n| (v, k, n)))) {
        let mut b = vec![1.0f32; n * k];
        b[n * (k - 1)] = f32::INFINITY;
        let mut a = vec![1.0; 2 * k];
        let product = |a: Vec<f32>, b: Vec<f32>| {
            let (a, b) = (Tensor::f32([2, k], a), Tensor::f32([k, n], b));
            let op = Arc::new(MatMul { variant, ..MatMul::default() });
            run_op(gpu(), op, &[&a, &b]).expect("fits")[0].as_f32().to_vec()
        };
        let mut row = vec![k as f32; n];
        let ones = row.clone();
        row[0] = f32::INFINITY;
        assert_eq!(product(a.clone(), b), [&row[..], &row].concat(), "{variant:?}, k = {k}, n = {n}");
        a[k] = f32::INFINITY;
        let y = product(a, vec![1.0; n * k]);
        assert_eq!(y, [ones, vec![f32::INFINITY; n]].concat(), "{variant:?}, k = {k}, n = {n}");
        // The same of b where its columns lie along the sum.
        let (ones, mut b) = (Tensor::full([2, k], 1.0), vec![1.0; n * k]);
        b[k] = f32::INFINITY;
        let op = Arc::new(MatMul { variant, transpose_b: true, ..MatMul::default() });
        let y = run_op(gpu(), op, &[&ones, &Tensor::f32([n, k], b)]).expect("fits")[0].as_f32().to_vec();
        let finite = |i: usize| i % n != 1;
        assert!((0..2 * n).all(|i| y[i].is_finite() == finite(i)), "{variant:?}, k = {k}, n = {n}: {y:?}");
    }
}

#[test]
fn matmul_refuses_what_does_not_fit() {
    let message = |op: MatMul, a: &[usize], b: &[usize]| {
        let (a, b) = (Tensor::full(a, 1.0), Tensor::full(b, 1.0));
        run_op(gpu(), Arc::new(op), &[&a, &b]).expect_err("refused").to_string()
    };
    let why = message(MatMul::default(), &[2, 3], &[4, 5]);
    assert!(why.contains("b: expected 3 rows to multiply with a (2, 3), got 4 in (4, 5)"), "{why}");
    let why = message(MatMul::default(), &[3], &[3, 5]);
    assert!(why.contains("a: expected f32 of rank 2 to 4, got f32(3)"), "{why}");
    let why = message(MatMul::new(true, false), &[2, 3, 4], &[5, 3, 4]);
    assert!(why.contains("batch dimensions that broadcast with (2, 3, 4), got (5, 3, 4)"), "{why}");
}
