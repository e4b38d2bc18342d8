//! Optimisers inside a graph: descent on a known bowl against float64, updates in place, what a broken gradient leaves alone.

use crate::harness::gpu;
use std::collections::BTreeMap;
use wgvision::gpu::Pace;
use wgvision::graph::{Executable, Graph, Options, Variables};
use wgvision::ops::Reduction;
use wgvision::ops::Value;
use wgvision::ops::pointwise_loss::{Formula, PointwiseLoss};
use wgvision::optim::{Guard, Hyper, Optimizer, follow, guard, protect, shadow_name};
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

/// Parameters of all sizes around the steps and pieces of kernels for many tensors, each with a loss of its own, and a state that is protected.
/// Returns every variable after some steps, and the commands of a step.
fn trained(optimizer: Optimizer, sizes: &[usize], options: Options) -> (BTreeMap<String, Tensor>, usize) {
    let mut graph = Graph::new();
    let hyper = graph.input("hyper", Hyper::ty()).expect("new");
    let half = PointwiseLoss::new(Formula::Huber { delta: 1e6 }).reduced(Reduction::Sum);
    let mut losses = Vec::new();
    for (i, &n) in sizes.iter().enumerate() {
        let w = graph.parameter(&format!("w{i}"), TensorType::f32([n])).expect("new");
        let count = graph.state(&format!("count{i}"), TensorType::f32([n])).expect("new");
        let target = graph.constant(Tensor::f32([n], (0..n).map(|j| ((i + 7 * j) as f32 * 0.11).cos()).collect()));
        losses.push(graph.add(half, &[w, target]).expect("fits"));
        let moved = graph.add(wgvision::ops::add::Add, &[count, w]).expect("fits");
        graph.update(count, moved).expect("same type");
    }
    let loss =
        losses.into_iter().reduce(|a, b| graph.add(wgvision::ops::add::Add, &[a, b]).expect("fits")).expect("some");
    let parameters = graph.parameters();
    let grads = graph.gradients(loss, &parameters).expect("a gradient");
    let Guard { control, norm } = guard(&mut graph, &grads, hyper, Some(loss), 3.0).expect("fits");
    protect(&mut graph, control).expect("fits");
    let pairs: Vec<(Value, Value)> = parameters.iter().copied().zip(grads).collect();
    let new = optimizer.apply(&mut graph, &pairs, control).expect("fits");
    let pairs: Vec<(Value, Value)> = parameters.iter().copied().zip(new).collect();
    follow(&mut graph, &pairs, control).expect("fits");
    let variables = Variables::new(gpu());
    let list: Vec<(String, TensorType)> =
        parameters.iter().map(|&v| (graph.name(v).to_string(), graph.ty(v))).collect();
    variables.reserve(&list).expect("memory");
    for (name, ty) in &list {
        let n = ty.elements();
        variables.set(name, &Tensor::f32([n], (0..n).map(|j| (j as f32 * 0.37).sin()).collect())).expect("set");
    }
    let outputs = [("norm", norm), ("loss", loss)];
    let mut exec = Executable::with(&graph, &outputs, &variables, options, Pace::new(gpu())).expect("plans");
    for t in 1..=3 {
        let given = optimizer.hyper(0.02, t, Some(0.9)).tensor();
        let results = exec.run(&[("hyper", &given)]).expect("runs").wait().expect("arrives");
        assert!(results["norm"].scalar().is_finite());
    }
    (variables.snapshot().expect("reads"), exec.commands())
}

#[test]
fn many_parameters_are_updated_by_few_dispatches_with_the_same_bits() {
    let sizes = [1, 3, 4, 5, 63, 1023, 1024, 1025, 4099, 16383, 16384, 16385, 40000, 2, 7];
    let adamw = Optimizer::AdamW { betas: [0.9, 0.99], eps: 1e-6, weight_decay: 0.1 };
    let rmsprop = Optimizer::RmsProp { alpha: 0.95, eps: 1e-6, momentum: 0.5, weight_decay: 0.01 };
    let nesterov = Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01 };
    for optimizer in [Optimizer::adam(), adamw, Optimizer::sgd(0.0, 0.1), Optimizer::sgd(0.9, 0.0), nesterov, rmsprop] {
        let (one_by_one, many) = trained(optimizer, &sizes, Options { no_gangs: true, ..Default::default() });
        for options in [
            Options::default(),
            Options { no_in_place: true, ..Default::default() },
            Options { sentinels: true, ..Default::default() },
        ] {
            let (together, few) = trained(optimizer, &sizes, options);
            assert_eq!(one_by_one.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
            let differ: Vec<_> = one_by_one.iter().filter(|(name, t)| together[*name] != **t).map(|(n, _)| n).collect();
            assert!(differ.is_empty(), "{optimizer:?}: {differ:?}");
            // Of four kinds of dispatches for each parameter, at most a handful are left; sums go together only in place.
            let kinds = if options.no_in_place { 3 } else { 4 };
            assert!(few + kinds * (sizes.len() - 3) <= many, "{optimizer:?}: {few} of {many} commands");
        }
    }
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
