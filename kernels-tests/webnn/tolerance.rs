//! How far, in units of the last place, the Web Platform Tests let each operator's float32 result be from theirs: the number of
//! roundings of the longest sum, or a fixed number for the rest (`webnn/resources/utils.js` of that suite).

use super::json::sizes;
use serde_json::Value as Json;

/// Units of the last place allowed for a case of a file.
pub fn of(file: &str, case: &Json) -> u64 {
    let (inputs, options) = (&case["inputs"], &case["options"]);
    let shape = |name: &str| sizes(&inputs[name]["shape"]).expect("a shape");
    let extent = |n: usize| n as u64;
    match file {
        "concat" | "max_pool2d" | "pad" | "slice" => 0,
        "leaky_relu" => 1,
        "batch_normalization" => 6,
        "sigmoid" => 34,
        "instance_normalization" => 840,
        "resample2d" => {
            if options["mode"] == "linear" {
                84
            } else {
                0
            }
        }
        "softmax" => extent(shape("x")[case["axis"].as_u64().unwrap_or(1) as usize]) * 3 + 3,
        "matmul" => extent(*shape("a").last().expect("a matrix")) * 2,
        "gemm" => {
            let a = shape("a");
            let width = if options["aTranspose"] == true { a[0] } else { a[1] };
            let given = |name: &str| options[name].as_f64().is_some_and(|v| v != 1.0);
            let c = !options["c"].is_null() && options["beta"].as_f64() != Some(0.0);
            extent(width) * 2 + u64::from(given("alpha")) + u64::from(c) + u64::from(c && given("beta"))
        }
        "average_pool2d" | "l2_pool2d" => {
            let x = shape("input");
            let whole = if options["layout"] == "nhwc" { vec![x[1], x[2]] } else { vec![x[2], x[3]] };
            extent(sizes(&options["windowDimensions"]).unwrap_or(whole).iter().product()) + 2
        }
        "conv2d" | "conv_transpose2d" => {
            let (x, filter) = (shape("input"), shape("filter"));
            let channels = if options["inputLayout"] == "nhwc" { x[3] } else { x[1] };
            let taps = match options["filterLayout"].as_str().unwrap_or("oihw") {
                "hwio" | "hwoi" => filter[0] * filter[1],
                "ohwi" | "ihwo" => filter[1] * filter[2],
                _ => filter[2] * filter[3],
            };
            extent(taps * channels) / options["groups"].as_u64().unwrap_or(1) * 2
        }
        other => panic!("no tolerance is known for {other}"),
    }
}
