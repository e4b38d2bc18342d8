//! detach: the same tensor, which passes no gradient on.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu, refuses};
use std::sync::Arc;
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::ops::mul::Mul;
use wgvision::ops::reduce_sum::ReduceSum;
use wgvision::ops::{OpRef, detach::Detach};
use wgvision::tensor::{Tensor, TensorType};

struct Spec;

impl OpSpec for Spec {
    type Attrs = ();
    const NAME: &'static str = "detach";
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<((), Vec<Tensor>)> {
        vec![((), vec![rng.tensor([1])]), ((), vec![rng.tensor([257])]), ((), vec![rng.tensor([2, 3, 5, 7])])]
    }

    fn random(rng: &mut Rng) -> ((), Vec<Tensor>) {
        let shape: Vec<usize> = (0..rng.range(1, 4)).map(|_| rng.range(1, 6)).collect();
        ((), vec![rng.tensor(shape)])
    }

    fn op(_: &()) -> OpRef {
        Arc::new(Detach)
    }

    fn reference(_: &(), inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(inputs[0].clone())]
    }
}

#[test]
fn detach() {
    check::<Spec>();
}

#[test]
fn detach_refuses_other_counts() {
    let x = TensorType::f32([1]);
    refuses(&Detach, &[x.clone(), x], "detach 'node': inputs: expected x, got 2");
}

/// loss = sum(w * detach(w * w)): its gradient is w * w, not 3 w * w.
#[test]
fn no_gradient_passes_a_detached_tensor() {
    let mut graph = Graph::new();
    let w = graph.parameter("w", TensorType::f32([3])).expect("a new name");
    let square = graph.add(Mul, &[w, w]).expect("one shape");
    let fixed = graph.add(Detach, &[square]).expect("any tensor");
    let product = graph.add(Mul, &[w, fixed]).expect("one shape");
    let loss = graph.add(ReduceSum::all(1), &[product]).expect("a vector");
    let grad = graph.gradients(loss, &[w]).expect("differentiable")[0];
    let variables = Variables::new(gpu());
    variables.set("w", &Tensor::f32([3], vec![1.0, -2.0, 3.0])).expect("a new variable");
    let mut step = Executable::new(&graph, &[("grad", grad)], &variables).expect("a small graph");
    let found = step.run(&[]).and_then(|run| run.wait_for("grad")).expect("one output");
    assert_eq!(found.as_f32(), [1.0, 4.0, 9.0]);
}
