//! Activations in half precision: which values of a graph are stored so, that a network computed with them is the network with each of
//! them rounded, in both forms of halves, and what becomes of infinities.

use crate::harness::{Rng, gpu};
use std::sync::Arc;
use wgvision::gpu::{self, Gpu};
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::ops::add::Add;
use wgvision::ops::concat::Concat;
use wgvision::ops::conv2d::Conv2d;
use wgvision::ops::group_norm::GroupNorm;
use wgvision::ops::linear::Linear;
use wgvision::ops::max_pool2d::{MaxPool2d, Window};
use wgvision::ops::relu::Relu;
use wgvision::ops::reshape::Reshape;
use wgvision::ops::roi_align::RoiAlign;
use wgvision::ops::softmax::Softmax;
use wgvision::ops::{Activation, OpRef, Stored, Value};
use wgvision::tensor::{DType, Tensor, TensorType};

/// Names of the nodes of which something is stored in half precision.
fn halves(graph: &Graph, outputs: &[Value]) -> Vec<String> {
    let half = graph.with_half_activations(outputs, gpu().profile()).expect("wraps");
    assert!(outputs.iter().all(|&v| half.ty(v).dtype == DType::F32), "outputs stay f32");
    let is_half = |n: &&wgvision::graph::Node| n.outputs.iter().any(|t| t.dtype == DType::F16);
    half.nodes().iter().filter(is_half).map(|n| n.name.clone()).collect()
}

#[test]
fn half_activations_are_what_all_sides_can_store() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([1, 6, 6, 3])).unwrap();
    let w = |graph: &mut Graph, name: &str, i, o| graph.parameter(name, TensorType::f32([1, 1, i, o])).unwrap();
    let (w1, w2, w3, w4) =
        (w(&mut graph, "w1", 3, 8), w(&mut graph, "w2", 8, 8), w(&mut graph, "w3", 16, 3), w(&mut graph, "w4", 8, 4));
    let conv = Conv2d { variant: Some(wgvision::ops::conv2d::Variant::Tiled), ..Default::default() };
    let a = graph.named("a", conv, &[x, w1]).unwrap();
    let b = graph.named("b", conv, &[a, w2]).unwrap();
    let both = graph.named("both", Concat { dim: 3 }, &[a, b]).unwrap();
    // Three channels cannot be stored in pairs.
    let odd = graph.named("odd", conv, &[both, w3]).unwrap();
    let after = graph.named("after", Relu, &[odd]).unwrap();
    // A softmax reads f32.
    let scores = graph.named("scores", conv, &[b, w4]).unwrap();
    let soft = graph.named("soft", Softmax { dim: 3 }, &[scores]).unwrap();
    // A view goes with what it shows.
    let pooled = graph.named("pooled", MaxPool2d(Window::square(2, 2, 0)), &[b]).unwrap();
    let rows = graph.named("rows", Reshape { shape: [9, 8].into() }, &[pooled]).unwrap();
    let row_sum = graph.named("row_sum", Add, &[rows, rows]).unwrap();
    let last = graph.named("last", Relu, &[row_sum]).unwrap();
    assert_eq!(halves(&graph, &[after, soft, last]), ["a", "b", "both", "pooled", "rows", "row_sum"]);
    assert_eq!(halves(&graph, &[after, soft, last, rows]), ["a", "b", "both", "row_sum"]);
}

#[test]
fn half_activations_reach_regions_norms_and_linear_layers() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([1, 6, 6, 8])).unwrap();
    let corners = graph.input("corners", TensorType::f32([1, 3, 4])).unwrap();
    let parameter = |graph: &mut Graph, name: &str, shape: &[usize]| graph.parameter(name, TensorType::f32(shape));
    let w = parameter(&mut graph, "w", &[1, 1, 8, 8]).unwrap();
    let v = parameter(&mut graph, "v", &[32, 8]).unwrap();
    let conv = Conv2d { variant: Some(wgvision::ops::conv2d::Variant::Tiled), ..Default::default() };
    let map = graph.named("map", conv, &[x, w]).unwrap();
    // Norms over groups of four channels store fours, over groups of two they cannot.
    let norm = |groups| GroupNorm { groups, eps: 1e-5, affine: false, activation: Activation::Relu };
    let normal = graph.named_all("normal", Arc::new(norm(2)), &[map]).unwrap()[0];
    let odd = graph.named_all("odd", Arc::new(norm(4)), &[normal]).unwrap()[0];
    // Corners of regions are no activations, though the sum that makes them could store halves.
    let rois = graph.named("rois", Add, &[corners, corners]).unwrap();
    let align = RoiAlign { size: [2, 2], sampling_ratio: 1, aligned: true, scales: vec![1.0] };
    let regions = graph.named("regions", align, &[normal, rois]).unwrap();
    let rows = graph.named("rows", Reshape { shape: [3, 32].into() }, &[regions]).unwrap();
    let linear = Linear { bias: false, variant: Some(wgvision::ops::matmul::Variant::Tiled) };
    let fc = graph.named("fc", linear, &[rows, v]).unwrap();
    let last = graph.named("last", Relu, &[fc]).unwrap();
    assert_eq!(halves(&graph, &[odd, last]), ["map", "normal", "regions", "rows", "fc"]);
    // Backwards too: what arrives at the map from regions and norm.
    let ones = graph.input("ones", TensorType::f32([3, 8])).unwrap();
    let grads = graph.gradients_from(&[(last, ones)], &[w, v]).unwrap();
    let grads: Vec<Value> = grads.into_iter().flatten().collect();
    let found = halves(&graph, &grads);
    for name in ["linear.grad_x", "roi_align.grad", "group_norm.grad"] {
        assert!(found.iter().any(|node| node.contains(name)), "{name} is not among {found:?}");
    }
}

/// conv -> relu -> pool -> conv, and a shortcut.
fn network() -> (Graph, Value) {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([2, 9, 8, 3])).unwrap();
    let w = graph.parameter("w", TensorType::f32([3, 3, 3, 8])).unwrap();
    let v = graph.parameter("v", TensorType::f32([3, 3, 8, 8])).unwrap();
    // A kernel without scratch, which would be f32.
    let variant = Some(wgvision::ops::conv2d::Variant::Tiled);
    let same = Conv2d { padding: [1; 4], variant, ..Default::default() };
    let a = graph.add(same, &[x, w]).unwrap();
    let a = graph.add(Relu, &[a]).unwrap();
    let b = graph.add(same, &[a, v]).unwrap();
    let c = graph.add(Add, &[a, b]).unwrap();
    let d = graph.add(Concat { dim: 3 }, &[c, a]).unwrap();
    let y = graph.add(MaxPool2d(Window::square(3, 2, 1)), &[d]).unwrap();
    (graph, y)
}

fn run(gpu: &Gpu, graph: &Graph, y: Value, x: &Tensor) -> (Tensor, u64) {
    let variables = Variables::new(gpu);
    let mut rng = Rng::for_test("network");
    variables.set("w", &rng.tensor([3, 3, 3, 8])).unwrap();
    variables.set("v", &rng.tensor([3, 3, 8, 8])).unwrap();
    let mut exec = Executable::new(graph, &[("y", y)], &variables).unwrap();
    let peak = exec.plan().memory.peak;
    (exec.run(&[("x", x)]).unwrap().wait_for("y").unwrap(), peak)
}

#[test]
fn half_activations_in_both_forms() {
    let (graph, y) = network();
    let other = gpu::Options { f16: Some(!gpu().profile().f16), ..Default::default() };
    let other = Gpu::open_with(&other).unwrap();
    let x = Rng::for_test("x").tensor([2, 9, 8, 3]);
    let half = graph.with_half_activations(&[y], gpu().profile()).unwrap();
    let (a, small) = run(gpu(), &half, y, &x);
    let (b, _) = run(&other, &half, y, &x);
    assert_eq!(a, b, "native or packed, halves are the same numbers");
    let (full, large) = run(gpu(), &graph, y, &x);
    assert!(3 * small < 2 * large, "{small} bytes of {large}");
    let scale = full.as_f32().iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let worst = full.as_f32().iter().zip(a.as_f32()).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    // Three roundings of 2^-11 in a row; the second convolution sums 72 rounded terms.
    assert!(worst > 0.0 && worst <= 4.0 * 2f32.powi(-11) * scale, "{worst} of {scale}");
}

/// Rounding is to nearest, ties to even, with infinities beyond the largest half and subnormals below the smallest normal one.
#[test]
fn half_activations_are_rounded_as_ieee_says() {
    let mut values = vec![0.0, -0.0, 65504.0, 65519.99, 65520.0, 1e9, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    values.extend([1.0 + 2f32.powi(-11), 1.0 + 3.0 * 2f32.powi(-11), 1.0 + 2f32.powi(-11) + 2f32.powi(-20)]);
    values.extend([2f32.powi(-14), 2f32.powi(-24), 2f32.powi(-25), 1.5 * 2f32.powi(-25), 1e-30, f32::MIN_POSITIVE]);
    let mut rng = Rng::for_test("every exponent");
    for exponent in -30..20 {
        values.extend((0..40).map(|_| rng.float(-2.0, 2.0) * 2f32.powi(exponent)));
    }
    values.truncate(values.len() / 4 * 4);
    let x = Tensor::f32([values.len()], values.clone());
    let zero = Tensor::f32([values.len()], vec![0.0; values.len()]);
    let add: OpRef = Arc::new(Add);
    let stored: OpRef =
        Arc::new(Stored::new(&add, 2, 1, |slot| matches!(slot, gpu::Slot::Output(0) | gpu::Slot::Input(1))));
    let zero16 = Tensor::f16([values.len()], vec![half::f16::ZERO; values.len()]);
    let full = wgvision::graph::run_op(crate::harness::gpu(), add, &[&x, &zero]).unwrap().remove(0);
    for f16 in [false, true] {
        let device = Gpu::open_with(&gpu::Options { f16: Some(f16), ..Default::default() }).unwrap();
        let y = wgvision::graph::run_op(&device, stored.clone(), &[&x, &zero16]).unwrap().remove(0);
        let got: Vec<half::f16> = bytemuck::pod_collect_to_vec(y.bytes());
        for ((got, &sum), v) in got.iter().zip(full.as_f32()).zip(&values) {
            let want = half::f16::from_f32(sum);
            assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()), "{v:e}: {got:?}, not {want:?}");
        }
    }
}
