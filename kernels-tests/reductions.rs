//! Sums, maxima and prefix sums over a workgroup as trees, which devices without subgroups run, against those of the test device, which the ops' own
//! tests hold against their references.

use crate::harness::{Rng, gpu};
use std::sync::Arc;
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::run_op;
use wgvision::ops::OpRef;
use wgvision::ops::nonfinite::NonFinite;
use wgvision::ops::overlap_loss::{Overlap, OverlapLoss};
use wgvision::ops::softmax::Softmax;
use wgvision::ops::square_sum::SquareSum;
use wgvision::ops::top_k::TopK;
use wgvision::tensor::{Data, Tensor};

#[test]
fn trees_reduce_as_subgroups_do() {
    let trees = Gpu::open_with(&Options { variants: Some("reduce=tree".into()), ..Default::default() }).unwrap();
    assert!(!trees.profile().reduces_in_subgroups());
    let mut rng = Rng::for_test("trees");
    // Infinities alone: their squares' sum is one too, and only the largest magnitude makes it the NaN that is wanted.
    let mut broken = rng.tensor([5000]).as_f32().to_vec();
    broken[4321] = f32::INFINITY;
    broken[77] = f32::NEG_INFINITY;
    let broken = Tensor::f32([5000], broken);
    let truth = Tensor::f32([1, 70, 70, 1], (0..4900).map(|i| (i / 3 % 2) as f32).collect());
    // Late in the row and so large that exponentials overflow where a maximum misses some lanes.
    let mut long = rng.tensor([3, 1000]).as_f32().to_vec();
    long[995] = 200.0;
    let cases: [(OpRef, Vec<Tensor>); 6] = [
        (Arc::new(Softmax { dim: 1 }), vec![Tensor::f32([3, 1000], long)]),
        (Arc::new(NonFinite), vec![broken.clone()]),
        (Arc::new(SquareSum { first: 0 }), vec![Tensor::full([4900], 0.0), rng.tensor([40_000])]),
        (Arc::new(SquareSum { first: 0 }), vec![Tensor::full([1], 0.0), broken]),
        (Arc::new(OverlapLoss::new(Overlap::Dice)), vec![rng.tensor([1, 70, 70, 1]), truth]),
        (Arc::new(TopK { k: 100, threshold: None }), vec![rng.tensor([2, 20_000])]),
    ];
    for (op, inputs) in cases {
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let [tree, usual] = [&trees, gpu()].map(|gpu| run_op(gpu, op.clone(), &inputs).expect("runs"));
        for (tree, usual) in tree.iter().zip(&usual) {
            match (tree.data(), usual.data()) {
                (Data::F32(a), Data::F32(b)) => {
                    let near = |(a, b): (&f32, &f32)| {
                        (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * b.abs().max(f32::MIN_POSITIVE)
                    };
                    assert!(a.iter().zip(b).all(near), "{}", op.name());
                }
                (a, b) => assert_eq!(a, b, "{}", op.name()),
            }
        }
    }
}
