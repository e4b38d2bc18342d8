//! sample_balanced: the elements of the smallest keys, from all keys sorted.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::{OpRef, sample_balanced::SampleBalanced};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

/// The PCG hash of Jarzynski and Olano (2020): one step of the linear generator, then its output permutation RXS-M-XS.
fn pcg(input: u64) -> u64 {
    let modulus = 1u64 << 32;
    let state = (input * 747_796_405 + 2_891_336_453) % modulus;
    let shift = (state >> 28) + 4;
    let word = ((state >> shift) ^ state) * 277_803_737 % modulus;
    (word >> 22) ^ word
}

fn key(op: &SampleBalanced, step: u64, element: usize) -> u64 {
    [u64::from(op.seed), step, u64::from(op.node), element as u64].into_iter().fold(0, |h, counter| pcg(counter ^ h))
}

/// Matches of which `positives` out of a hundred are positive, `neither` neither.
fn matched(rng: &mut Rng, [n, rows]: [usize; 2], positives: usize, neither: usize) -> Tensor {
    let one = |_| match rng.range(0, 99) {
        r if r < positives => rng.range(0, 40) as i32,
        r if r < positives + neither => rng.pick(&[-2, -3]),
        _ => -1,
    };
    Tensor::i32([n, rows], (0..n * rows).map(one).collect())
}

fn case(
    rng: &mut Rng,
    size: [usize; 2],
    [sample, positives]: [usize; 2],
    kind: usize,
) -> (SampleBalanced, Vec<Tensor>) {
    let op = SampleBalanced { size: sample, positives, seed: rng.bits() as u32, node: rng.range(0, 99) as u32 };
    // Few positives, many, none, nothing else, nothing at all.
    let [share, neither] = [[1, 5], [40, 20], [0, 10], [100, 0], [0, 100]][kind % 5];
    (op, vec![matched(rng, size, share, neither), Tensor::u32([1], vec![rng.bits() as u32])])
}

impl OpSpec for Spec {
    type Attrs = SampleBalanced;
    const NAME: &'static str = "sample_balanced";
    const RANDOM: usize = 60;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(SampleBalanced, Vec<Tensor>)> {
        // One, around the invocations and the elements of a workgroup, many pictures, anchors and proposals as detectors have them.
        let sizes = [
            ([1, 1], [1, 1]),
            ([1, 1], [1, 0]),
            ([2, 255], [64, 32]),
            ([1, 257], [300, 300]),
            ([3, 4095], [256, 128]),
            ([1, 4096], [4096, 1]),
            ([2, 4097], [512, 128]),
            ([16, 2100], [512, 128]),
            ([2, 70_001], [256, 128]),
        ];
        let mut cases = Vec::new();
        for (i, (size, sample)) in sizes.into_iter().enumerate() {
            for j in 0..2 {
                cases.push(case(rng, size, sample, i + j));
            }
            cases.push(case(rng, size, sample, 4));
        }
        cases.push(case(rng, [2, 200_000], [256, 128], 0));
        cases.push(case(rng, [1, 200_000], [150_000, 50_000], 1));
        // More groups of elements than invocations.
        cases.push(case(rng, [1, 1_100_000], [256, 128], 1));
        cases
    }

    fn random(rng: &mut Rng) -> (SampleBalanced, Vec<Tensor>) {
        let size = [rng.range(1, 4), rng.range(1, 300)];
        let sample = rng.range(1, 200);
        let (positives, kind) = (rng.range(0, sample), rng.range(0, 4));
        case(rng, size, [sample, positives], kind)
    }

    fn op(attrs: &SampleBalanced) -> OpRef {
        Arc::new(*attrs)
    }

    fn reference(op: &SampleBalanced, inputs: &[Array]) -> Vec<Expected> {
        let (n, rows, step) = (inputs[0].shape[0], inputs[0].shape[1], inputs[1].data[0] as u64);
        let mut indices = Array { shape: vec![n, op.size], data: vec![-1.0; n * op.size] };
        let mut counts = Array::zeros(&[n, 2]);
        let [mut sampled, mut positive] = [Array::zeros(&[n, rows]), Array::zeros(&[n, rows])];
        for row in 0..n {
            let of = |wanted: &dyn Fn(f64) -> bool, most: usize| {
                let mut found: Vec<usize> = (0..rows).filter(|r| wanted(inputs[0].data[row * rows + r])).collect();
                found.sort_by_key(|r| key(op, step, row * rows + r));
                found.truncate(most);
                found.sort_unstable();
                found
            };
            let positives = of(&|m| m >= 0.0, op.positives);
            let negatives = of(&|m| m == -1.0, op.size - positives.len());
            counts.data[2 * row] = positives.len() as f64;
            counts.data[2 * row + 1] = negatives.len() as f64;
            for (place, &r) in positives.iter().chain(&negatives).enumerate() {
                indices.data[row * op.size + place] = r as f64;
                sampled.data[row * rows + r] = 1.0;
            }
            for &r in &positives {
                positive.data[row * rows + r] = 1.0;
            }
        }
        [indices, counts, sampled, positive].map(Expected::exact).into()
    }
}

#[test]
fn sample_balanced() {
    check::<Spec>();
}

/// The elements that are taken of a row of `matched`.
fn taken(op: SampleBalanced, matched: &Tensor, step: u32) -> Vec<usize> {
    let outputs = run_op(gpu(), Arc::new(op), &[matched, &Tensor::u32([1], vec![step])]).expect("runs");
    outputs[0].as_i32().iter().filter(|&&i| i >= 0).map(|&i| i as usize).collect()
}

#[test]
fn sample_balanced_chooses_evenly() {
    let (rows, steps) = (60, 600);
    let op = SampleBalanced { size: 20, positives: 10, seed: 5, node: 1 };
    // Every third is positive.
    let matched = Tensor::i32([1, rows], (0..rows as i32).map(|i| if i % 3 == 0 { i } else { -1 }).collect());
    let mut times = vec![0u32; rows];
    let mut pairs = 0;
    for step in 0..steps {
        let chosen = taken(op, &matched, step);
        assert_eq!(chosen.len(), 20);
        for &i in &chosen {
            times[i] += 1;
        }
        pairs += u32::from(chosen.contains(&0) && chosen.contains(&3));
    }
    // A positive is taken with probability 10 / 20, a negative with 10 / 40.
    let deviation = |kind: bool, p: f64| -> f64 {
        let of_kind = (0..rows).filter(|i| (i % 3 == 0) == kind);
        let expected = f64::from(steps) * p;
        of_kind.map(|i| (f64::from(times[i]) - expected).powi(2) / (expected * (1.0 - p))).sum()
    };
    // Chi-square with 19 and 39 degrees of freedom exceeds these with a probability of about 1e-4.
    assert!(deviation(true, 0.5) < 52.0, "positives: {} {times:?}", deviation(true, 0.5));
    assert!(deviation(false, 0.25) < 83.0, "negatives: {} {times:?}", deviation(false, 0.25));
    // Two positives together: 10 * 9 / (20 * 19) of the steps, within four standard deviations.
    let (p, steps) = (90.0 / 380.0, f64::from(steps));
    assert!((f64::from(pairs) - steps * p).abs() < 4.0 * (steps * p * (1.0 - p)).sqrt(), "pairs: {pairs}");
}

#[test]
fn sample_balanced_changes_with_every_counter() {
    let matched = Tensor::i32([1, 5000], (0..5000).map(|i| if i % 10 == 0 { 1 } else { -1 }).collect());
    let op = SampleBalanced { size: 256, positives: 128, seed: 1, node: 2 };
    let first = taken(op, &matched, 3);
    assert_eq!(first, taken(op, &matched, 3));
    let others = [
        taken(SampleBalanced { seed: 2, ..op }, &matched, 3),
        taken(SampleBalanced { node: 3, ..op }, &matched, 3),
        taken(op, &matched, 4),
    ];
    for other in others {
        // Independent draws share 128 * 128 / 500 positives and 128 * 128 / 4500 negatives, 36 in all.
        let both = first.iter().filter(|i| other.contains(i)).count();
        assert!((12..64).contains(&both), "{both} of 256 are the same");
    }
    // The pictures of a batch draw apart.
    let two = Tensor::i32([2, 5000], matched.as_i32().repeat(2));
    let outputs = run_op(gpu(), Arc::new(op), &[&two, &Tensor::u32([1], vec![3])]).expect("runs");
    assert_ne!(outputs[0].as_i32()[..256], outputs[0].as_i32()[256..]);
}

#[test]
fn sample_balanced_refuses_what_it_cannot_use() {
    let op = SampleBalanced { size: 4, positives: 2, seed: 0, node: 0 };
    let [matched, step] = [TensorType::i32([2, 9]), TensorType::u32([1])];
    refuses(
        &op,
        &[TensorType::f32([2, 9]), step.clone()],
        "sample_balanced 'node': matched: expected i32 of rank 2 with elements, got f32(2, 9)",
    );
    refuses(&op, &[matched.clone(), TensorType::u32([2])], "step: expected u32(1), got u32(2)");
    refuses(&op, std::slice::from_ref(&matched), "expected matched and step, got 1");
    let good = [matched, step];
    refuses(&SampleBalanced { positives: 5, ..op }, &good, "positives at most size, got 4 and 5");
    refuses(&SampleBalanced { size: 0, positives: 0, ..op }, &good, "size must be at least 1");
}
