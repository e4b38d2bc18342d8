//! [`OpSpec`]: what a test file says of its op; [`check`]: everything that is then done with it.

use super::array::{Array, Expected};
use super::rng::{Rng, seed};
use super::{check_halves, gpu};
use std::fmt::Debug;
use wgvision::graph::{Options, run_op_checked};
use wgvision::ops::{Op, OpRef};
use wgvision::tensor::{DType, Tensor, TensorType};

/// An op under test. Inputs are in this crate's layouts (NHWC, HWIO).
pub trait OpSpec {
    /// The op's attributes as the reference reads them.
    type Attrs: Clone + Debug;
    /// Name of the op and of the test.
    const NAME: &'static str;
    /// Random attribute sets to try.
    const RANDOM: usize = 24;
    /// Whether the op has a gradient.
    const GRADIENT: bool = true;
    /// Largest number of float input elements for which the gradient is checked by differences.
    const GRADIENT_LIMIT: usize = 600;
    /// Roundings allowed for in gradients, on top of the length of the sums.
    const GRADIENT_ROUNDINGS: f64 = 32.0;

    /// Boundary sizes: 1, workgroup - 1, workgroup, workgroup + 1, primes, non-square, batch > 1.
    fn boundary(rng: &mut Rng) -> Vec<(Self::Attrs, Vec<Tensor>)>;
    /// A random case.
    fn random(rng: &mut Rng) -> (Self::Attrs, Vec<Tensor>);
    /// The op.
    fn op(attrs: &Self::Attrs) -> OpRef;
    /// The exact outputs, from the definition.
    fn reference(attrs: &Self::Attrs, inputs: &[Array]) -> Vec<Expected>;
    /// Whether a gradient flows through output `i` (statistics that are only stored have none).
    fn gradient_through(_attrs: &Self::Attrs, _output: usize) -> bool {
        true
    }
    /// Whether input `i`, a float, has a gradient.
    fn gradient_into(_attrs: &Self::Attrs, _input: usize) -> bool {
        true
    }
}

/// Values, sentinels, in-place use, repeatability, storage in half precision and gradients of all cases, then the negative control.
pub fn check<S: OpSpec>() {
    let mut rng = Rng::for_test(S::NAME);
    let mut cases = S::boundary(&mut rng);
    let boundary = cases.len();
    assert!(boundary > 0 && S::RANDOM >= 20, "{}: boundary cases and at least 20 random ones", S::NAME);
    cases.extend((0..S::RANDOM).map(|_| S::random(&mut rng)));
    let mut gradients = 0;
    for (i, (attrs, inputs)) in cases.iter().enumerate() {
        let label = format!("{} case {i} {attrs:?} {:?}", S::NAME, inputs.iter().map(Tensor::ty).collect::<Vec<_>>());
        let elements: usize = inputs.iter().filter(|t| t.dtype() == DType::F32).map(|t| t.shape().elements()).sum();
        let with_gradient = S::GRADIENT && elements <= S::GRADIENT_LIMIT;
        gradients += usize::from(with_gradient);
        if let Err(why) = check_case::<S>(attrs, inputs, with_gradient, &mut rng) {
            panic!(
                "{label}\n{why}\nadapter {} ({}), seed {}\nagain: WGVISION_SEED={} cargo test --test kernels {}",
                gpu().facts().name,
                gpu().facts().driver,
                seed(),
                seed(),
                S::NAME
            );
        }
    }
    assert!(!S::GRADIENT || gradients >= 10, "{}: only {gradients} cases small enough for a gradient check", S::NAME);
    negative_control::<S>(&cases[boundary]);
}

/// The op must refuse inputs of these types with an error that contains `message`. The node is called `node`.
pub fn refuses(op: &dyn Op, inputs: &[TensorType], message: &str) {
    match op.infer("node", inputs) {
        Ok(outputs) => panic!("{op:?} accepted {inputs:?} and makes {outputs:?}"),
        Err(e) => assert!(e.to_string().contains(message), "'{e}' does not contain '{message}'"),
    }
}

fn check_case<S: OpSpec>(
    attrs: &S::Attrs,
    inputs: &[Tensor],
    with_gradient: bool,
    rng: &mut Rng,
) -> Result<(), String> {
    let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
    let expected = S::reference(attrs, &arrays);
    let weights: Vec<Option<Tensor>> = expected
        .iter()
        .enumerate()
        .map(|(i, e)| (with_gradient && S::gradient_through(attrs, i)).then(|| rng.tensor(e.value.shape.clone())))
        .collect();
    let run = |options: Options| {
        let tensors: Vec<&Tensor> = inputs.iter().collect();
        let seeds: Vec<Option<&Tensor>> = weights.iter().map(Option::as_ref).collect();
        run_op_checked(gpu(), S::op(attrs), &tensors, &seeds, options).map_err(|e| e.to_string())
    };
    let first = run(Options { sentinels: true, no_in_place: true, ..Options::default() })?;
    if let Some(tensor) = &first.damaged {
        return Err(format!("memory around '{tensor}' was overwritten"));
    }
    if first.outputs.len() != expected.len() {
        return Err(format!("{} outputs, {} expected", first.outputs.len(), expected.len()));
    }
    for (i, (got, want)) in first.outputs.iter().zip(&expected).enumerate() {
        compare(&format!("output {i}"), got, want)?;
    }
    let second = run(Options::default())?;
    for (i, (a, b)) in first.outputs.iter().zip(&second.outputs).enumerate() {
        same_bits(&format!("output {i}"), a, b)?;
    }
    for (i, (a, b)) in first.grads.iter().zip(&second.grads).enumerate() {
        if let (Some(a), Some(b)) = (a, b) {
            same_bits(&format!("gradient of input {i}"), a, b)?;
        }
    }
    check_halves(&S::op(attrs), inputs, with_gradient && S::gradient_through(attrs, 0), rng)?;
    if with_gradient {
        for (i, got) in first.grads.iter().enumerate() {
            if inputs[i].dtype() != DType::F32 || !S::gradient_into(attrs, i) {
                continue;
            }
            let got = got.as_ref().ok_or_else(|| format!("input {i} got no gradient"))?;
            compare(&format!("gradient of input {i}"), got, &differences::<S>(attrs, &arrays, &weights, i))?;
        }
    }
    Ok(())
}

/// Gradient of the weighted sum of the outputs by central differences on the float64 reference.
fn differences<S: OpSpec>(attrs: &S::Attrs, inputs: &[Array], weights: &[Option<Tensor>], input: usize) -> Expected {
    let mut moved = inputs.to_vec();
    let mut value = Array::zeros(&inputs[input].shape);
    let mut magnitude = vec![0.0; value.data.len()];
    let mut terms = 0usize;
    for (j, (derivative, magnitude)) in value.data.iter_mut().zip(&mut magnitude).enumerate() {
        let x = inputs[input].data[j];
        let h = 1e-5 * x.abs().max(1.0);
        moved[input].data[j] = x + h;
        let high = S::reference(attrs, &moved);
        moved[input].data[j] = x - h;
        let low = S::reference(attrs, &moved);
        moved[input].data[j] = x;
        let mut touched = 0;
        for ((high, low), weight) in high.iter().zip(&low).zip(weights) {
            let Some(weight) = weight else { continue };
            for ((a, b), w) in high.value.data.iter().zip(&low.value.data).zip(weight.as_f32()) {
                let term = f64::from(*w) * (a - b) / (2.0 * h);
                *derivative += term;
                *magnitude += term.abs();
                touched += usize::from(term != 0.0);
            }
        }
        terms = terms.max(touched);
    }
    // Differences are good to about 1e-9 of the largest term; sums inside the rule may cancel, so the mean counts too.
    let mean = magnitude.iter().sum::<f64>() / magnitude.len().max(1) as f64;
    let floor = magnitude.iter().fold(0.0f64, |a, &b| a.max(b)) * 1e-3;
    magnitude.iter_mut().for_each(|m| *m = m.max(floor) + mean);
    Expected { value, magnitude, terms: terms as f64 + S::GRADIENT_ROUNDINGS }
}

/// Shapes and element types first, then every element within its bound. NaN equals nothing.
pub fn compare(what: &str, got: &Tensor, want: &Expected) -> Result<(), String> {
    if got.shape()[..] != want.value.shape[..] {
        return Err(format!("{what}: shape {}, expected {:?}", got.shape(), want.value.shape));
    }
    let got_values = Array::from_tensor(got);
    let integer = got.dtype() != DType::F32;
    let mut wrong = Vec::new();
    for (i, (&g, &w)) in got_values.data.iter().zip(&want.value.data).enumerate() {
        let bound = if integer { 0.0 } else { want.bound(i) };
        let close = (g - w).abs() <= bound || (g == w && w.is_infinite());
        if !close {
            wrong.push(format!("  [{i}] got {g:e}, expected {w:e}, allowed {bound:.1e}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{what}: {} of {} elements differ\n{}",
        wrong.len(),
        got_values.data.len(),
        wrong[..wrong.len().min(5)].join("\n")
    ))
}

fn same_bits(what: &str, a: &Tensor, b: &Tensor) -> Result<(), String> {
    let same = a.shape() == b.shape() && a.bytes() == b.bytes();
    same.then_some(()).ok_or_else(|| format!("{what}: two runs (one of them in place) gave different bits"))
}

/// The comparison must refuse a result with one wrong element, a NaN, and another shape.
fn negative_control<S: OpSpec>((attrs, inputs): &(S::Attrs, Vec<Tensor>)) {
    let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
    let want = S::reference(attrs, &arrays).remove(0);
    let tensors: Vec<&Tensor> = inputs.iter().collect();
    let got =
        run_op_checked(gpu(), S::op(attrs), &tensors, &[], Options::default()).expect("ran before").outputs.remove(0);
    compare("control", &got, &want).expect("the untouched result passes");
    let last = got.shape().elements() - 1;
    if got.dtype() == DType::F32 {
        let off = (4.0 * want.bound(last)).max(f64::from(got.as_f32()[last].abs()) * 1e-6) as f32 + f32::MIN_POSITIVE;
        for wrong in [got.as_f32()[last] + off, f32::NAN] {
            let mut data = got.as_f32().to_vec();
            data[last] = wrong;
            let result = compare("control", &Tensor::f32(got.shape(), data), &want);
            assert!(result.is_err(), "{}: the harness accepted {wrong} for {}", S::NAME, got.as_f32()[last]);
        }
    }
    let longer: Vec<usize> = got.shape().iter().copied().chain([1]).collect();
    let reshaped = got.reshaped(longer).expect("same count");
    assert!(compare("control", &reshaped, &want).is_err(), "{}: the harness accepted another shape", S::NAME);
}
