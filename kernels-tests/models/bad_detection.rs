//! Bad input of the commands for detectors: one clear line with file and line, the right exit status, nothing lost. And what is no
//! mistake although it looks like one: a box without area, a model trained on for other classes.

use super::bad_input::{complaint, says, text};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgvision::weights::TensorFile;

/// A detector of two classes, small enough to train in no time.
const CFG: &str = "[net]\nheight=32\nwidth=32\nchannels=3
[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=4\npad=1\nactivation=leaky
[convolutional]\nfilters=4\nsize=3\nstride=4\npad=1\nactivation=leaky
[route]\nlayers=-1
[convolutional]\nfilters=14\nsize=1\nactivation=linear
[yolo]\nmask=0,1\nanchors=8,8, 16,16\nnum=2\nclasses=2
";
/// Bytes of its weights: the header, 4 * 4 + 4 * 27, 4 + 4 * 36 and 14 + 14 * 4 numbers.
const WEIGHTS: usize = 20 + 4 * (16 + 108 + 4 + 144 + 14 + 56);

/// Runs the program.
pub fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgvision"));
    command.args(args).env("WGVISION_PIPELINE_CACHE", "0").env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command.output().expect("the program runs")
}

/// Writes a file below a folder.
pub fn write(root: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A weights file's header and zeros.
fn zeros(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[4] = 2;
    bytes
}

fn convert<'a>(cfg: &'a Path, weights: &'a Path, out: &'a Path) -> Vec<&'a str> {
    vec!["convert", "--from", "darknet", "--cfg", text(cfg), "--weights", text(weights), "-o", text(out)]
}

/// The detector as a model file.
fn model(root: &Path) -> PathBuf {
    let (cfg, weights) = (write(root, "net.cfg", CFG), write(root, "net.weights", zeros(WEIGHTS)));
    let out = root.join("model.safetensors");
    let done = run(&convert(&cfg, &weights, &out));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

/// A picture of some size with a bright square.
pub fn picture(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let inside = |v: u32| (8..24).contains(&v);
    let shade = |x, y| if inside(x) && inside(y) { 220 } else { (60 + x + y) as u8 };
    RgbImage::from_fn(40, 36, |x, y| Rgb([shade(x, y); 3])).save(path).unwrap();
}

/// YOLO labels of `count` pictures, one box of class 0 each.
fn yolo_folder(root: &Path, count: usize, names: &str) -> PathBuf {
    let data = root.join("yolo");
    for i in 0..count {
        picture(&data.join(format!("images/{i}.png")));
        write(&data, &format!("labels/{i}.txt"), "0 0.4 0.44 0.4 0.44\n");
    }
    write(&data, "classes.txt", names);
    data
}

fn train<'a>(more: &[&'a str], data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let mut args = vec!["train", "--data", text(data), "--out", text(out), "--steps", "2"];
    if !more.contains(&"--batch") {
        args.extend(["--batch", "2"]);
    }
    args.extend(more);
    args
}

#[test]
fn definitions_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let summary = |text_of: String| complaint(1, &["summary", "--arch", text(&write(folder.path(), "a.cfg", text_of))]);
    says(&summary(CFG.replace("[route]", "[rout]")), &["a.cfg: line 18: [rout]", "known are convolutional"]);
    says(&summary(CFG.replace("layers=-1", "layers=-9")), &["a.cfg: line 19: [route]", "-9", "only the layers 0 to 1"]);
    says(&summary(CFG.replace("filters=14\n", "")), &["a.cfg: line 20: [convolutional] has no filters"]);
    says(&summary(CFG.replace("filters=14", "filters=15")), &["line 24: [yolo]", "15 channels", "take 14"]);
    says(&summary(CFG[..CFG.len() - 9].to_string()), &["a.cfg: line 28: 'c' is not of the form key=value"]);
    says(&complaint(1, &["summary", "--arch", "a.cgf"]), &["a.cgf", "yolo-micro"]);
}

#[test]
fn weights_of_another_length() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (cfg, out) = (write(root, "net.cfg", CFG), root.join("model.safetensors"));
    let with = |bytes: &[u8]| complaint(1, &convert(&cfg, &write(root, "net.weights", bytes), &out));
    let whole = zeros(WEIGHTS);
    says(&with(&whole[..WEIGHTS - 8]), &["net.weights", "8 bytes too short", "net.cfg"]);
    says(&with(&[&whole[..], &[0; 12]].concat()), &["net.weights", "12 bytes too long", "another cfg"]);
    says(&with(&whole[..10]), &["net.weights: is 10 bytes long"]);
    says(&with(b""), &["net.weights: is 0 bytes long"]);
    // Of another cfg: as long as this one's, but its numbers stand elsewhere.
    let mut other = whole.clone();
    other[20 + 4 * 12..20 + 4 * 16].copy_from_slice(&[(-1.0f32).to_le_bytes(); 4].concat());
    says(&with(&other), &["net.weights", "variance", "another cfg"]);
    let weights = write(root, "net.weights", &whole);
    let names = write(root, "net.names", "one\n");
    let mut args = convert(&cfg, &weights, &out);
    args.extend(["--names", text(&names)]);
    says(&complaint(1, &args), &["net.names", "1 class names", "2 classes"]);
    assert!(!out.exists(), "nothing that looks like a model is left");
}

#[test]
fn labels_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let anchors = |data: &Path| complaint(1, &["anchors", "--data", text(data), "-k", "1"]);

    let object = "<object>\n<name>cat</name>\n<bndbox>\n<xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax>\n</bndbox>\n</object>\n";
    let flat = object.replace("<xmax>20", "<xmax>3");
    let xml = format!(
        "<annotation>\n<filename>a.png</filename>\n<size><width>40</width><height>36</height><depth>3</depth></size>\n{object}{flat}</annotation>\n"
    );
    let voc = root.join("voc");
    picture(&voc.join("JPEGImages/a.png"));
    write(&voc, "Annotations/a.xml", &xml);
    let done = run(&["anchors", "--data", text(&voc), "-k", "1"]);
    let told = String::from_utf8_lossy(&done.stdout).to_string();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    says(&told, &["1 boxes", "left out: ", "a.xml: line 10", "'cat' has no area"]);
    write(&voc, "Annotations/a.xml", &xml[..xml.len() - 60]);
    says(&anchors(&voc), &["a.xml: line ", "cut short"]);

    let coco = root.join("coco");
    picture(&coco.join("images/a.png"));
    let json = "{\"images\":[{\"id\":1,\"file_name\":\"a.png\",\"width\":40,\"height\":36}],\n\"annotations\":[]";
    write(&coco, "instances.json", json);
    says(&anchors(&coco), &["instances.json: line 2, column ", "cut short"]);

    let yolo = yolo_folder(root, 1, "cat\ndog\n");
    write(&yolo, "labels/0.txt", "0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n");
    says(&anchors(&yolo), &["0.txt: line 2: class 2", "only 2 classes"]);
    says(&anchors(&root.join("nowhere")), &["nowhere: no such file or folder"]);
    says(&anchors(&root.join("yolo/labels")), &["labels: no labels found"]);
}

#[test]
fn pictures_that_cannot_be_read_stop_detection_and_keep_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (model, out, json) = (model(root), root.join("out"), root.join("found.json"));
    let (good, pictures) = (root.join("in/a.png"), root.join("in"));
    picture(&good);
    let mut jpeg = Vec::new();
    image::open(&good).unwrap().write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
    write(root, "in/b.jpg", &jpeg[..jpeg.len() - 40]);
    let args = ["detect", "--model", text(&model), text(&pictures), "--out", text(&out), "--json", text(&json)];
    says(&complaint(1, &args), &["b.jpg: the picture is cut short"]);
    assert!(out.join("a.detected.png").exists() && !out.join("b.detected.png").exists());
    assert!(!json.exists(), "half of the results would look like all");
    for (name, bytes) in [("empty.png", &b""[..]), ("text.png", b"no picture")] {
        let path = write(root, name, bytes);
        says(&complaint(1, &["detect", "--model", text(&model), text(&path), "--out", text(&out)]), &[name]);
    }
}

#[test]
fn models_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (model, good) = (model(root), root.join("a.png"));
    picture(&good);
    let with = |command: &str, path: &Path| complaint(1, &[command, "--model", text(path), text(&good)]);
    says(
        &with("segment", &model),
        &["model.safetensors: is a 'darknet' model, 'unet' was expected; `wgvision detect` runs it"],
    );
    let mut file = TensorFile::read(&model).unwrap();
    file.metadata.insert("architecture".into(), "unet".into());
    let unet = root.join("unet.safetensors");
    file.write(&unet).unwrap();
    says(
        &with("detect", &unet),
        &["unet.safetensors: is a 'unet' model, a detector was expected; `wgvision segment` runs it"],
    );
    let whole = std::fs::read(&model).unwrap();
    says(
        &with("detect", &write(root, "cut.safetensors", &whole[..whole.len() - 9])),
        &["cut.safetensors", "cut short"],
    );
    says(&with("detect", root), &["is a folder"]);
}

#[test]
fn settings_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let model = model(root);
    for bad in [["--score", "2"], ["--iou", "7"], ["--max", "0"], ["--soft", "0"], ["--size", "0"], ["--size", "9x"]] {
        says(&complaint(2, &["detect", "--model", text(&model), "a.png", bad[0], bad[1]]), &bad);
    }
    complaint(2, &["eval", "--model", text(&model), "--data", "yolo", "--iou", "7"]);
    let (data, cfg, out) = (yolo_folder(root, 4, "cat\ndog\n"), root.join("net.cfg"), root.join("run"));
    let train = |more: &[&str]| complaint(1, &train(more, &data, &out));
    says(&train(&["--arch", text(&cfg), "--batch", "0"]), &["at least one picture"]);
    says(&train(&["--arch", text(&cfg), "--size", "16384", "--batch", "64"]), &["does not fit"]);
    says(&train(&["--arch", text(&cfg), "--names", "a"]), &["'cat' (4 boxes)", "classes a do not"]);
    write(&data, "classes.txt", "cat\n");
    says(&train(&["--arch", text(&cfg)]), &["net.cfg", "2 classes, 1 names"]);
    says(&train(&["--arch", "yolo-micro", "--size", "33"]), &["33", "multiples of 32"]);
    says(&train(&["--arch", "yolo-micro", "--size", "64"]), &["6 anchors", "1 different", "--anchors default"]);
    (1..4).for_each(|i| std::fs::remove_file(data.join(format!("images/{i}.png"))).unwrap());
    says(&train(&["--arch", "yolo-micro"]), &["one picture", "--val"]);
    assert!(!out.exists(), "nothing was trained");
}

#[test]
fn going_on_with_other_classes_makes_new_heads() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let model = model(root);
    let data = yolo_folder(root, 10, "cat\ndog\nbus\n");
    let out = root.join("run");
    let done = run(&train(&["--model", text(&model)], &data, &out));
    let told = String::from_utf8_lossy(&done.stderr).to_string();
    assert!(done.status.success(), "{told}");
    says(&told, &["1 of 10 pictures are set aside", "knows class 0, class 1; it now learns cat, dog, bus; 2 tensors"]);
    let best = TensorFile::read(&out.join("best.safetensors")).unwrap();
    assert_eq!(best.metadata["classes"], r#"["cat","dog","bus"]"#);
    assert_eq!(best.tensors["layers.3.conv.bias"].shape().to_string(), "(16)");
    // Labels under other names are measured by a class map.
    let map = write(root, "map.json", r#"{"cat": "class 1", "dog": null, "bus": null}"#);
    let eval = ["eval", "--model", text(&model), "--data", text(&data)];
    says(&complaint(1, &eval), &["'cat' (10 boxes)", "class 0, class 1", "class map"]);
    let done = run(&[&eval[..], &["--class-map", text(&map)]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
