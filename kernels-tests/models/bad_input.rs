//! Bad input, through the program as a user meets it: one clear line, exit status 1, no panic, nothing lost.

use super::training::disc_folder;
use crate::harness::gpu;
use std::path::{Path, PathBuf};
use std::process::Command;
use wgvision::Error;
use wgvision::engine::train::{Silent, Trainer};
use wgvision::graph::Variables;
use wgvision::models::unet::UNet;
use wgvision::nn::initialise;
use wgvision::tensor::Tensor;
use wgvision::weights::TensorFile;

/// Runs the program and returns its only line on stderr. Panics unless the exit status is `status` and nothing panicked.
pub fn complaint(status: i32, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wgvision"))
        .args(args)
        .env("WGVISION_PIPELINE_CACHE", "0")
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line of error: {text}");
    errors[0].to_string()
}

/// Fails unless each of the words is in the line.
pub fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "'{word}' is not in: {line}");
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("plain path")
}

/// Arguments of a short training run.
fn training<'a>(data: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["train", "--arch", "unet", "--data", text(data), "--out", text(out), "--steps", "2", "--batch", "2"];
    args.extend(["--size", "32", "--config", r#"{"width":4,"depth":2}"#]);
    args.extend(more);
    args
}

/// A folder with data and a trained model.
fn trained() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = disc_folder(folder.path());
    let run = folder.path().join("run");
    let status = Command::new(env!("CARGO_BIN_EXE_wgvision")).args(training(&data, &run, &[])).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    (folder, data, run)
}

#[test]
fn pictures_that_cannot_be_read() {
    let (folder, data, run) = trained();
    let model = run.join("best.safetensors");
    let out = folder.path().join("out");
    let segment = |path: &Path| complaint(1, &["segment", "--model", text(&model), text(path), "--out", text(&out)]);
    says(&segment(&folder.path().join("nowhere.png")), &["nowhere.png"]);

    let whole = std::fs::read(data.join("images/train/0.png")).unwrap();
    let cut = folder.path().join("cut.png");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    says(&segment(&cut), &["cut.png"]);
    let empty = folder.path().join("empty.png");
    std::fs::write(&empty, []).unwrap();
    says(&segment(&empty), &["empty.png"]);

    let nothing = folder.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    says(&segment(&nothing), &["nothing"]);

    // A header that promises 4 billion by 4 billion pixels.
    let mut absurd = whole.clone();
    absurd[16..24].fill(0xff);
    let path = folder.path().join("absurd.png");
    std::fs::write(&path, &absurd).unwrap();
    says(&segment(&path), &["absurd.png"]);
}

#[test]
fn folders_that_are_no_training_data() {
    let folder = tempfile::tempdir().unwrap();
    let good = disc_folder(folder.path());
    let out = folder.path().join("run");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    says(&complaint(1, &training(&empty, &out, &[])), &["empty"]);
    image::GrayImage::new(20, 20).save(good.join("masks/train/0.png")).unwrap();
    says(&complaint(1, &training(&good, &out, &[])), &["0.png", "20", "40"]);
    says(&complaint(1, &training(&folder.path().join("nowhere"), &out, &[])), &["nowhere"]);
}

#[test]
fn settings_that_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = disc_folder(folder.path());
    let out = folder.path().join("run");
    says(&complaint(1, &training(&data, &out, &["--config", r#"{"in_channels":4}"#])), &["in_channels", "4", "3"]);
    says(&complaint(1, &training(&data, &out, &["--config", r#"{"widht":4}"#])), &["widht"]);
    says(&complaint(1, &training(&data, &out, &["--size", "33"])), &["33", "multiples"]);
    let large = ["--batch", "4096", "--size", "512", "--config", r#"{"width":64}"#];
    says(&complaint(1, &training(&data, &out, &large)), &["does not fit", "bytes too many", "smaller batch"]);
    assert!(!out.join("last.safetensors").exists(), "nothing was trained");
    complaint(2, &["train", "--arch", "unet"]);
}

#[test]
fn checkpoints_that_cannot_be_resumed() {
    let (folder, data, run) = trained();
    let last = run.join("last.safetensors");
    let resume = |more: &[&str]| complaint(1, &training(&data, &run, more));
    says(&resume(&[]), &["--resume"]);
    says(&resume(&["--resume", "--config", r#"{"width":8,"depth":2}"#]), &["last.safetensors", "another network"]);
    let whole = std::fs::read(&last).unwrap();
    std::fs::write(&last, &whole[..whole.len() - 100]).unwrap();
    says(&resume(&["--resume"]), &["last.safetensors", "cut short"]);
    std::fs::write(&last, b"").unwrap();
    says(&resume(&["--resume"]), &["last.safetensors"]);
    std::fs::write(&last, &whole).unwrap();
    let nowhere = folder.path().join("nowhere");
    says(&complaint(1, &training(&data, &nowhere, &["--resume"])), &["no checkpoint"]);
}

#[test]
fn models_that_cannot_be_loaded() {
    let (folder, data, run) = trained();
    let picture = data.join("images/val/0.png");
    let load = |path: &Path| complaint(1, &["segment", "--model", text(path), text(&picture)]);
    let model = run.join("best.safetensors");
    let change = |name: &str, edit: &dyn Fn(&mut TensorFile)| {
        let mut file = TensorFile::read(&model).unwrap();
        edit(&mut file);
        let path = folder.path().join(name);
        file.write(&path).unwrap();
        path
    };
    says(
        &load(&change("other.safetensors", &|f| drop(f.metadata.insert("architecture".into(), "yolo".into())))),
        &["yolo", "unet"],
    );
    complaint(2, &["segment", "--model", text(&model), text(&picture), "--precision", "f8"]);
    says(&load(&change("bare.safetensors", &|f| f.metadata.clear())), &["bare.safetensors", "architecture"]);
    says(&load(&change("less.safetensors", &|f| drop(f.tensors.remove("head.bias")))), &["head.bias"]);
    let shape = |f: &mut TensorFile| drop(f.tensors.insert("head.bias".into(), Tensor::full([3], 0.0)));
    says(&load(&change("shape.safetensors", &shape)), &["head.bias", "(3)", "(1)"]);
    let extra = |f: &mut TensorFile| drop(f.tensors.insert("tail.bias".into(), Tensor::full([3], 0.0)));
    says(&load(&change("extra.safetensors", &extra)), &["tail.bias"]);
}

#[test]
fn kernels_given_the_wrong_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let (inputs, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let mut file = TensorFile::default();
    file.tensors.insert("x".into(), Tensor::full([1, 32, 4, 4], 1.0));
    file.tensors.insert("weight".into(), Tensor::full([8, 64, 3, 3], 1.0));
    file.write(&inputs).unwrap();
    let op = |name: &str, attrs: &str| {
        complaint(1, &["op", name, "--attrs", attrs, "--inputs", text(&inputs), "--output", text(&output)])
    };
    says(&op("conv2d", "{}"), &["conv2d", "weight", "64", "32"]);
    says(&op("conv2d", r#"{"strid":2}"#), &["strid"]);
    says(&op("conv2d", "{"), &["JSON"]);
    says(&op("convolve", "{}"), &["convolve", "conv2d"]);
    assert!(!output.exists());
}

#[test]
fn a_step_with_nan_names_the_first_bad_tensor_and_keeps_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let run = super::unet::small_run(UNet { width: 4, depth: 1, ..Default::default() });
    let (step, specs) = run.step_graph().unwrap();
    let variables = Variables::new(gpu());
    initialise(&variables, &specs, 1).unwrap();
    let before = variables.snapshot().unwrap();
    let new = || {
        Trainer::new(
            std::slice::from_ref(&step),
            variables.clone(),
            run.settings.clone(),
            run.model.metadata(),
            folder.path(),
            false,
            &[],
        )
    };
    let feed = |poison: bool| {
        let mut feed = super::unet::feed(&run, 0);
        feed.retain(|(name, _)| name != "hyper");
        if poison {
            let mut values = feed[0].1.as_f32().to_vec();
            values[17] = f32::NAN;
            feed[0].1 = Tensor::f32(feed[0].1.shape(), values);
        }
        feed
    };
    let mut trainer = new().unwrap();
    let failed = trainer.run(|| Ok(feed(true)), |_| Ok(vec![]), |_| Ok(()), &mut Silent).unwrap_err();
    assert!(matches!(failed, Error::NonFinite(_)), "{failed}");
    says(&failed.to_string(), &["step 1", "'images'"]);
    for (name, value) in &before {
        assert_eq!(&variables.get(name).unwrap(), value, "{name} was touched by a step that failed");
    }
    // A weight so large that the first convolution overflows: the node is named, not the loss at the end.
    let weight = before["enc1.conv1.weight"].clone();
    variables.set("enc1.conv1.weight", &Tensor::full(weight.shape(), 3e38)).unwrap();
    let mut trainer = new().unwrap();
    let failed = trainer.run(|| Ok(feed(false)), |_| Ok(vec![]), |_| Ok(()), &mut Silent).unwrap_err();
    says(&failed.to_string(), &["enc1.conv1"]);
}
