//! WebNN's operators in terms of this crate's ops: layouts are permuted to NCHW and OIHW, defaults filled in, sizes of the result
//! turned into `output_padding` or `ceil_mode`. What PyTorch has no word for is left outside.

use super::json::{sizes, tensor};
use crate::harness::gpu;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use wgvision::graph::run_entry;
use wgvision::ops::entry;
use wgvision::tensor::Tensor;
use wgvision::tensor::layout::permute;
use wgvision::{Error, Result};

/// What became of a case.
pub enum Outcome {
    /// The result.
    Ran(Tensor),
    /// Not covered, and why.
    Outside(&'static str),
}

/// Runs a case of a file.
pub fn run(file: &str, case: &Json) -> Result<Outcome> {
    if uses_other_types(case) {
        return Ok(Outcome::Outside("element type"));
    }
    let got = match file {
        "conv2d" => conv2d(case)?,
        "conv_transpose2d" => conv_transpose2d(case)?,
        "average_pool2d" if dilated(case) => return Ok(Outcome::Outside("dilation")),
        "average_pool2d" => pool(case, "avg_pool2d", json!({ "count_include_pad": false }))?,
        "max_pool2d" => pool(case, "max_pool2d", json!({}))?,
        "l2_pool2d" => pool(case, "l2_pool2d", json!({}))?,
        "batch_normalization" => batch_normalization(case)?,
        "instance_normalization" => instance_normalization(case)?,
        "resample2d" => resample2d(case)?,
        "softmax" => {
            let axis = case["axis"].as_u64().unwrap_or(1);
            one("softmax", json!({ "dim": axis }), &[("x", input(case, "x"))])?
        }
        "sigmoid" => one("sigmoid", json!({}), &[("x", input(case, "x"))])?,
        "leaky_relu" => {
            let slope = case["options"]["alpha"].as_f64().unwrap_or(0.01);
            one("leaky_relu", json!({ "negative_slope": slope }), &[("x", input(case, "x"))])?
        }
        "concat" => concat(case)?,
        "slice" => slice(case)?,
        "pad" if case["options"]["mode"] == "symmetric" => return Ok(Outcome::Outside("mode")),
        "pad" => pad(case)?,
        "gemm" => gemm(case)?,
        "matmul" => matmul(case)?,
        other => panic!("no mapping for {other}"),
    };
    Ok(Outcome::Ran(got))
}

/// Whether a tensor of the case is of another type than float32.
fn uses_other_types(case: &Json) -> bool {
    let inputs: Vec<&Json> = match &case["inputs"] {
        Json::Array(items) => items.iter().collect(),
        Json::Object(items) => items.values().collect(),
        other => panic!("inputs are {other}"),
    };
    inputs.into_iter().chain([&case["expected"]]).any(|t| tensor(t).is_none())
}

fn input(case: &Json, name: &str) -> Tensor {
    tensor(&case["inputs"][name]).unwrap_or_else(|| panic!("a float tensor '{name}'"))
}

/// One op on named tensors.
fn one(op: &str, attrs: Json, inputs: &[(&str, Tensor)]) -> Result<Tensor> {
    let inputs: BTreeMap<String, Tensor> = inputs.iter().map(|(n, t)| (n.to_string(), t.clone())).collect();
    let mut results = run_entry(gpu(), entry(op)?, &attrs, &inputs, false)?;
    results.remove("y").ok_or_else(|| Error::Usage(format!("{op} returned no y")))
}

fn nchw(x: Tensor, channels_last: bool) -> Tensor {
    if channels_last { permute(&x, &[0, 3, 1, 2]) } else { x }
}

fn back(y: Tensor, channels_last: bool) -> Tensor {
    if channels_last { permute(&y, &[0, 2, 3, 1]) } else { y }
}

/// Two numbers of the options, or a default.
fn pair(options: &Json, name: &str, default: [usize; 2]) -> [usize; 2] {
    sizes(&options[name]).map_or(default, |v| v.try_into().expect("two numbers"))
}

/// WebNN's padding: rows before and after, columns before and after.
fn padding(options: &Json) -> [usize; 4] {
    sizes(&options["padding"]).map_or([0; 4], |v| v.try_into().expect("four numbers"))
}

/// The same in PyTorch's order: left, right, top, bottom.
fn sides([top, bottom, left, right]: [usize; 4]) -> Json {
    json!([left, right, top, bottom])
}

fn conv2d(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let last = options["inputLayout"] == "nhwc";
    let filter = input(case, "filter");
    let weight = match options["filterLayout"].as_str().unwrap_or("oihw") {
        "oihw" => filter,
        "hwio" => permute(&filter, &[3, 2, 0, 1]),
        "ohwi" => permute(&filter, &[0, 3, 1, 2]),
        "ihwo" => permute(&filter, &[3, 0, 1, 2]),
        other => panic!("filter layout {other}"),
    };
    let attrs = json!({
        "stride": pair(options, "strides", [1; 2]),
        "dilation": pair(options, "dilations", [1; 2]),
        "padding": sides(padding(options)),
        "groups": options["groups"].as_u64().unwrap_or(1),
    });
    let mut inputs = vec![("x", nchw(input(case, "input"), last)), ("weight", weight)];
    inputs.extend(tensor(&options["bias"]).map(|b| ("bias", b)));
    Ok(back(one("conv2d", attrs, &inputs)?, last))
}

fn conv_transpose2d(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let last = options["inputLayout"] == "nhwc";
    let x = nchw(input(case, "input"), last);
    let filter = input(case, "filter");
    let weight = match options["filterLayout"].as_str().unwrap_or("iohw") {
        "iohw" => filter,
        "hwoi" => permute(&filter, &[3, 2, 0, 1]),
        "ohwi" => permute(&filter, &[3, 0, 1, 2]),
        other => panic!("filter layout {other}"),
    };
    let (stride, dilation) = (pair(options, "strides", [1; 2]), pair(options, "dilations", [1; 2]));
    let sides_given = padding(options);
    let mut extra = pair(options, "outputPadding", [0; 2]);
    if let Some(wanted) = sizes(&options["outputSizes"]) {
        for d in 0..2 {
            let reach = (x.shape()[d + 2] - 1) * stride[d] + (weight.shape()[d + 2] - 1) * dilation[d] + 1;
            extra[d] = wanted[d] + sides_given[2 * d] + sides_given[2 * d + 1] - reach;
        }
    }
    let attrs = json!({
        "stride": stride,
        "dilation": dilation,
        "padding": sides(sides_given),
        "output_padding": extra,
        "groups": options["groups"].as_u64().unwrap_or(1),
    });
    let mut inputs = vec![("x", x), ("weight", weight)];
    inputs.extend(tensor(&options["bias"]).map(|b| ("bias", b)));
    Ok(back(one("conv_transpose2d", attrs, &inputs)?, last))
}

fn dilated(case: &Json) -> bool {
    pair(&case["options"], "dilations", [1; 2]) != [1; 2]
}

/// The three pools. A given size of the result decides how it is rounded.
fn pool(case: &Json, op: &str, mut attrs: Json) -> Result<Tensor> {
    let options = &case["options"];
    let last = options["layout"] == "nhwc";
    let x = nchw(input(case, "input"), last);
    let extents = [x.shape()[2], x.shape()[3]];
    let window = pair(options, "windowDimensions", extents);
    let (stride, dilation, sides_given) =
        (pair(options, "strides", [1; 2]), pair(options, "dilations", [1; 2]), padding(options));
    let rounded_up = |d: usize| {
        let room = extents[d] + sides_given[2 * d] + sides_given[2 * d + 1] - (window[d] - 1) * dilation[d] - 1;
        room.div_ceil(stride[d]) + 1
    };
    let ceil = match sizes(&options["outputSizes"]) {
        Some(wanted) => wanted == [rounded_up(0), rounded_up(1)],
        None => options["roundingType"] == "ceil",
    };
    attrs["kernel_size"] = json!(window);
    attrs["stride"] = json!(stride);
    attrs["padding"] = sides(sides_given);
    attrs["ceil_mode"] = json!(ceil);
    if dilation != [1; 2] {
        attrs["dilation"] = json!(dilation);
    }
    Ok(back(one(op, attrs, &[("x", x)])?, last))
}

/// The tensor with `axis` second and everything behind it in one dimension: (N, C, rest, 1).
fn channels_second(x: &Tensor, axis: usize) -> (Tensor, Vec<usize>) {
    let rank = x.shape().rank();
    let mut order: Vec<usize> = (0..rank).filter(|&d| d != axis).collect();
    order.insert(1, axis);
    let moved = permute(x, &order);
    let shape = moved.shape().to_vec();
    let rest = shape[2..].iter().product();
    (moved.reshaped([shape[0], shape[1], rest, 1]).expect("the same elements"), order)
}

fn batch_normalization(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let x = input(case, "input");
    let (flat, order) = channels_second(&x, options["axis"].as_u64().unwrap_or(1) as usize);
    let (mean, variance) = (input(case, "mean"), input(case, "variance"));
    let channels = [mean.shape()[0]];
    let inputs = [
        ("x", flat),
        ("weight", tensor(&options["scale"]).unwrap_or_else(|| Tensor::full(channels, 1.0))),
        ("bias", tensor(&options["bias"]).unwrap_or_else(|| Tensor::full(channels, 0.0))),
        ("running_mean", mean),
        ("running_var", variance),
    ];
    let eps = options["epsilon"].as_f64().unwrap_or(1e-5);
    let y = one("batch_norm", json!({ "training": false, "eps": eps }), &inputs)?;
    let moved: Vec<usize> = order.iter().map(|&d| x.shape()[d]).collect();
    let inverse: Vec<usize> =
        (0..order.len()).map(|d| order.iter().position(|&o| o == d).expect("a permutation")).collect();
    Ok(permute(&y.reshaped(moved)?, &inverse))
}

fn instance_normalization(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let last = options["layout"] == "nhwc";
    let x = nchw(input(case, "input"), last);
    let channels = [x.shape()[1]];
    let inputs = [
        ("x", x),
        ("weight", tensor(&options["scale"]).unwrap_or_else(|| Tensor::full(channels, 1.0))),
        ("bias", tensor(&options["bias"]).unwrap_or_else(|| Tensor::full(channels, 0.0))),
    ];
    let eps = options["epsilon"].as_f64().unwrap_or(1e-5);
    Ok(back(one("instance_norm", json!({ "eps": eps }), &inputs)?, last))
}

fn resample2d(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let last = sizes(&options["axes"]).is_some_and(|a| a == [1, 2]);
    let x = nchw(input(case, "input"), last);
    let mode = if options["mode"] == "linear" { "bilinear" } else { "nearest" };
    let mut attrs = json!({ "mode": mode });
    if !options["sizes"].is_null() {
        attrs["size"] = options["sizes"].clone();
    } else if !options["scales"].is_null() {
        attrs["scale_factor"] = options["scales"].clone();
    } else {
        attrs["scale_factor"] = json!([1.0, 1.0]);
    }
    Ok(back(one("resize", attrs, &[("x", x)])?, last))
}

fn concat(case: &Json) -> Result<Tensor> {
    let parts = case["inputs"].as_array().expect("a list");
    let names: Vec<String> = (0..parts.len()).map(|i| format!("x{i}")).collect();
    let inputs: Vec<(&str, Tensor)> =
        names.iter().zip(parts).map(|(n, t)| (n.as_str(), tensor(t).expect("a float tensor"))).collect();
    one("concat", json!({ "dim": case["axis"] }), &inputs)
}

fn slice(case: &Json) -> Result<Tensor> {
    let (starts, lengths) = (sizes(&case["starts"]).expect("starts"), sizes(&case["sizes"]).expect("sizes"));
    let ends: Vec<usize> = starts.iter().zip(&lengths).map(|(s, n)| s + n).collect();
    one("slice", json!({ "start": starts, "end": ends }), &[("x", input(case, "input"))])
}

/// Constant padding works on every dimension; the other modes on the middle two of a picture with channels last.
fn pad(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let (before, after) =
        (sizes(&case["beginningPadding"]).expect("padding"), sizes(&case["endingPadding"]).expect("padding"));
    let x = input(case, "input");
    let mode = match options["mode"].as_str().unwrap_or("constant") {
        "edge" => "replicate",
        "reflection" => "reflect",
        mode => mode,
    };
    if mode != "constant" {
        assert!(before[0] + after[0] + before[3] + after[3] == 0, "padding of the middle dimensions");
        let around = json!([before[2], after[2], before[1], after[1]]);
        return Ok(back(one("pad", json!({ "pad": around, "mode": mode }), &[("x", nchw(x, true))])?, true));
    }
    // PyTorch counts dimensions from the last.
    let around: Vec<usize> = (0..before.len()).rev().flat_map(|d| [before[d], after[d]]).collect();
    let value = options["value"].as_f64().unwrap_or(0.0);
    one("pad", json!({ "pad": around, "mode": mode, "value": value }), &[("x", x)])
}

/// alpha A B + beta C out of matmul, scale and add; C is spread to the result's shape here.
fn gemm(case: &Json) -> Result<Tensor> {
    let options = &case["options"];
    let turned = |t: Tensor, name: &str| if options[name] == true { permute(&t, &[1, 0]) } else { t };
    let (a, b) = (turned(input(case, "a"), "aTranspose"), turned(input(case, "b"), "bTranspose"));
    let mut y = one("matmul", json!({}), &[("a", a), ("b", b)])?;
    if let Some(alpha) = options["alpha"].as_f64() {
        y = one("scale", json!({ "alpha": alpha }), &[("x", y)])?;
    }
    let c = match &options["c"] {
        Json::Null => return Ok(y),
        Json::Number(v) => Tensor::full(y.shape(), v.as_f64().expect("a float") as f32),
        given => spread(&tensor(given).expect("a float tensor"), y.shape()),
    };
    let c = match options["beta"].as_f64() {
        Some(beta) => one("scale", json!({ "alpha": beta }), &[("x", c)])?,
        None => c,
    };
    one("add", json!({}), &[("a", y), ("b", c)])
}

/// Products of matrices over leading dimensions, which this crate wants equal and in one.
fn matmul(case: &Json) -> Result<Tensor> {
    let (a, b) = (input(case, "a"), input(case, "b"));
    let expected = sizes(&case["expected"]["shape"]).expect("a shape");
    let lead = &expected[..expected.len() - 2];
    let batch = |t: &Tensor| {
        let matrix = t.shape()[t.shape().rank() - 2..].to_vec();
        let whole: Vec<usize> = lead.iter().chain(&matrix).copied().collect();
        let count = lead.iter().product();
        spread(t, &whole).reshaped([count, matrix[0], matrix[1]]).expect("the same elements")
    };
    one("matmul", json!({}), &[("a", batch(&a)), ("b", batch(&b))])?.reshaped(expected)
}

/// The tensor repeated along missing dimensions and those of extent 1.
fn spread(t: &Tensor, shape: &[usize]) -> Tensor {
    let missing = shape.len() - t.shape().rank();
    let strides = t.shape().strides();
    let count: usize = shape.iter().product();
    let data = (0..count).map(|flat| {
        let (mut rest, mut at) = (flat, 0);
        for d in (0..shape.len()).rev() {
            let index = rest % shape[d];
            rest /= shape[d];
            if d >= missing && t.shape()[d - missing] != 1 {
                at += index * strides[d - missing];
            }
        }
        t.as_f32()[at]
    });
    Tensor::f32(shape, data.collect())
}
