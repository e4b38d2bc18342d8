//! Golden vectors: what PyTorch and torchvision compute, in float64, for the same inputs. `tools/make_goldens.py` made the
//! files in `golden/`, one for each op; each holds cases of inputs, attributes, outputs and gradients in PyTorch's language.
//!
//! An element agrees when |got - want| <= 1e-5 * max(|want|, r), where r is the root mean square of the expected tensor. A
//! tensor whose terms cancel (a gradient that sums to zero by construction) carries its own r, the root mean square of the
//! sums of absolute terms, in the file. Integers agree when equal; NaN agrees with nothing; infinities only with themselves.
//!
//! This file computes nothing itself. `WGVISION_GOLDEN=TEXT` runs only the cases whose name contains TEXT.

use crate::harness::gpu;
use safetensors::SafeTensors;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use wgvision::graph::run_entry;
use wgvision::ops::{REGISTRY, entry};
use wgvision::tensor::{DType, Data, Tensor, TensorType};

/// Relative agreement asked of every element.
const TOLERANCE: f64 = 1e-5;

/// One case, as the file's metadata lists it. Its tensors are named `CASE/in/NAME` and `CASE/out/NAME`.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    op: String,
    attrs: serde_json::Value,
    /// Whether gradients are among the results.
    grad: bool,
    /// Scale of tensors whose terms cancel.
    #[serde(default)]
    scale: BTreeMap<String, f64>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden")
}

/// The cases of a file, and its tensors.
fn load(op: &str) -> (Vec<Case>, BTreeMap<String, Tensor>) {
    let path = folder().join(format!("{op}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases = header.metadata().as_ref().and_then(|m| m.get("cases")).expect("the metadata lists the cases");
    let cases = serde_json::from_str(cases).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I32 => DType::I32,
            safetensors::Dtype::U32 => DType::U32,
            other => panic!("{}: '{name}' is {other:?}", path.display()),
        };
        let ty = TensorType { shape: view.shape().into(), dtype };
        (name, Tensor::from_bytes(ty, view.data()))
    });
    (cases, tensors.collect())
}

/// The tensors of a case on one side, by their own names.
fn side(tensors: &BTreeMap<String, Tensor>, case: &str, side: &str) -> BTreeMap<String, Tensor> {
    let prefix = format!("{case}/{side}/");
    let own = tensors.range(prefix.clone()..).take_while(|(k, _)| k.starts_with(&prefix));
    own.map(|(k, t)| (k[prefix.len()..].to_string(), t.clone())).collect()
}

fn floats(t: &Tensor) -> Vec<f64> {
    match t.data() {
        Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        Data::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
        Data::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        Data::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
    }
}

/// Nothing, or the first five differences.
fn difference(got: &Tensor, want: &Tensor, scale: Option<f64>) -> Option<String> {
    if got.ty() != want.ty() {
        return Some(format!("is {}, expected {}", got.ty(), want.ty()));
    }
    let (got, values) = (floats(got), floats(want));
    let mean_square = values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64;
    let scale = scale.unwrap_or(0.0).max(mean_square.sqrt());
    let allowed = |w: f64| if want.dtype() == DType::F32 { TOLERANCE * w.abs().max(scale) } else { 0.0 };
    let agrees = |g: f64, w: f64| g == w || (w.is_finite() && (g - w).abs() <= allowed(w));
    let wrong: Vec<usize> = (0..values.len()).filter(|&i| !agrees(got[i], values[i])).collect();
    let line = |&i: &usize| {
        format!("    [{i}] got {:e}, expected {:e}, allowed {:.1e}", got[i], values[i], allowed(values[i]))
    };
    let lines: Vec<String> = wrong.iter().take(5).map(line).collect();
    (!wrong.is_empty()).then(|| format!("{} of {} elements differ\n{}", wrong.len(), values.len(), lines.join("\n")))
}

/// Runs one case; says what is wrong with it.
fn run_case(case: &Case, tensors: &BTreeMap<String, Tensor>) -> Result<(), String> {
    let (inputs, wanted) = (side(tensors, &case.name, "in"), side(tensors, &case.name, "out"));
    if wanted.is_empty() {
        return Err("the file expects nothing of it".into());
    }
    let op = entry(&case.op).map_err(|e| e.to_string())?;
    let results = run_entry(gpu(), op, &case.attrs, &inputs, case.grad).map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    for (name, want) in &wanted {
        match results.get(name) {
            None => wrong.push(format!("  {name}: the op did not return it")),
            Some(got) => {
                let found = difference(got, want, case.scale.get(name).copied());
                wrong.extend(found.map(|d| format!("  {name}: {d}")));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Every case of the op's file.
fn check(op: &str) {
    let (cases, tensors) = load(op);
    let only = std::env::var("WGVISION_GOLDEN").unwrap_or_default();
    let chosen: Vec<&Case> = cases.iter().filter(|c| c.name.contains(&only)).collect();
    let mut wrong = Vec::new();
    for case in &chosen {
        if let Err(why) = run_case(case, &tensors) {
            wrong.push(format!("golden/{op}.safetensors, case '{}', attributes {}:\n{why}", case.name, case.attrs));
        }
    }
    let (adapter, driver) = (&gpu().facts().name, &gpu().facts().driver);
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} cases fail on {adapter} ({driver})\nagain: WGVISION_GOLDEN=CASE cargo test --test kernels golden::{op}",
        wrong.join("\n"),
        wrong.len(),
        chosen.len()
    );
    assert!(!cases.is_empty(), "golden/{op}.safetensors has cases");
}

/// A test for each file, and the list of them.
macro_rules! goldens {
    ($($op:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($op)),*];
        $(#[test] fn $op() { check(stringify!($op)); })*
    };
}

goldens! {
    adam,
    adamw,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    add,
    avg_pool2d,
    batch_norm,
    bce_jaccard,
    bce_with_logits,
    box_decode,
    box_encode,
    box_iou,
    clamp,
    clip_guard,
    concat,
    conv2d,
    conv_transpose2d,
    corner_pool,
    cross_entropy,
    darknet_activation,
    darknet_reorg,
    depth_to_space,
    dice,
    ema,
    expand,
    focal,
    fold_batch_norm,
    gather,
    gather_channels,
    gather_rows,
    gelu,
    group_norm,
    hardsigmoid,
    hardswish,
    head_decode,
    head_loss,
    huber,
    instance_norm,
    iou_loss,
    jaccard,
    l1,
    l2_norm,
    l2_pool2d,
    layer_norm,
    leaky_relu,
    linear,
    local_response_norm,
    log_softmax,
    match_boxes,
    mask_paste,
    mask_targets,
    matmul,
    max_pool2d,
    max_pool2d_with_indices,
    max_unpool2d,
    mish,
    mse,
    mul,
    nms,
    nonfinite,
    one_hot,
    pad,
    permute,
    prelu,
    reciprocal,
    reduce_sum,
    relu,
    reshape,
    resize,
    rmsprop,
    sample_balanced,
    roi_align,
    roi_levels,
    roi_pool,
    scale,
    sgd,
    sigmoid,
    silu,
    slice,
    smooth_l1,
    softmax,
    space_to_depth,
    split_index,
    square_sum,
    tanh,
    top_k,
    weighted_sum,
}

/// Ops that no golden file covers, each with the reason.
const WITHOUT: &[(&str, &str)] = &[
    ("soft_nms", "torchvision has none; kernels-tests/soft_nms.rs has the paper's algorithm in float64"),
    (
        "dropout",
        "its mask is a hash of seed, step, node and index, and PyTorch's is not; kernels-tests/dropout.rs has the hash",
    ),
    (
        "to_half",
        "its numbers are IEEE 754's; kernels-tests/to_half.rs holds all of them against another implementation",
    ),
    ("detach", "it is a view; kernels-tests/detach.rs differentiates through it"),
    (
        "drop_small",
        "what it drops is NaN, which agrees with nothing; kernels-tests/drop_small.rs has what torchvision keeps",
    ),
    ("keep_finite", "it copies one of two tensors bit for bit; PyTorch has no counterpart to differ from"),
];

#[test]
fn every_op_has_a_file_or_a_reason() {
    let listed: BTreeSet<String> = FILES.iter().map(ToString::to_string).collect();
    let present: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("kernels-tests/golden")
        .map(|e| e.expect("a readable folder").path())
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, present, "the files in golden/ are those that the tests read");
    let reasons: BTreeSet<String> = WITHOUT.iter().map(|(op, _)| op.to_string()).collect();
    let ops: BTreeSet<String> = REGISTRY.iter().map(|e| e.name.to_string()).collect();
    let missing: Vec<_> = ops.iter().filter(|o| !listed.contains(*o) && !reasons.contains(*o)).collect();
    assert!(missing.is_empty(), "neither a golden file nor a reason: {missing:?}");
    let gone: Vec<_> = listed.iter().chain(&reasons).filter(|o| !ops.contains(*o)).collect();
    assert!(gone.is_empty(), "golden files or reasons for ops that are not in the registry: {gone:?}");
    let both: Vec<_> = reasons.intersection(&listed).collect();
    assert!(both.is_empty(), "a golden file and a reason for not having one: {both:?}");
}

#[test]
fn the_comparison_refuses_what_is_wrong() {
    let want = Tensor::f32([4], vec![1.0, -2.0, 0.0, 4.0]);
    let with = |i: usize, v: f32| {
        let mut data = want.as_f32().to_vec();
        data[i] = v;
        difference(&Tensor::f32([4], data), &want, None)
    };
    assert_eq!(with(0, 1.0), None);
    assert_eq!(with(2, 1e-5), None, "within the tensor's scale");
    assert!(with(2, 1e-4).is_some() && with(3, 4.0001).is_some() && with(1, f32::NAN).is_some());
    assert!(with(1, f32::INFINITY).is_some());
    let nan = Tensor::f32([1], vec![f32::NAN]);
    assert!(difference(&nan, &nan, None).is_some(), "NaN equals nothing");
    assert!(difference(&want, &want.clone().reshaped([2, 2]).expect("four"), None).is_some(), "another shape");
    assert!(difference(&Tensor::i32([1], vec![3]), &Tensor::i32([1], vec![4]), None).is_some(), "integers are exact");
    let zeros = Tensor::f32([2], vec![0.0; 2]);
    assert!(difference(&Tensor::f32([2], vec![1e-9, 0.0]), &zeros, None).is_some(), "zero is exact without a scale");
    assert_eq!(difference(&Tensor::f32([2], vec![1e-9, 0.0]), &zeros, Some(1.0)), None);
}
