//! Optimisers inside a graph: descent on a known bowl against float64, updates in place, what a broken gradient leaves alone.

use crate::harness::gpu;
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::ops::Reduction;
use wgvision::ops::Value;
use wgvision::ops::pointwise_loss::{Formula, PointwiseLoss};
use wgvision::optim::{Hyper, Optimizer, follow, guard, shadow_name};
use wgvision::tensor::{Tensor, TensorType};

const N: usize = 300;

struct Bowl {
    graph: Graph,
    norm: Value,
    loss: Value,
}

/// loss = sum (w - target)^2 / 2 with clipping to `max_norm` and a moving average.
fn bowl(optimizer: Optimizer, max_norm: f32) -> Bowl {
    let mut graph = Graph::new();
    let w = graph.parameter("w", TensorType::f32([N])).expect("new");
    let target = graph.input("target", TensorType::f32([N])).expect("new");
    let hyper = graph.input("hyper", Hyper::ty()).expect("new");
    let half = PointwiseLoss::new(Formula::Huber { delta: 1e6 }).reduced(Reduction::Sum);
    let loss = graph.add(half, &[w, target]).expect("fits");
    let grads = graph.gradients(loss, &[w]).expect("a gradient");
    let guard = guard(&mut graph, &grads, hyper, Some(loss), max_norm).expect("fits");
    let new = optimizer.apply(&mut graph, &[(w, grads[0])], guard.control).expect("fits");
    follow(&mut graph, &[(w, new[0])], guard.control).expect("fits");
    Bowl { graph, norm: guard.norm, loss }
}

fn start() -> (Vec<f32>, Vec<f32>) {
    let w = (0..N).map(|i| (i as f32 * 0.37).sin()).collect();
    let target = (0..N).map(|i| (i as f32 * 0.11).cos()).collect();
    (w, target)
}

#[test]
fn optimisers_descend_as_float64_does() {
    let (w0, target) = start();
    let (lr, steps, max_norm) = (0.02, 12, 5.0);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.0 };
    for optimizer in [Optimizer::adam(), sgd] {
        let bowl = bowl(optimizer, max_norm);
        let variables = Variables::new(gpu());
        variables.set("w", &Tensor::f32([N], w0.clone())).expect("set");
        variables.set(&shadow_name("w"), &Tensor::f32([N], w0.clone())).expect("set");
        let outputs = [("norm", bowl.norm), ("loss", bowl.loss)];
        let mut exec = Executable::new(&bowl.graph, &outputs, &variables).expect("plans");
        // Two for the loss, one for its gradient, one for each of sum, guard, step and average: nothing is copied.
        assert_eq!(exec.commands(), 7, "{optimizer:?}");
        let mut w: Vec<f64> = w0.iter().map(|&v| f64::from(v)).collect();
        let (mut m, mut v, mut shadow) = (vec![0.0; N], vec![0.0; N], w.clone());
        for t in 1..=steps {
            let hyper = optimizer.hyper(lr, t, Some(0.9)).tensor();
            let given = Tensor::f32([N], target.clone());
            let results = exec.run(&[("target", &given), ("hyper", &hyper)]).expect("runs").wait().expect("arrives");
            let grads: Vec<f64> = w.iter().zip(&target).map(|(w, t)| w - f64::from(*t)).collect();
            let norm = grads.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!((f64::from(results["norm"].scalar()) - norm).abs() < 1e-4 * norm);
            let clip = (f64::from(max_norm) / (norm + 1e-6)).min(1.0);
            let decay = 0.9f64.min((1.0 + t as f64) / (10.0 + t as f64));
            for i in 0..N {
                let g = clip * grads[i];
                match optimizer {
                    Optimizer::Adam { .. } => {
                        m[i] = 0.9 * m[i] + 0.1 * g;
                        v[i] = 0.999 * v[i] + 0.001 * g * g;
                        let (c1, c2) = (1.0 - 0.9f64.powi(t as i32), 1.0 - 0.999f64.powi(t as i32));
                        w[i] -= lr * (m[i] / c1) / ((v[i] / c2).sqrt() + 1e-8);
                    }
                    _ => {
                        m[i] = 0.9 * m[i] + g;
                        w[i] -= lr * (g + 0.9 * m[i]);
                    }
                }
                shadow[i] = decay * shadow[i] + (1.0 - decay) * w[i];
            }
        }
        for (name, want) in [("w".to_string(), &w), (shadow_name("w"), &shadow)] {
            let got = variables.get(&name).expect("there");
            let worst = got.as_f32().iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
            assert!(worst < 2e-5, "{optimizer:?}: {name} is off by {worst}");
        }
    }
}

#[test]
fn a_broken_gradient_leaves_parameters_moments_and_average_alone() {
    let (w0, target) = start();
    let optimizer = Optimizer::adam();
    let bowl = bowl(optimizer, 0.0);
    let variables = Variables::new(gpu());
    variables.set("w", &Tensor::f32([N], w0.clone())).expect("set");
    variables.set(&shadow_name("w"), &Tensor::f32([N], w0)).expect("set");
    let mut exec = Executable::new(&bowl.graph, &[("norm", bowl.norm)], &variables).expect("plans");
    let mut step = |t: u64, target: Vec<f32>| {
        let hyper = optimizer.hyper(0.01, t, Some(0.9)).tensor();
        let given = Tensor::f32([N], target);
        let results = exec.run(&[("target", &given), ("hyper", &hyper)]).expect("runs").wait().expect("arrives");
        (results["norm"].scalar(), variables.snapshot().expect("reads"))
    };
    let (norm, before) = step(1, target.clone());
    assert!(norm.is_finite());
    for broken in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut spoilt = target.clone();
        spoilt[17] = broken;
        let (norm, after) = step(2, spoilt);
        assert!(norm.is_nan(), "{broken}");
        assert_eq!(after, before, "{broken} got through");
    }
    let (norm, after) = step(2, target);
    assert!(norm.is_finite() && after != before, "training goes on");
}

#[test]
fn optimisers_are_configured_by_pytorchs_names() {
    let parse = |text: &str| serde_json::from_str::<Optimizer>(text);
    assert_eq!(parse(r#"{"name": "adam"}"#).expect("parses"), Optimizer::adam());
    assert_eq!(
        parse(r#"{"name": "sgd", "momentum": 0.9, "weight_decay": 0.5}"#).expect("parses"),
        Optimizer::sgd(0.9, 0.5)
    );
    assert!(parse(r#"{"name": "adam", "momentum": 0.9}"#).is_err(), "Adam has no momentum");
    for text in [r#"{"name": "adamw", "betas": [0.9, 1.0]}"#, r#"{"name": "rmsprop", "eps": -1}"#] {
        let why = parse(text).expect("parses").check().expect_err("refused").to_string();
        assert!(why.contains("must"), "{why}");
    }
}
