//! Bad input of the commands for R-CNN and RetinaNet: one clear line with the file and the cure, the right exit status, nothing lost. And what
//! training goes on after, but reports: boxes beyond the picture, more objects than there is room for, objects without a mask.

use super::bad_detection::{picture, run, write};
use super::bad_input::{complaint, says, text};
use std::path::{Path, PathBuf};
use std::process::Output;
use wgvision::models::instance::InstanceNet;
use wgvision::tensor::{DType, Tensor};
use wgvision::weights::TensorFile;

/// A Mask R-CNN small enough to train in no time: what differs from `maskrcnn_micro`.
const TINY: &str = r#"{"backbone": {"width": 4, "neck": {"fpn": {"channels": 8, "levels": [2, 3, 4], "extra": "pool"}}},
 "rpn": {"sample": 16, "pre_nms": {"training": 32, "inference": 32}, "post_nms": {"training": 16, "inference": 16}},
 "roi": {"head": {"mlp": {"width": 16}}, "sample": 8, "max_detections": 5, "mask": {"convs": [8], "width": 8}}}"#;

/// A state dict as torchvision would save that of `maskrcnn_micro`, if it had one: small numbers in every tensor.
fn state_dict(network: &InstanceNet) -> TensorFile {
    let mut file = TensorFile::default();
    for spec in network.specs().expect("a network") {
        file.tensors.insert(spec.name.clone(), Tensor::full(spec.file_type().shape, 0.01));
        if spec.counts_batches {
            let (norm, _) = spec.name.rsplit_once('.').expect("a layer");
            file.tensors.insert(format!("{norm}.num_batches_tracked"), Tensor::i32([], vec![7]));
        }
    }
    file
}

fn micro(name: &str) -> InstanceNet {
    InstanceNet::by_name(name, 2).expect("a network")
}

/// The header of a safetensors file with its length before it, and `bytes`.
fn raw(header: &str, bytes: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat()
}

fn convert<'a>(arch: &'a str, weights: &'a Path, out: &'a Path) -> Vec<&'a str> {
    vec!["convert", "--from", "torchvision", "--arch", arch, "--weights", text(weights), "-o", text(out)]
}

fn succeeds(args: &[&str]) -> (String, String) {
    let Output { status, stdout, stderr } = run(args);
    let (told, progress) = (String::from_utf8_lossy(&stdout).to_string(), String::from_utf8_lossy(&stderr).to_string());
    assert!(status.success() && !progress.contains("panicked"), "{args:?}: {progress}");
    (told, progress)
}

#[test]
fn state_dicts_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path(), folder.path().join("model.safetensors"));
    let with = |name: &str, bytes: &[u8]| {
        complaint(1, &convert("maskrcnn_micro", &write(root, &format!("{name}.safetensors"), bytes), &out))
    };
    let changed = |arch: &str, edit: &dyn Fn(&mut TensorFile)| {
        let mut file = state_dict(&micro("maskrcnn_micro"));
        edit(&mut file);
        let path = root.join("state.safetensors");
        file.write(&path).unwrap();
        complaint(1, &convert(arch, &path, &out))
    };
    says(
        &changed("fasterrcnn_micro", &|_| ()),
        &["state.safetensors: is not fasterrcnn_micro", "--arch maskrcnn_micro"],
    );
    says(&changed("retinanet_resnet50_fpn", &|_| ()), &["is not retinanet_resnet50_fpn", "--arch maskrcnn_micro"]);
    says(
        &changed("maskrcnn_micro", &|f| f.tensors.retain(|name, _| name.starts_with("backbone.body."))),
        &["state.safetensors: has no tensor 'roi_heads.box_predictor.cls_score.weight'", "another kind"],
    );
    says(
        &changed("maskrcnn_micro", &|f| drop(f.tensors.remove("rpn.head.bbox_pred.bias"))),
        &["state.safetensors", "1 tensor missing: rpn.head.bbox_pred.bias"],
    );
    says(
        &changed("maskrcnn_micro", &|f| {
            drop(f.tensors.insert("roi_heads.keypoint.bias".into(), Tensor::full([3], 0.0)))
        }),
        &["state.safetensors", "1 tensor that the network does not know: roi_heads.keypoint.bias"],
    );
    let shape = |f: &mut TensorFile| drop(f.tensors.insert("rpn.head.bbox_pred.bias".into(), Tensor::full([13], 0.0)));
    says(
        &changed("maskrcnn_micro", &shape),
        &["state.safetensors", "rpn.head.bbox_pred.bias", "expected (12), got (13)"],
    );
    let whole =
        |f: &mut TensorFile| drop(f.tensors.insert("rpn.head.bbox_pred.bias".into(), Tensor::i32([12], vec![0; 12])));
    says(
        &changed("maskrcnn_micro", &whole),
        &["state.safetensors", "'rpn.head.bbox_pred.bias' holds i32", "fractions"],
    );
    let one = |f: &mut TensorFile| {
        drop(f.tensors.insert("roi_heads.box_predictor.cls_score.weight".into(), Tensor::full([1, 128], 0.0)));
    };
    says(&changed("maskrcnn_micro", &one), &["cls_score.weight' is f32(1, 128)", "fits no number of classes"]);

    let good = root.join("good.safetensors");
    state_dict(&micro("maskrcnn_micro")).write(&good).unwrap();
    let bytes = std::fs::read(&good).unwrap();
    says(&with("cut", &bytes[..bytes.len() - 9]), &["cut.safetensors", "cut short"]);
    says(&with("short", &bytes[..5]), &["short.safetensors: is 5 bytes long"]);
    says(&with("beyond", &[&u64::MAX.to_le_bytes()[..], &bytes[8..]].concat()), &["beyond.safetensors", "no whole"]);
    let late = (bytes.len() as u64 + 1).to_le_bytes();
    says(&with("late", &[&late[..], &bytes[8..]].concat()), &["late.safetensors", "no whole"]);
    let absurd = r#"{"w":{"dtype":"F32","shape":[4000000000,4000000000],"data_offsets":[0,64]}}"#;
    says(&with("absurd", &raw(absurd, 64)), &["absurd.safetensors", "no whole"]);
    let boolean = raw(r#"{"w":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}"#, 4);
    says(&with("bool", &boolean), &["bool.safetensors", "tensor 'w'", "BOOL", "not supported"]);
    says(&complaint(1, &convert("maskrcnn_micro", &root.join("nowhere"), &out)), &["nowhere"]);
    says(&complaint(1, &convert("maskrcnn_micro", root, &out)), &["is a folder"]);

    let pickle = write(root, "model.pth", b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl");
    let line = complaint(1, &convert("maskrcnn_micro", &pickle, &out));
    says(&line, &["model.pth: is a file of torch.save", "convert it once in Python"]);
    let all = String::from_utf8_lossy(&run(&convert("maskrcnn_micro", &pickle, &out)).stderr).to_string();
    says(&all, &["torch.load(\"", "model.pth\"", "model.safetensors\")"]);

    for (names, words) in [("disc\n", ["1 names", "2 classes"]), ("\n", ["no class names", "one a line"])] {
        let names = write(root, "some.names", names);
        let args = [convert("maskrcnn_micro", &good, &out), vec!["--names", text(&names)]].concat();
        says(&complaint(1, &args), &["some.names", words[0], words[1]]);
    }
    says(
        &complaint(1, &convert("maskrcn_resnet50_fpn", &good, &out)),
        &["'maskrcn_resnet50_fpn'", "maskrcnn_resnet50_fpn"],
    );
    complaint(2, &["convert", "--from", "torchvision", "--weights", text(&good), "-o", text(&out)]);
    assert!(!out.exists(), "nothing that looks like a model is left");

    // What fits goes through without a change, batch counters included, and once more.
    let names = write(root, "some.names", "disc\nsquare\n");
    let again = root.join("again.safetensors");
    let (told, _) = succeeds(&[convert("maskrcnn_micro", &good, &out), vec!["--names", text(&names)]].concat());
    says(&told, &["model.safetensors: maskrcnn_micro", "2 classes"]);
    succeeds(&convert("maskrcnn_micro", &out, &again));
    let written = TensorFile::read(&out).unwrap();
    assert_eq!(written.metadata["classes"], r#"["disc","square"]"#);
    assert!(written.tensors == TensorFile::read(&good).unwrap().tensors, "other tensors");
    assert!(TensorFile::read(&again).unwrap().tensors == written.tensors, "other tensors the second time");
}

/// Four pictures of 40 by 36 with a bright square each, and `annotations` in COCO's JSON.
fn coco(root: &Path, annotations: &str) -> PathBuf {
    let data = root.join("coco");
    let images: Vec<String> = (1..=4).map(|id| format!(r#"{{"id": {id}, "file_name": "{id}.png"}}"#)).collect();
    (1..=4).for_each(|id| picture(&data.join(format!("images/{id}.png"))));
    let categories = r#"[{"id": 1, "name": "square"}, {"id": 2, "name": "corner"}]"#;
    let images = images.join(", ");
    let json =
        format!("{{\"images\": [{images}],\n\"categories\": {categories},\n\"annotations\": [\n{annotations}\n]}}");
    write(&data, "instances.json", json);
    data
}

/// An annotation of the square in picture `image`; `mask` with the comma before it.
fn square(id: usize, image: usize, mask: &str) -> String {
    format!(r#"{{"id": {id}, "image_id": {image}, "category_id": 1, "bbox": [8, 8, 16, 16]{mask}}}"#)
}

const POLYGON: &str = r#", "segmentation": [[8, 8, 24, 8, 24, 24, 8, 24]]"#;

/// Squares with masks in all four pictures, and `more`.
fn squares(more: &[String]) -> String {
    let all: Vec<String> = (1..=4).map(|i| square(i, i, POLYGON)).chain(more.iter().cloned()).collect();
    all.join(",\n")
}

fn train<'a>(data: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["train", "--data", text(data), "--out", text(out), "--steps", "2", "--batch", "2", "--size", "64"];
    if !["--arch", "--model"].iter().any(|kind| more.contains(kind)) {
        args.extend(["--arch", "maskrcnn_micro"]);
    }
    if !["--network", "--model"].iter().any(|kind| more.contains(kind)) {
        args.extend(["--network", TINY]);
    }
    args.extend(more);
    args
}

#[test]
fn masks_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path(), folder.path().join("run"));
    let with = |annotations: &str| complaint(1, &train(&coco(root, annotations), &out, &[]));
    let masked = |mask: &str| with(&squares(&[square(9, 4, mask)]));
    says(
        &masked(r#", "segmentation": [[8, 8, 24, 8, 24, 24, 8]]"#),
        &["instances.json: annotation 9", "odd count of 7"],
    );
    let runs = |counts: &str| masked(&format!(r#", "segmentation": {{"size": [36, 40], "counts": {counts}}}"#));
    says(&runs("[100, 400, 941]"), &["instances.json: annotation 9", "1441 pixels", "go beyond"]);
    says(&runs("[100, 400]"), &["instances.json: annotation 9", "500 pixels", "do not fill"]);
    says(&runs("\"n0n0\""), &["instances.json: annotation 9", "do not fill"]);
    says(
        &masked(r#", "segmentation": {"size": [40, 36], "counts": [1440]}"#),
        &["instances.json: annotation 9", "40 by 36", "36 by 40"],
    );
    says(&masked(r#", "segmentation": [[8, NaN, 24, 8, 24, 24]]"#), &["instances.json: line 8", "NaN"]);
    says(&with(&square(1, 9, POLYGON)), &["instances.json: annotation 1: there is no image 9"]);
    let data = coco(root, &squares(&[]));
    let whole = std::fs::read(data.join("instances.json")).unwrap();
    write(&data, "instances.json", &whole[..whole.len() - 90]);
    says(&complaint(1, &train(&data, &out, &[])), &["instances.json: line 7", "cut short"]);

    // Boxes alone, in COCO's JSON, in another format, and in the built-in pictures.
    let boxes: Vec<String> = (1..=4).map(|i| square(i, i, "")).collect();
    says(&with(&boxes.join(",\n")), &["coco: no object has a mask", "fasterrcnn"]);
    let val = coco(&root.join("boxes"), &boxes.join(",\n"));
    let data = coco(root, &squares(&[]));
    says(&complaint(1, &train(&data, &out, &["--val", text(&val)])), &["boxes/coco: no object has a mask"]);
    let yolo = root.join("yolo");
    picture(&yolo.join("images/0.png"));
    write(&yolo, "labels/0.txt", "0 0.4 0.44 0.4 0.44\n");
    write(&yolo, "classes.txt", "square\n");
    says(&complaint(1, &train(&yolo, &out, &[])), &["yolo: masks", "COCO's JSON", "fasterrcnn"]);
    let plates = Path::new("builtin:plates");
    says(&complaint(1, &train(plates, &out, &[])), &["builtin:plates: no object has a mask"]);
    assert!(!out.exists(), "nothing was trained");
}

#[test]
fn settings_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path(), folder.path().join("run"));
    let data = coco(root, &squares(&[]));
    let with = |more: &[&str]| complaint(1, &train(&data, &out, more));
    says(&with(&["--network", r#"{"backbone": {"widht": 4}}"#]), &["--network", "`widht`", "`width`"]);
    says(&with(&["--network", r#"{"backbon": {"width": 4}}"#]), &["--network", "`backbon`", "`backbone`"]);
    says(&with(&["--network", r#"{"roi": {"sample": -1}}"#]), &["--network", "-1"]);
    says(&with(&["--network", "{"]), &["--network is no JSON"]);
    says(&with(&["--network", "@nowhere.json"]), &["nowhere.json"]);
    says(&with(&["--augment", r#"{"flipx": true}"#]), &["--augment", "`flipx`", "`flip_x`"]);
    says(&with(&["--augment", "{"]), &["--augment is no JSON"]);
    says(&with(&["--capacity", "0"]), &["room for at least one box"]);
    says(&with(&["--batch", "0"]), &["at least one picture"]);
    says(&with(&["--multi-scale"]), &["--multi-scale", "Darknet's networks"]);
    says(&with(&["--arch", "yolo-micro"]), &["--network", "R-CNN and RetinaNet"]);
    says(&with(&["--arch", "fastrcnn_vgg16", "--network", "{}"]), &["Fast R-CNN trains on regions of your own"]);
    says(&with(&["--arch", "maskrcnn_resnet50_fnp"]), &["'maskrcnn_resnet50_fnp'", "maskrcnn_resnet50_fpn"]);
    says(&with(&["--names", "corner"]), &["'square' (4 boxes)", "classes corner do not"]);
    let body = write(root, "body.pth", b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl");
    says(&with(&["--backbone", text(&body)]), &["body.pth: is a file of torch.save"]);
    let head = root.join("head.safetensors");
    TensorFile { tensors: [("fc.weight".to_string(), Tensor::full([5, 32], 0.0))].into(), ..Default::default() }
        .write(&head)
        .unwrap();
    says(&with(&["--backbone", text(&head)]), &["head.safetensors", "missing: backbone.body.conv1.weight"]);
    says(&with(&["--model", text(&head)]), &["head.safetensors", "wgvision convert"]);
    complaint(2, &train(&data, &out, &["--model", text(&head), "--backbone", text(&head)]));
    says(&with(&["--resume"]), &["last.safetensors: there is no checkpoint"]);
    assert!(!out.exists(), "nothing was trained");
}

/// One short run on labels with flaws, and what can go wrong with what it leaves.
#[test]
fn flawed_labels_are_reported_and_the_run_serves_only_what_it_was_made_for() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path(), folder.path().join("run"));
    let more = |id: usize, image: usize, bbox: &str, mask: &str| {
        format!(r#"{{"id": {id}, "image_id": {image}, "category_id": 2, "bbox": {bbox}{mask}}}"#)
    };
    let corner = r#", "segmentation": [[30, 0, 60, 0, 60, 10, 30, 10]]"#;
    let flawed: Vec<String> = (1..=4)
        .flat_map(|i| {
            let outside = more(20 + i, i, "[50, 5, 9, 9]", "");
            [more(10 + i, i, "[30, 0, 30, 10]", corner), outside, more(30 + i, i, "[1, 26, 8, 8]", "")]
        })
        .collect();
    let data = coco(root, &squares(&flawed));

    // A classifier of torchvision as the body's weights.
    let network = micro("maskrcnn_micro").changed(serde_json::from_str(TINY).unwrap()).unwrap();
    let mut body = state_dict(&network);
    body.tensors = std::mem::take(&mut body.tensors)
        .into_iter()
        .filter_map(|(name, t)| Some((name.strip_prefix("backbone.body.")?.to_string(), t)))
        .chain([("fc.weight".to_string(), Tensor::full([5, 32], 0.0))])
        .collect();
    let classifier = root.join("classifier.safetensors");
    body.write(&classifier).unwrap();

    let (told, progress) = succeeds(&train(&data, &out, &["--capacity", "1", "--backbone", text(&classifier)]));
    says(
        &progress,
        &["4 cut off at the picture's edge", "4 left out", "annotation 21: box of class 'corner' lies outside"],
    );
    says(&progress, &["classifier.safetensors: ", "tensors of the backbone", "room for 1 objects a picture"]);
    says(&told, &["no room for 4 of 12 objects shown", "--capacity is 1", "4 of 12 objects shown have no mask"]);
    says(&std::fs::read_to_string(out.join("metrics.csv")).unwrap(), &["loss_mask", "mask_ap50", "box_ap50"]);

    let run_again = |more: &[&str]| complaint(1, &train(&data, &out, &[&["--capacity", "1"], more].concat()));
    says(&run_again(&[]), &["run: already holds a run", "--resume"]);
    let wider = TINY.replace("\"width\": 4", "\"width\": 8");
    says(
        &run_again(&["--resume", "--network", &wider]),
        &["last.safetensors: is a checkpoint of another network", "network.backbone.width was 4, is 8"],
    );
    says(&run_again(&["--resume", "--size", "96"]), &["last.safetensors", "transform.max_size was 64, is 96"]);
    says(
        &run_again(&["--resume", "--lr", "0.5"]),
        &["last.safetensors", "other settings: rate.base was 0.001, is 0.5"],
    );
    says(&run_again(&["--resume", "--batch", "4"]), &["last.safetensors", "batch was 2, is 4"]);

    let model = out.join("best.safetensors");
    let photo = data.join("images/1.png");
    let detect = |model: &Path, more: &[&str]| {
        let shown = root.join("shown");
        let args = ["detect", "--model", text(model), text(&photo), "--out", text(&shown)];
        complaint(1, &[&args[..], more].concat())
    };
    says(&detect(&model, &["--soft", "0.5"]), &["--soft", "Darknet's networks"]);
    says(&detect(&model, &["--class-agnostic"]), &["--class-agnostic", "Darknet's networks"]);
    let segment = |model: &Path| complaint(1, &["segment", "--model", text(model), text(&photo)]);
    says(&segment(&model), &["best.safetensors: is a 'instances' model", "`wgvision detect` runs it"]);
    let last = out.join("last.safetensors");
    says(&detect(&last, &[]), &["last.safetensors", "checkpoint"]);

    let bytes = std::fs::read(&model).unwrap();
    says(&detect(&write(root, "cut.safetensors", &bytes[..bytes.len() - 9]), &[]), &["cut.safetensors", "cut short"]);
    let changed = |name: &str, edit: &dyn Fn(&mut TensorFile)| {
        let mut file = TensorFile::read(&model).unwrap();
        edit(&mut file);
        let path = root.join(name);
        file.write(&path).unwrap();
        path
    };
    let key = |key: &'static str, value: &'static str| {
        move |f: &mut TensorFile| drop(f.metadata.insert(key.to_string(), value.to_string()))
    };
    let unet = changed("unet.safetensors", &key("architecture", "unet"));
    says(&detect(&unet, &[]), &["unet.safetensors: is a 'unet' model, a detector was expected", "`wgvision segment`"]);
    says(
        &complaint(1, &train(&data, &root.join("other"), &["--model", text(&unet)])),
        &["unet.safetensors: is a 'unet' model, a detector to go on from was expected"],
    );
    says(&detect(&changed("bare.safetensors", &|f| f.metadata.clear()), &[]), &["bare.safetensors", "no architecture"]);
    says(
        &detect(&changed("net.safetensors", &key("network", "{}")), &[]),
        &["net.safetensors: its 'network' cannot be read"],
    );
    says(
        &detect(&changed("few.safetensors", &key("classes", "[\"a\"]")), &[]),
        &["few.safetensors", "2 classes, 1 names"],
    );
    let less = changed("less.safetensors", &|f| drop(f.tensors.remove("rpn.head.bbox_pred.bias")));
    says(&detect(&less, &[]), &["less.safetensors", "missing: rpn.head.bbox_pred.bias"]);
    let eval = |model: &Path, data: &Path| complaint(1, &["eval", "--model", text(model), "--data", text(data)]);
    says(&eval(&less, &data), &["less.safetensors", "missing: rpn.head.bbox_pred.bias"]);
    says(&eval(&model, &root.join("nowhere")), &["nowhere"]);
    let nan = changed("nan.safetensors", &|f| {
        for (_, t) in f.tensors.iter_mut().filter(|(n, t)| n.starts_with("backbone.fpn.") && t.dtype() == DType::F32) {
            *t = Tensor::full(t.shape(), f32::NAN);
        }
    });
    says(&detect(&nan, &[]), &["nan.safetensors: tensor 'backbone.fpn.", "NaN", "damaged"]);

    // Boxes are measured where there are no masks, and both where there are.
    let boxes: Vec<String> = (1..=4).map(|i| square(i, i, "")).collect();
    let boxes = coco(&root.join("boxes"), &boxes.join(",\n"));
    let (told, _) = succeeds(&["eval", "--model", text(&model), "--data", text(&boxes)]);
    assert!(told.contains("as COCO measures it") && !told.contains("masks, as COCO"), "{told}");
    let (told, _) = succeeds(&["eval", "--model", text(&model), "--data", text(&data)]);
    says(&told, &["as COCO measures it", "masks, as COCO measures them"]);

    // Other classes start with new heads.
    let one = squares(&[]);
    let one = coco(&root.join("one"), &one);
    let labels = std::fs::read_to_string(one.join("instances.json")).unwrap();
    write(
        &one,
        "instances.json",
        labels.replace(r#", {"id": 2, "name": "corner"}"#, "").replace("\"square\"", "\"disc\""),
    );
    let (_, progress) = succeeds(&train(&one, &root.join("next"), &["--model", text(&model)]));
    says(&progress, &["best.safetensors: 6 tensors start at random, for the classes disc"]);
}
