//! The graph itself, on the smallest ops: errors at build time, accumulation, dead nodes, updates, prologue.

use crate::harness::gpu;
use wgvision::Error;
use wgvision::graph::{Executable, Graph, Options, Plan, Variables};
use wgvision::ops::add::Add;
use wgvision::ops::relu::Relu;
use wgvision::tensor::{Tensor, TensorType};

fn vector(values: &[f32]) -> Tensor {
    Tensor::f32([values.len()], values.to_vec())
}

#[test]
fn a_shape_error_names_op_node_expected_and_got() {
    let mut graph = Graph::new();
    let a = graph.input("a", TensorType::f32([2, 3])).unwrap();
    let b = graph.input("b", TensorType::f32([4, 3])).unwrap();
    let error = graph.scope("block", |g| g.named("join", Add, &[a, b])).unwrap_err();
    let Error::Shape { op, node, expected, got, .. } = &error else { panic!("{error}") };
    assert_eq!((op.as_str(), node.as_str()), ("add", "block.join"));
    assert!(expected.contains("2, 3") && got.contains("4, 3"), "{error}");
}

#[test]
fn names_are_unique() {
    let mut graph = Graph::new();
    let a = graph.input("a", TensorType::f32([1])).unwrap();
    assert!(graph.input("a", TensorType::f32([1])).is_err());
    let first = graph.add(Relu, &[a]).unwrap();
    let second = graph.add(Relu, &[first]).unwrap();
    assert_eq!((graph.name(first), graph.name(second)), ("relu", "relu_2"));
}

#[test]
fn gradients_add_up_over_all_paths() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([1])).unwrap();
    let unused = graph.input("unused", TensorType::f32([1])).unwrap();
    let r = graph.add(Relu, &[x]).unwrap();
    let twice = graph.add(Add, &[r, r]).unwrap();
    let loss = graph.add(Add, &[twice, x]).unwrap();
    let grads = graph.gradients(loss, &[x, unused]).unwrap();
    let variables = Variables::new(gpu());
    let mut exec = Executable::new(&graph, &[("dx", grads[0]), ("none", grads[1])], &variables).unwrap();
    for (x, dx) in [(2.0, 3.0), (-2.0, 1.0)] {
        let results = exec.run(&[("x", &vector(&[x])), ("unused", &vector(&[7.0]))]).unwrap().wait().unwrap();
        assert_eq!((results["dx"].scalar(), results["none"].scalar()), (dx, 0.0));
    }
}

#[test]
fn a_loss_of_several_elements_is_refused() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([2])).unwrap();
    let y = graph.add(Relu, &[x]).unwrap();
    assert!(graph.gradients(y, &[x]).unwrap_err().to_string().contains("one f32"));
}

#[test]
fn dead_nodes_do_not_run() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([4])).unwrap();
    let kept = graph.add(Relu, &[x]).unwrap();
    let dead = graph.add(Relu, &[kept]).unwrap();
    graph.add(Add, &[dead, x]).unwrap();
    let plan = Plan::new(gpu(), &graph, &[kept], Options::default()).unwrap();
    assert_eq!(plan.nodes().collect::<Vec<_>>(), [kept.node]);
}

#[test]
fn inputs_are_checked_by_name_and_type() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([4])).unwrap();
    let y = graph.add(Relu, &[x]).unwrap();
    let mut exec = Executable::new(&graph, &[("y", y)], &Variables::new(gpu())).unwrap();
    let message = |given: &[(&str, &Tensor)], exec: &mut Executable| exec.run(given).unwrap_err().to_string();
    assert!(message(&[], &mut exec).contains("'x' was not given"));
    assert!(message(&[("z", &vector(&[1.0]))], &mut exec).contains("no input is named 'z'"));
    assert!(message(&[("x", &vector(&[1.0]))], &mut exec).contains("f32(4)"));
}

#[test]
fn updates_reach_variables_in_place_or_by_copy() {
    for keep_old in [false, true] {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32([3])).unwrap();
        let total = graph.state("total", TensorType::f32([3])).unwrap();
        let sum = graph.add(Add, &[total, x]).unwrap();
        graph.update(total, sum).unwrap();
        // Reading the old value afterwards forbids writing the sum straight into the variable.
        let old = graph.add(Relu, &[total]).unwrap();
        let wanted = if keep_old { old } else { sum };
        let variables = Variables::new(gpu());
        let mut exec = Executable::new(&graph, &[("y", wanted)], &variables).unwrap();
        for run in 1..=3 {
            let y = exec.run(&[("x", &vector(&[1.0, 2.0, 3.0]))]).unwrap().wait_for("y").unwrap();
            let n = if keep_old { run - 1 } else { run } as f32;
            assert_eq!(y.as_f32(), [n, 2.0 * n, 3.0 * n]);
        }
        assert_eq!(variables.get("total").unwrap().as_f32(), [3.0, 6.0, 9.0]);
        assert_eq!(exec.commands(), if keep_old { 3 } else { 1 }, "an update in place needs no copy");
    }
}

#[test]
fn what_depends_on_parameters_alone_runs_when_they_change() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([2])).unwrap();
    let w = graph.parameter("w", TensorType::f32([2])).unwrap();
    let doubled = graph.add(Add, &[w, w]).unwrap();
    let y = graph.add(Add, &[x, doubled]).unwrap();
    let variables = Variables::new(gpu());
    variables.set("w", &vector(&[1.0, 2.0])).unwrap();
    let mut exec = Executable::new(&graph, &[("y", y)], &variables).unwrap();
    assert_eq!(exec.commands(), 1, "only the last sum is part of every run");
    let x = vector(&[10.0, 20.0]);
    let run = |exec: &mut Executable| exec.run(&[("x", &x)]).unwrap().wait_for("y").unwrap().as_f32().to_vec();
    assert_eq!(run(&mut exec), [12.0, 24.0]);
    assert_eq!(run(&mut exec), [12.0, 24.0]);
    variables.set("w", &vector(&[3.0, 4.0])).unwrap();
    assert_eq!(run(&mut exec), [16.0, 28.0]);
}

#[test]
fn node_times_are_measured_where_the_device_can() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([1000])).unwrap();
    let y = graph.named("act", Relu, &[x]).unwrap();
    let mut exec = Executable::new(&graph, &[("y", y)], &Variables::new(gpu())).unwrap();
    let times = exec.time(&[("x", &Tensor::full([1000], 1.0))]).unwrap();
    assert_eq!(times.is_some(), gpu().facts().features.timestamps);
    if let Some(times) = times {
        assert_eq!((times.len(), times[0].node.as_str(), times[0].kernels().len()), (1, "act", 1));
        assert!(times[0].ms() >= 0.0 && times[0].ms() < 10_000.0);
    }
}
