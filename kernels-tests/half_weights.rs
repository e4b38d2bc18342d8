//! Weights in half precision: every kernel of convolutions and linear layers with f16 weights against the float64 reference on the rounded weights, in both
//! forms (the device's f16, and words that are unpacked), and the graph pass that puts them there.

use crate::conv2d::Case;
use crate::harness::{Array, Expected, OpSpec, Rng, check, compare, gpu};
use crate::linear;
use half::f16;
use std::sync::{Arc, OnceLock};
use wgvision::gpu::{self, Gpu};
use wgvision::graph::{Executable, Graph, Kind, Options, Precision, Variables, run_op, run_op_checked};
use wgvision::ops::conv2d::{Conv2d, Variant};
use wgvision::ops::linear::Linear;
use wgvision::ops::matmul;
use wgvision::ops::relu::Relu;
use wgvision::ops::{OpRef, to_half::ToHalf};
use wgvision::tensor::{Tensor, TensorType};

/// The same adapter, with half-precision weights in the other form where it has f16: loaded instead of unpacked, or unpacked
/// instead of loaded.
fn other_form() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let options = gpu::Options { f16: Some(!gpu().profile().f16), tuned: Some(false), ..Default::default() };
        let other = Gpu::open_with(&options).expect("opened before");
        assert_eq!(other.profile().f16 != gpu().profile().f16, gpu().facts().features.f16);
        other
    })
}

/// The case with its weight as f16.
fn halved<T>((case, mut inputs): (T, Vec<Tensor>)) -> (T, Vec<Tensor>) {
    let weight = &inputs[1];
    inputs[1] = Tensor::f16(weight.shape(), weight.as_f32().iter().map(|&v| f16::from_f32(v)).collect());
    (case, inputs)
}

struct Spec<const TRANSPOSED: bool>;

impl<const TRANSPOSED: bool> OpSpec for Spec<TRANSPOSED> {
    type Attrs = Case;
    const NAME: &'static str = "half_weights";
    const RANDOM: usize = 24;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(Case, Vec<Tensor>)> {
        Case::boundary(TRANSPOSED, rng).into_iter().map(halved).collect()
    }

    fn random(rng: &mut Rng) -> (Case, Vec<Tensor>) {
        halved(Case::random(TRANSPOSED, rng))
    }

    fn op(case: &Case) -> OpRef {
        case.op()
    }

    fn reference(case: &Case, inputs: &[Array]) -> Vec<Expected> {
        vec![case.reference(inputs)]
    }
}

struct InLinear;

impl OpSpec for InLinear {
    type Attrs = Linear;
    const NAME: &'static str = "half_weights_in_linear";
    const RANDOM: usize = 24;
    const GRADIENT: bool = false;

    fn boundary(rng: &mut Rng) -> Vec<(Linear, Vec<Tensor>)> {
        linear::Spec::boundary(rng).into_iter().map(halved).collect()
    }

    fn random(rng: &mut Rng) -> (Linear, Vec<Tensor>) {
        halved(linear::Spec::random(rng))
    }

    fn op(op: &Linear) -> OpRef {
        linear::Spec::op(op)
    }

    fn reference(op: &Linear, inputs: &[Array]) -> Vec<Expected> {
        linear::Spec::reference(op, inputs)
    }
}

#[test]
fn half_weights_in_linear() {
    check::<InLinear>();
}

#[test]
fn half_weights_in_conv2d() {
    check::<Spec<false>>();
}

#[test]
fn half_weights_in_conv_transpose2d() {
    check::<Spec<true>>();
}

/// The cases once more in the other form, and the same bits from both.
fn in_the_other_form<S: OpSpec>() {
    let mut rng = Rng::for_test("other form");
    let mut cases = S::boundary(&mut rng);
    cases.extend((0..8).map(|_| S::random(&mut rng)));
    for (i, (case, inputs)) in cases.into_iter().enumerate() {
        let tensors: Vec<&Tensor> = inputs.iter().collect();
        let options = Options { sentinels: true, ..Options::default() };
        let run = |gpu: &Gpu| run_op_checked(gpu, S::op(&case), &tensors, &[], options).expect("runs");
        let (other, usual) = (run(other_form()), run(gpu()));
        assert_eq!(other.damaged, None, "case {i} {case:?}");
        let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
        compare("other form", &other.outputs[0], &S::reference(&case, &arrays)[0])
            .unwrap_or_else(|e| panic!("case {i} {case:?}: {e}"));
        assert!(other.outputs[0].bytes() == usual.outputs[0].bytes(), "case {i} {case:?}: other bits");
    }
}

#[test]
fn half_weights_in_the_other_form() {
    in_the_other_form::<Spec<false>>();
    in_the_other_form::<Spec<true>>();
    in_the_other_form::<InLinear>();
}

/// A weight that meets a one, and zeros otherwise, comes out as it is: every finite half, in every kernel, in both forms.
#[test]
fn half_weights_are_widened_exactly() {
    let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|h| h.is_finite()).collect();
    let wide: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
    let n = halves.len();
    let identity = Tensor::f32([1, 2, 2, 4], (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect());
    let ones = Tensor::full([1, 1, 1, n], 1.0);
    for variant in [Variant::Lanes, Variant::Registers, Variant::Subgroup, Variant::Tiled, Variant::Depthwise] {
        let depthwise = variant == Variant::Depthwise;
        let (x, shape) = if depthwise { (&ones, [1, 1, 1, n]) } else { (&identity, [1, 1, 4, n / 4]) };
        let groups = if depthwise { n } else { 1 };
        let op = Conv2d { variant: Some(variant), groups, ..Default::default() };
        let weight = Tensor::f16(shape, halves.clone());
        for device in [gpu(), other_form()] {
            let y = run_op(device, Arc::new(op), &[x, &weight]).unwrap().remove(0);
            let wrong = y.as_f32().iter().zip(&wide).find(|(got, want)| got != want);
            assert_eq!(wrong, None, "{variant:?}, f16 {}", device.profile().f16);
        }
    }
    // A linear layer reads them in twos and fours; in ones, where outputs do not come in fours: the cases above.
    let identity = Tensor::f32([4, 4], identity.as_f32().to_vec());
    for variant in [matmul::Variant::Registers, matmul::Variant::Subgroup, matmul::Variant::Tiled] {
        let op = Linear { bias: false, variant: Some(variant) };
        let weight = Tensor::f16([4, n / 4], halves.clone());
        for device in [gpu(), other_form()] {
            let y = run_op(device, Arc::new(op), &[&identity, &weight]).unwrap().remove(0);
            let wrong = y.as_f32().iter().zip(&wide).find(|(got, want)| got != want);
            assert_eq!(wrong, None, "linear, {variant:?}, f16 {}", device.profile().f16);
        }
    }
}

#[test]
fn half_weights_have_no_gradient() {
    let weight = Tensor::f16([1, 1, 2, 2], vec![f16::ONE; 4]);
    let (x, g) = (Tensor::full([1, 2, 2, 2], 1.0), Tensor::full([1, 2, 2, 2], 1.0));
    let op = Arc::new(Conv2d::default());
    let why =
        run_op_checked(gpu(), op, &[&x, &weight], &[Some(&g)], Options::default()).expect_err("refused").to_string();
    assert!(why.contains("conv2d") && why.contains("for inference"), "{why}");
    let (weight, rows) = (Tensor::f16([2, 2], vec![f16::ONE; 4]), Tensor::full([3, 2], 1.0));
    let why = run_op_checked(gpu(), Arc::new(Linear::default()), &[&rows, &weight], &[Some(&rows)], Options::default());
    let why = why.expect_err("refused").to_string();
    assert!(why.contains("linear") && why.contains("for inference"), "{why}");
}

/// x -> conv(w) -> relu -> conv(w) -> conv(v), the last with a weight that is given anew for every run.
fn network() -> (Graph, wgvision::ops::Value) {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32([1, 5, 5, 4])).unwrap();
    let w = graph.parameter("w", TensorType::f32([3, 3, 4, 4])).unwrap();
    let v = graph.input("v", TensorType::f32([1, 1, 4, 4])).unwrap();
    // One kernel whatever the weight's type, so that results can be compared by bits.
    let one = Conv2d { variant: Some(Variant::Tiled), ..Default::default() };
    let same = Conv2d { padding: [1; 4], ..one };
    let y = graph.add(same, &[x, w]).unwrap();
    let y = graph.add(Relu, &[y]).unwrap();
    let y = graph.add(same, &[y, w]).unwrap();
    let y = graph.add(one, &[y, v]).unwrap();
    (graph, y)
}

#[test]
fn a_weight_is_converted_once_and_again_when_it_changes() {
    let (graph, y) = network();
    let (half, outputs) = graph.with_half_weights(&[y]).unwrap();
    let conversions = half.nodes().iter().filter(|n| matches!(&n.kind, Kind::Op(op) if op.name() == "to_half"));
    assert_eq!(conversions.count(), 1, "one for the parameter, none for what each run is given");
    assert!(half.find("half(w)").is_some());
    let variables = Variables::new(gpu());
    let mut exec = Executable::new(&half, &[("y", outputs[0])], &variables).unwrap();
    let mut plain = Executable::new(&graph, &[("y", y)], &variables).unwrap();
    let mut rng = Rng::for_test("network");
    let (x, v) = (rng.tensor([1, 5, 5, 4]), rng.tensor([1, 1, 4, 4]));
    for _ in 0..2 {
        let w = rng.tensor([3, 3, 4, 4]);
        variables.set("w", &w).unwrap();
        let run = |exec: &mut Executable| exec.run(&[("x", &x), ("v", &v)]).unwrap().wait_for("y").unwrap();
        let y = run(&mut exec);
        // The same network on weights that were rounded before.
        let rounded = run_op(gpu(), Arc::new(ToHalf), &[&w]).unwrap().remove(0);
        let wide = Array::from_tensor(&rounded).data.iter().map(|&v| v as f32).collect();
        variables.set("w", &Tensor::f32(w.shape(), wide)).unwrap();
        assert_eq!(y, run(&mut plain));
    }
}

#[test]
fn precisions_are_named() {
    assert_eq!("f16".parse(), Ok(Precision::F16));
    assert!("f8".parse::<Precision>().is_err_and(|e| e.contains("f32, f16")));
}
