//! The Web Platform Tests' conformance vectors of WebNN: inputs, options, results and tolerances that nobody here wrote. Read from
//! `$WGVISION_DATA/webnn/*.json`; each test says that it is left out when the variable is unset.
//!
//! [`mapping`] turns a case into calls of this crate's ops; [`tolerance`] is the distance in units of the last place that the
//! suite allows for each operator. [`OUTSIDE`] names every case that the library does not cover, with the reason, and the
//! tests fail when a case is skipped that is not on it or when one on it is not skipped.

mod json;
mod mapping;
mod tolerance;

use mapping::Outcome;
use serde_json::Value as Json;
use std::io::Write as _;
use std::path::PathBuf;
use wgvision::tensor::Tensor;

/// A rule for cases outside the library's scope: file, a word of the case's name or its end, reason.
const OUTSIDE: &[(&str, &str, &str)] = &[
    ("concat", "float16", "tensors of the graph are f32, i32 and u32"),
    ("pad", "options.mode='symmetric'", "PyTorch has no symmetric padding"),
    ("average_pool2d", "tensor options.dilations", "PyTorch's avg_pool2d has no dilation"),
];

/// Vectors that are wrong themselves: in these two, the four corner windows that the picture's end cuts hold the sum of
/// squares where every other window of the file holds its root. The root is taken here, and the rest compared as it is.
const UNROOTED: &[(&str, &str, &[usize])] = &[
    ("l2_pool2d", "l2Pool2d float32 4D tensor options.roundingType=ceil", &[2, 8, 11, 17]),
    ("l2_pool2d", "l2Pool2d float32 4D tensor options.outputSizes ignores options.roundingType=floor", &[2, 8, 11, 17]),
];

/// The result that a case expects.
fn expected(file: &str, name: &str, case: &Json) -> Tensor {
    let want = json::tensor(&case["expected"]).expect("a float tensor");
    let Some((_, _, elements)) = UNROOTED.iter().find(|(f, n, _)| *f == file && *n == name) else { return want };
    let mut data = want.as_f32().to_vec();
    elements.iter().for_each(|&i| data[i] = data[i].sqrt());
    Tensor::f32(want.shape(), data)
}

fn reason(file: &str, case: &str) -> Option<&'static str> {
    let names = |text: &str| case.ends_with(text) || case.split(' ').any(|word| word == text);
    OUTSIDE.iter().find(|(f, text, _)| *f == file && names(text)).map(|r| r.2)
}

/// The folder of vectors, if the environment names one. A named folder that is missing is a failure.
fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("WGVISION_DATA").filter(|v| !v.is_empty())?;
    Some(PathBuf::from(data).join("webnn"))
}

/// Runs every case of a file.
fn check(file: &str) {
    let Some(folder) = folder() else {
        // Past the test runner's capture, which hides what a passing test prints.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: WGVISION_DATA is not set, the WebNN vectors of {file} were not read");
        return;
    };
    let path = folder.join(format!("{file}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases = json::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases = cases["tests"].as_array().expect("a list of tests").clone();
    let only = std::env::var("WGVISION_WEBNN").unwrap_or_default();
    let (mut ran, mut skipped, mut wrong) = (0, 0, Vec::new());
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        if !name.contains(&only) {
            continue;
        }
        match (run(file, case), reason(file, name)) {
            (Ok(Outcome::Outside(_)), Some(_)) => skipped += 1,
            (Ok(Outcome::Outside(what)), None) => wrong.push(format!("{name}: skipped ({what}) and not listed")),
            (Ok(Outcome::Ran(_)), Some(why)) => wrong.push(format!("{name}: listed as outside ({why}), and it runs")),
            (Ok(Outcome::Ran(got)), None) => {
                ran += 1;
                let want = expected(file, name, case);
                wrong.extend(far(&got, &want, tolerance::of(file, case)).map(|d| format!("{name}: {d}")));
            }
            (Err(e), _) => wrong.push(format!("{name}: {e}")),
        }
    }
    println!("webnn/{file}: {ran} cases ran, {skipped} are outside the library's scope");
    assert!(
        wrong.is_empty(),
        "{}: {} of {} cases\n{}\nagain: WGVISION_DATA=... WGVISION_WEBNN=CASE cargo test --test kernels webnn::{file}",
        path.display(),
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(ran > 0, "{}: no case was run", path.display());
}

fn run(file: &str, case: &Json) -> Result<Outcome, String> {
    mapping::run(file, case).map_err(|e| e.to_string())
}

/// Distance in units of the last place: the difference of the bit patterns, in an order in which they rise with the value.
fn distance(a: f32, b: f32) -> u64 {
    let rank = |v: f32| {
        let bits = v.to_bits() as i32;
        i64::from(if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits })
    };
    if a.is_nan() || b.is_nan() { u64::MAX } else { rank(a).abs_diff(rank(b)) }
}

/// Nothing, or the first five elements that are further off than `allowed` units of the last place.
fn far(got: &Tensor, want: &Tensor, allowed: u64) -> Option<String> {
    if got.ty() != want.ty() {
        return Some(format!("is {}, expected {}", got.ty(), want.ty()));
    }
    let pairs: Vec<(f32, f32)> = got.as_f32().iter().copied().zip(want.as_f32().iter().copied()).collect();
    let wrong: Vec<usize> = (0..pairs.len()).filter(|&i| distance(pairs[i].0, pairs[i].1) > allowed).collect();
    let line = |&i: &usize| {
        let (g, w) = pairs[i];
        format!("  [{i}] got {g:e}, expected {w:e}: {} units apart, {allowed} allowed", distance(g, w))
    };
    let lines: Vec<String> = wrong.iter().take(5).map(line).collect();
    (!wrong.is_empty()).then(|| format!("{} of {} elements differ\n{}", wrong.len(), pairs.len(), lines.join("\n")))
}

/// A test for each file.
macro_rules! vectors {
    ($($file:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($file)),*];
        $(#[test] fn $file() { check(stringify!($file)); })*
    };
}

vectors! {
    average_pool2d, batch_normalization, concat, conv2d, conv_transpose2d, gemm, instance_normalization, l2_pool2d,
    leaky_relu, matmul, max_pool2d, pad, resample2d, sigmoid, slice, softmax,
}

#[test]
fn every_file_of_the_folder_is_read() {
    let Some(folder) = folder() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: WGVISION_DATA is not set, the folder of vectors was not listed");
        return;
    };
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|e| e.expect("a readable folder").path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn distances_count_the_floats_between() {
    assert_eq!(distance(1.0, 1.0), 0);
    assert_eq!(distance(1.0, 1.0 + f32::EPSILON), 1);
    assert_eq!(distance(-1.0, -1.0 - f32::EPSILON), 1);
    assert_eq!(distance(0.0, -0.0), 0);
    assert_eq!(distance(f32::from_bits(1), -f32::from_bits(1)), 2);
    assert_eq!(distance(f32::NAN, f32::NAN), u64::MAX);
    let one = |v: f32| Tensor::f32([1], vec![v]);
    assert!(far(&one(1.0), &one(1.0 + 3.0 * f32::EPSILON), 3).is_none());
    assert!(far(&one(1.0), &one(1.0 + 4.0 * f32::EPSILON), 3).is_some());
}
