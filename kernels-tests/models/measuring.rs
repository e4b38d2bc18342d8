//! `wgvision bench` and `wgvision profile`: what they print can be read by people and by programs, adds up, and covers every kind of network.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use wgvision::engine::network::Network;
use wgvision::gpu::Gpu;
use wgvision::graph::Precision;
use wgvision::models::classifier::Classifier;
use wgvision::models::darknet::{BuiltinArgs, builtin};
use wgvision::models::instance::InstanceNet;
use wgvision::models::unet::UNet;
use wgvision::tensor::{Data, Tensor};

fn wgvision(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wgvision")).args(arguments).output().expect("the program starts")
}

/// What it prints. Panics with its complaint if it fails.
fn printed(arguments: &[&str]) -> String {
    let output = wgvision(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("written")).expect("JSON")
}

fn sum(rows: &Value, key: &str) -> f64 {
    rows.as_array().expect("a list").iter().map(|row| row[key].as_f64().expect("a number")).sum()
}

#[test]
fn a_profile_s_nodes_and_kernels_add_up_to_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.json");
    let unet = r#"{"width":4,"depth":2,"batch_norm":true}"#;
    let base =
        ["profile", "--arch", "unet", "--config", unet, "--size", "32", "--batch", "2", "--runs", "1", "--train"];
    let text = printed(&[&base[..], &["--top", "3", "--json", file.to_str().unwrap()]].concat());
    for wanted in [
        "unet, training step of 2 x 32x32",
        "ceilings measured now",
        "of ceiling",
        "conv2d.",
        "launched by",
        " more (--top 0 shows all)",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
    let all = json(&file);
    let total = all["total_ms"].as_f64().unwrap();
    assert!(total > 0.0);
    for rows in ["nodes", "kernels"] {
        assert!((sum(&all[rows], "ms") - total).abs() < 1e-6 * total, "{rows}: {all}");
        assert!((sum(&all[rows], "part") - 1.0).abs() < 1e-6);
    }
    for key in ["flops", "bytes"] {
        assert!(sum(&all["nodes"], key) > 0.0);
        assert_eq!(sum(&all["nodes"], key), sum(&all["kernels"], key), "{key}");
    }
    let times: Vec<f64> = all["nodes"].as_array().unwrap().iter().map(|n| n["ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "slowest first: {times:?}");
}

/// Half precision from the shell: fewer bytes planned, and it says what was done.
#[test]
fn precisions_are_measured_from_the_shell() {
    let network = ["--arch", "unet", "--config", r#"{"width":8,"depth":1}"#, "--size", "32x32", "--batch", "2"];
    let shared = |more: &[&str]| -> (String, f64) {
        let text = printed(&[&["summary"], &network[..], more].concat());
        let line = text.lines().find(|line| line.contains("nodes run")).expect("a title").to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "peak").expect("the plan's peak");
        (line, words[at + 1].parse().expect("a number"))
    };
    for (more, wide, half) in
        [(&[][..], "inference of", "inference in f16 of"), (&["--train"], "training step of", "mixed training step of")]
    {
        let (line, bytes) = shared(more);
        assert!(line.starts_with(wide), "{line}");
        let (line, fewer) = shared(&[more, &["--precision", "f16"]].concat());
        assert!(line.starts_with(half) && fewer < bytes, "{line}: {fewer} of {bytes}");
    }
    let text = printed(&[&["profile", "--train", "--precision", "f16", "--runs", "1"], &network[..]].concat());
    assert!(text.contains("mixed training step of 2 x 32x32"), "{text}");
    let bench = ["bench", "models", "--only", "yolo-fastest-1.1", "--forward", "--runs", "1", "--precision", "f16"];
    let text = printed(&bench);
    assert!(text.contains("yolo-fastest-1.1, inference in f16, 1 x 320x320"), "{text}");
}

#[test]
fn lines_of_layers_are_the_peers_and_name_what_ran() {
    let folder = tempfile::tempdir().unwrap();
    let (layers, file) = (folder.path().join("layers.json"), folder.path().join("out.json"));
    let one = r#"[{"id":"small","op":"conv2d","n":1,"ci":8,"h":9,"co":16,"k":3,"s":1,"p":1,"d":1,"g":1}]"#;
    std::fs::write(&layers, one).unwrap();
    let [layers, file] = [&layers, &file].map(|p| p.to_str().unwrap());
    let text = printed(&["bench", "kernels", "--layers", layers, "--runs", "1", "--batch", "3", "--json", file]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), 2);
    for (line, pass) in lines.iter().zip(["forward", "train"]) {
        assert_eq!(
            (line["peer"].as_str(), line["layer"].as_str(), line["pass"].as_str()),
            (Some("wgvision"), Some("small"), Some(pass))
        );
        let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"));
        assert!(number("first_ms") > 0.0 && number("best_ms") > 0.0 && number("median_ms") >= number("best_ms"));
        // Three pictures of 9 x 9 x 16 sums of 72 products, three times in training.
        let flops = 2.0 * 3.0 * 81.0 * 16.0 * 72.0 * if pass == "train" { 3.0 } else { 1.0 };
        assert!((number("gflops") * number("best_ms") * 1e6 / flops - 1.0).abs() < 1e-9, "{line}");
        if Gpu::open().unwrap().facts().features.timestamps {
            assert!(line["device"]["best_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
            let kernels = line["kernels"].as_array().unwrap();
            assert!(
                !kernels.is_empty() && kernels.iter().all(|k| k.as_str().unwrap().starts_with("conv2d.")),
                "{line}"
            );
        }
    }
    assert_eq!(json(Path::new(file)).as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_measured_is_said_in_a_line() {
    let complaint = |arguments: &[&str], code: i32, wanted: &str| {
        let output = wgvision(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    };
    complaint(&["profile"], 1, "--arch NAME or --model FILE is needed");
    complaint(&["profile", "--arch", "yolo-none"], 1, "no architecture is named 'yolo-none'");
    complaint(&["profile", "--arch", "unet", "--precision", "f8"], 2, "there are: f32, f16");
    complaint(&["profile", "--arch", "unet", "--batch", "0"], 1, "--batch: at least one picture");
    complaint(&["profile", "--arch", "fastrcnn_vgg16", "--train"], 1, "Fast R-CNN trains on regions of your own");
    complaint(
        &["bench", "models", "--only", "unet-65"],
        1,
        "no network is named 'unet-65'; there are: yolo-fastest-1.1",
    );
    complaint(&["bench", "kernels", "--only", "x"], 1, "no layer is named 'x'");
}

/// Every kind of network runs on made-up input, both ways, with results that are finite.
#[test]
fn networks_of_every_kind_run_on_made_up_pictures() {
    let gpu = Gpu::open().unwrap();
    let narrow = Classifier {
        body: wgvision::models::backbone::ResNet { width: 4, ..Classifier::resnet50(7).body },
        classes: 7,
    };
    let micro = BuiltinArgs { size: [64, 64], ..BuiltinArgs::published("yolo-micro").unwrap() };
    let networks = [
        (Network::UNet(UNet { width: 4, depth: 2, classes: 3, ..UNet::default() }), 32),
        (Network::Classifier(narrow), 32),
        (Network::Darknet(Box::new(builtin("yolo-micro", &micro).unwrap())), 64),
        (Network::Instances(Box::new(InstanceNet::by_name("maskrcnn_micro", 3).unwrap())), 64),
    ];
    for (network, side) in networks {
        for train in [false, true] {
            let mut in_precision = |precision| {
                let mut ready = network.compile(&gpu, train, 2, [side; 2], precision).unwrap();
                ready.settle().unwrap();
                let results = ready.run().unwrap();
                finite(&results, &format!("{network:?}, training {train}, {precision}"));
                ready.executable.plan().memory.peak
            };
            let [wide, half] = [Precision::F32, Precision::F16].map(&mut in_precision);
            assert!(half != wide, "{network:?}, training {train}: {half} bytes in both precisions");
        }
    }
}

/// A mixed step may overflow at first, but one that goes on so is not measured.
#[test]
fn gradients_that_are_never_finite_are_refused() {
    let network = Network::UNet(UNet { width: 4, depth: 1, ..UNet::default() });
    let mut ready = network.compile(&Gpu::open().unwrap(), true, 1, [16; 2], Precision::F16).unwrap();
    ready.settle().expect("a scale is found");
    let images = ready.inputs.iter_mut().find(|(name, _)| name == "images").expect("pictures");
    images.1 = Tensor::full(images.1.shape(), f32::NAN);
    let why = ready.settle().expect_err("refused").to_string();
    assert!(why.contains("were not finite"), "{why}");
}

/// Looks at the results of a run.
fn finite(results: &BTreeMap<String, Tensor>, what: &str) {
    for (name, tensor) in results {
        let Data::F32(values) = tensor.data() else { continue };
        assert!(values.iter().all(|v| v.is_finite()), "{what}: {name}");
        let learns = name != "loss" && name != "norm" || values[0] > 0.0;
        assert!(learns, "{what}: {name} is {}", values[0]);
    }
}
/// On llvmpipe, further devices compile a part of the kernels, the same ones that the device itself would; a second start compiles nothing.
#[test]
fn what_is_compiled_on_all_threads_is_found_again() {
    if !Gpu::open().unwrap().facts().driver.contains("llvmpipe") {
        eprintln!("SKIPPED: only llvmpipe compiles at the first dispatch");
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let (all, one) = (cache.path().join("all"), cache.path().join("one"));
    let beside = start(&[], &all);
    let bytes = bytes_under(&all);
    assert!(bytes > 100_000, "the driver kept {bytes} bytes");
    if std::thread::available_parallelism().unwrap().get() > 1 {
        assert!(beside > 3, "{beside} kernels compiled by further devices");
    }
    start(&[], &all);
    assert_eq!(bytes_under(&all), bytes, "a second start had something to compile");
    if Command::new("taskset").arg("--version").output().is_err() {
        eprintln!("SKIPPED: without taskset nothing is compared with a start on one processor");
        return;
    }
    assert_eq!(start(&["taskset", "--cpu-list", "0"], &one), 0);
    // Machine code has addresses in it, which are compressed better or worse.
    let alone = bytes_under(&one);
    assert!(alone.abs_diff(bytes) < bytes / 50, "a device alone keeps other kernels: {alone} bytes, not {bytes}");
}

/// Starts the program behind `before`, with the driver's cache in a folder: how many kernels further devices have compiled.
fn start(before: &[&str], driver: &Path) -> usize {
    let profile = ["profile", "--arch", "yolo-micro", "--size", "64", "--runs", "1", "-vv"];
    let line = [before, &[env!("CARGO_BIN_EXE_wgvision")], &profile].concat();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).env_remove("MESA_SHADER_CACHE_DISABLE").env_remove("MESA_GLSL_CACHE_DISABLE");
    command.env("MESA_SHADER_CACHE_DIR", driver).env("WGVISION_CACHE", driver.with_extension("ours"));
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let compiled = |line: &str| -> Option<usize> {
        let (before, _) = line.split_once(" of them by further devices")?;
        before.rsplit(' ').next()?.parse().ok()
    };
    let counts: Vec<usize> = said.lines().filter_map(compiled).collect();
    assert!(!counts.is_empty(), "nothing is said of compiling: {said}");
    counts.iter().sum()
}

fn bytes_under(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => bytes_under(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    entries.map(size).sum()
}
