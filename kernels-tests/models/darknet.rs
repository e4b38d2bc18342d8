//! Darknet networks against an independent construction in PyTorch, which `tools/make_darknet_goldens.py` ran: `layers.cfg` in
//! `darknet/` names every kind of layer; Yolo-Fastest is a trained network. Then weights back to their bytes, counts, and errors.
//!
//! Pictures come from a hash that both sides compute. Tests of files that are not in this repository read them from
//! `$WGVISION_DATA` and say so when it is not set.

use crate::harness::{Rng, gpu};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use wgvision::Result;
use wgvision::graph::{Executable, Graph, Kind, Options, Plan, Variables};
use wgvision::models::darknet::{BuiltinArgs, Darknet, Header, NAMES, Weights, builtin};
use wgvision::nn::Net;
use wgvision::ops::Value;
use wgvision::tensor::layout::Layout;
use wgvision::tensor::{Shape, Tensor, TensorType};
use wgvision::weights::TensorFile;

/// Agreement asked of every number, relative to the largest of its tensor.
const TOLERANCE: f32 = 1e-4;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/models/darknet")
}

/// A folder of the data that is not part of the repository.
fn data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("WGVISION_DATA").map(|folder| PathBuf::from(folder).join(name));
    if found.is_none() {
        // Past the test runner's capture, which hides what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: WGVISION_DATA is not set, the files of {name} were not read");
    }
    found
}

/// Element i is hash(i) / 2^32, with i counted in PyTorch's order; `shape` is PyTorch's.
fn hashed(shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let hash = |i: usize| {
        let mut x = i as u32;
        for (shift, factor) in [(16, 0x7feb_352d_u32), (15, 0x846c_a68b)] {
            x = (x ^ (x >> shift)).wrapping_mul(factor);
        }
        (f64::from(x ^ (x >> 16)) / 4294967296.0) as f32
    };
    Tensor::f32(&shape, (0..shape.elements()).map(hash).collect())
}

/// A network's graph, its outputs by layer, and the device's variables filled with `weights`.
struct Made {
    graph: Graph,
    heads: Vec<(usize, Value)>,
    last: Value,
    variables: Variables,
}

fn make(network: &Darknet, weights: &Weights, shape: [usize; 4], training: bool) -> Made {
    let variables = Variables::new(gpu());
    for (name, value) in &weights.tensors {
        variables.set(name, value).unwrap();
    }
    let [n, c, h, w] = shape;
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([n, h, w, c])).unwrap();
    let mut net = Net::new(&mut graph, training);
    let built = network.build_all(&mut net, images).unwrap();
    let names: Vec<&String> = net.specs.iter().map(|s| &s.name).collect();
    assert_eq!(names.len(), weights.tensors.len());
    assert!(names.iter().all(|name| weights.tensors.contains_key(*name)), "each parameter is in the file");
    let heads = built.heads.iter().map(|h| (h.layer, h.value)).collect();
    Made { graph, heads, last: built.last, variables }
}

/// Runs on the hashed picture; results in PyTorch's order of dimensions.
fn run(
    graph: &Graph,
    outputs: &[(String, Value)],
    variables: &Variables,
    shape: [usize; 4],
) -> BTreeMap<String, Tensor> {
    let named: Vec<(&str, Value)> = outputs.iter().map(|(name, v)| (name.as_str(), *v)).collect();
    let mut exec = Executable::new(graph, &named, variables).unwrap();
    let images = Layout::Image.import(&hashed(shape));
    let results = exec.run(&[("images", &images)]).unwrap().wait().unwrap();
    results.into_iter().map(|(name, t)| (name, Layout::Image.export(&t))).collect()
}

fn assert_close(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.ty(), want.ty(), "{what}");
    let scale = want.as_f32().iter().fold(0.0f32, |a, v| a.max(v.abs()));
    assert!(scale > 0.0, "{what} is not all zero");
    for (i, (g, w)) in got.as_f32().iter().zip(want.as_f32()).enumerate() {
        assert!((g - w).abs() <= TOLERANCE * scale, "{what}[{i}]: got {g}, expected {w}, largest {scale}");
    }
}

/// `layers.cfg`, its golden file and the weights in it.
fn every_layer() -> (Darknet, TensorFile, Weights) {
    let network = Darknet::read(&folder().join("layers.cfg")).unwrap();
    let golden = TensorFile::read(&folder().join("layers.safetensors")).unwrap();
    let bytes = file_of(Header::default(), golden.tensors["weights"].as_f32());
    let weights = network.load_weights(Path::new("layers.weights"), &bytes).unwrap();
    (network, golden, weights)
}

/// A `.weights` file with a header of the usual form.
fn file_of(header: Header, numbers: &[f32]) -> Vec<u8> {
    let version = [header.major, header.minor, header.revision];
    let mut bytes: Vec<u8> = version.iter().flat_map(|v| v.to_le_bytes()).collect();
    bytes.extend(header.seen.to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

const LAYERS_INPUT: [usize; 4] = [2, 3, 16, 24];

#[test]
fn every_kind_of_layer_gives_what_pytorch_gives() {
    let (network, golden, weights) = every_layer();
    let made = make(&network, &weights, LAYERS_INPUT, false);
    let mut outputs: Vec<(String, Value)> = made.heads.iter().map(|(i, v)| (format!("head.{i}"), *v)).collect();
    outputs.push(("last".into(), made.last));
    assert_eq!(made.heads.len(), 3, "[region], [yolo] and [detection]");
    let plain = run(&made.graph, &outputs, &made.variables, LAYERS_INPUT);
    let values: Vec<Value> = outputs.iter().map(|(_, v)| *v).collect();
    let (graph, moved) = made.graph.fused(&values).unwrap();
    let outputs: Vec<(String, Value)> = outputs.iter().zip(moved).map(|((name, _), v)| (name.clone(), v)).collect();
    let fused = run(&graph, &outputs, &made.variables, LAYERS_INPUT);
    for (name, value) in &plain {
        assert_close(name, value, &golden.tensors[&format!("eval/{name}")]);
        assert_close(&format!("fused {name}"), &fused[name], &golden.tensors[&format!("eval/{name}")]);
    }
}

#[test]
fn training_moves_statistics_and_gives_gradients_as_pytorch_does() {
    let (network, golden, weights) = every_layer();
    let Made { mut graph, heads, variables, .. } = make(&network, &weights, LAYERS_INPUT, true);
    let mut outputs: Vec<(String, Value)> = heads.iter().map(|(i, v)| (format!("train/head.{i}"), *v)).collect();
    let seeds: Vec<(Value, Value)> = heads
        .iter()
        .map(|(_, v)| {
            let own = Layout::Image.export(&Tensor::zeros(&graph.ty(*v)));
            let random = hashed(own.shape());
            let centred = Tensor::f32(random.shape(), random.as_f32().iter().map(|v| v - 0.5).collect());
            (*v, graph.constant(Layout::Image.import(&centred)))
        })
        .collect();
    let names = ["layers.0.conv.weight", "layers.1.conv.weight"];
    let wrt = names.map(|name| graph.find(name).unwrap());
    let grads = graph.gradients_from(&seeds, &wrt).unwrap();
    outputs.extend(names.iter().zip(grads).map(|(name, g)| (format!("grad/{name}"), g.unwrap())));
    let mut results = run(&graph, &outputs, &variables, LAYERS_INPUT);
    // `run` takes everything of rank 4 for pictures; these are weights.
    for name in names {
        let key = format!("grad/{name}");
        let weight = Layout::ConvWeight.export(&Layout::Image.import(&results[&key]));
        results.insert(key, weight);
    }
    for name in golden.tensors.keys().filter_map(|k| k.strip_prefix("train/")).filter(|k| k.contains("running")) {
        results.insert(format!("train/{name}"), variables.get(name).unwrap());
    }
    assert!(results.len() > 11, "heads, gradients and statistics");
    for (name, value) in &results {
        assert_close(name, value, &golden.tensors[name]);
    }
}

#[test]
fn weights_go_back_to_the_same_bytes() {
    let (network, golden, weights) = every_layer();
    let numbers = golden.tensors["weights"].as_f32();
    assert_eq!(network.stored_values(), numbers.len() as u64);
    let file = file_of(Header { major: 0, minor: 2, revision: 5, seen: 1 << 40 }, numbers);
    let loaded = network.load_weights(Path::new("a.weights"), &file).unwrap();
    assert_eq!(loaded.header.seen, 1 << 40);
    assert_eq!(loaded.tensors, weights.tensors);
    assert!(network.save_weights(&loaded).unwrap() == file, "byte for byte");
    // Old files hold connected weights the other way round, and a short count.
    let old =
        network.save_weights(&Weights { header: Header { major: 0, minor: 1001, revision: 0, seen: 3 }, ..loaded });
    let old = old.unwrap();
    assert_eq!(old.len(), file.len() - 4);
    assert!(old[16..] != file[20..], "connected weights are transposed");
    let again = network.load_weights(Path::new("old.weights"), &old).unwrap();
    assert_eq!((again.header.seen, &again.tensors), (3, &weights.tensors));
    assert!(network.save_weights(&again).unwrap() == old, "byte for byte");
}

/// Batch norm, activations and sums of linear branches are done by the convolutions before them.
fn assert_fused(graph: &Graph, outputs: &[Value]) {
    let plan = Plan::new(gpu(), graph, outputs, Options::default()).unwrap();
    let ran = plan.nodes().filter_map(|i| match &graph.nodes()[i].kind {
        Kind::Op(op) => Some(op.name()),
        _ => None,
    });
    let left: Vec<&str> = ran.filter(|n| ["batch_norm", "leaky_relu", "add"].contains(n)).collect();
    assert_eq!(left, [""; 0], "left beside the convolutions");
}

#[test]
fn yolo_fastest_gives_what_pytorch_gives() {
    let Some(folder) = data("yolo_fastest") else { return };
    let golden = TensorFile::read(&self::folder().join("yolo_fastest.safetensors")).unwrap();
    let mut compared = 0;
    for name in ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"] {
        let network = Darknet::read(&folder.join(format!("{name}.cfg"))).unwrap();
        let path = folder.join(format!("{name}.weights"));
        let bytes = std::fs::read(&path).unwrap();
        let weights = network.load_weights(&path, &bytes).unwrap();
        assert!(network.save_weights(&weights).unwrap() == bytes, "{name}: byte for byte");
        assert_eq!(network.stored_values() * 4 + 20, bytes.len() as u64, "{name}: used up");
        for (size, step) in [([96, 96], 1), ([160, 128], 7)] {
            let shape = [1, 3, size[0], size[1]];
            let made = make(&network, &weights, shape, false);
            let values: Vec<Value> = made.heads.iter().map(|(_, v)| *v).collect();
            let (graph, moved) = made.graph.fused(&values).unwrap();
            if step == 1 {
                assert_fused(&graph, &moved);
            }
            let key = |i: &usize| format!("{name}/{}x{}/{i}", size[0], size[1]);
            let outputs: Vec<(String, Value)> = made.heads.iter().zip(moved).map(|((i, _), v)| (key(i), v)).collect();
            for (key, value) in run(&graph, &outputs, &made.variables, shape) {
                let taken: Vec<f32> = value.as_f32().iter().step_by(step).copied().collect();
                assert_close(&key, &Tensor::f32([taken.len()], taken), &golden.tensors[&key]);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, golden.tensors.len());
}

#[test]
fn the_well_known_networks_build_and_count() {
    let Some(folder) = data("darknet/cfg") else { return };
    let read = |file: &str| Darknet::read(&folder.join(file)).unwrap();
    assert_eq!(read("yolov3.cfg").stored_values(), 62_001_757);
    assert_eq!(read("yolov2-tiny-voc.cfg").stored_values(), 15_867_885);
    let twins = [
        ("yolov1-tiny", "yolov1-tiny.cfg"),
        ("yolov2", "yolov2.cfg"),
        ("yolov2-tiny", "yolov2-tiny-voc.cfg"),
        ("yolov3", "yolov3.cfg"),
        ("yolov3-tiny", "yolov3-tiny.cfg"),
    ];
    for (name, file) in twins {
        let (own, theirs) = (builtin(name, &BuiltinArgs::published(name).unwrap()).unwrap(), read(file));
        let types = |n: &Darknet| n.specs().iter().map(|s| (s.name.clone(), s.ty.clone())).collect::<Vec<_>>();
        assert_eq!(types(&own), types(&theirs), "{name}: the same parameters under the same names");
        assert_eq!(own.heads(), theirs.heads(), "{name}");
    }
    // A local layer of 49 places and a row of 4096 and more: no parameter is larger than WebGPU binds at once.
    let v1 = read("yolov1.cfg");
    let largest = v1.specs().iter().map(|s| s.ty.bytes()).max().unwrap();
    assert!(largest <= 128 << 20, "{largest}");
    assert_eq!(v1.heads().len(), 1);
    for file in ["yolov1.cfg", "yolov1-tiny.cfg"] {
        let message = build_at(&read(file), [1, 384, 384, 3]).unwrap_err().to_string();
        assert!(message.contains(file) && message.contains("fixes the input at 448x448, got 384x384"), "{message}");
    }
    build_at(&read("yolov3.cfg"), [2, 320, 416, 3]).unwrap();
    let message = build_at(&read("yolov3.cfg"), [1, 400, 416, 3]).unwrap_err().to_string();
    assert!(message.contains("[route]") && message.contains("multiples"), "{message}");
}

fn build_at(network: &Darknet, shape: [usize; 4]) -> Result<()> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32(shape))?;
    network.build(&mut Net::new(&mut graph, false), images).map(|_| ())
}

#[test]
fn built_in_networks_run_where_dropout_counts_steps() {
    assert!(NAMES.iter().all(|name| BuiltinArgs::published(name).is_some()));
    let args = BuiltinArgs { classes: 2, size: [64, 64], anchors: None };
    let v1 = builtin("yolov1", &args).unwrap();
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([2, 64, 64, 3])).unwrap();
    let heads = v1.build(&mut Net::new(&mut graph, true), images).unwrap();
    assert_eq!(graph.shape(heads[0].value)[..], [2, 12]);
    assert!(graph.find("step").is_some(), "dropout asks which step it is");
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([1, 64, 64, 3])).unwrap();
    v1.build(&mut Net::new(&mut graph, false), images).unwrap();
    assert!(graph.find("step").is_none());
}

/// A cfg of one layer, or of several.
fn cfg(layers: &str) -> Result<Darknet> {
    Darknet::from_text(Path::new("net.cfg"), &format!("[net]\nwidth=32\nheight=32\nchannels=4\n{layers}"))
}

#[test]
fn a_wrong_cfg_is_refused_with_file_and_line() {
    let cases = [
        (
            "[convolutionall]\nfilters=3",
            "net.cfg: line 5: [convolutionall] is no layer that is known; known are convolutional, ",
        ),
        ("[convolutional]\nsize=3", "net.cfg: line 5: [convolutional] has no filters"),
        ("[convolutional]\nfilters=x", "net.cfg: line 6: [convolutional] filters must be a whole number, got 'x'"),
        ("[convolutional]\nfilters=0", "net.cfg: line 6: [convolutional] filters must be at least 1, got 0"),
        ("[convolutional]\nfilters=99999999", "net.cfg: line 6: [convolutional] filters is 99999999, beyond"),
        ("[convolutional]\nfilters=4\nstride=0", "net.cfg: line 7: [convolutional] stride must be at least 1, got 0"),
        (
            "[convolutional]\nfilters=4\nactivation=swash",
            "line 7: [convolutional] activation 'swash' is not known; known are linear,",
        ),
        ("[convolutional]\nfilters=4\ngroups=3", "line 7: [convolutional] groups 3 do not divide the 4 filters"),
        (
            "[convolutional]\nfilters=3\ngroups=3",
            "line 5: [convolutional] (layer 0) its 3 groups do not divide the 4 channels it reads",
        ),
        ("[convolutional]\nfilters=3\nxnor=1", "line 7: [convolutional] xnor=1 is not supported"),
        (
            "[convolutional]\nfilters=3\nsize=77",
            "line 5: [convolutional] (layer 0) conv2d 'layers.0.conv.conv2d': x: padded height",
        ),
        ("[connected]\nactivation=leaky", "line 5: [connected] has no output"),
        (
            "[route]\nlayers=-1",
            "net.cfg: line 6: [route] layers leads to -1, which is layer -1; no layer is before this one",
        ),
        (
            "[cost]\n[route]\nlayers=0, 9",
            "line 7: [route] layers leads to 9; only the layers 0 to 0 are before this one",
        ),
        ("[cost]\n[route]\nlayers=-1,,", "must be layer numbers between commas"),
        ("[cost]\n[route]", "line 6: [route] has no layers"),
        (
            "[cost]\n[route]\nlayers=0\ngroups=2\ngroup_id=2",
            "line 9: [route] group_id is 2, the groups are counted from 0 to 1",
        ),
        ("[cost]\n[shortcut]\nfrom=1", "line 7: [shortcut] from leads to 1; only the layers 0 to 0"),
        (
            "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=0\n[maxpool]\nsize=2\nstride=2\n[route]\nlayers=0,2",
            "line 13: [route] (layer 3) layer 0 is (1, 16, 16, 4) and layer 2 is (1, 8, 8, 4), which cannot be joined",
        ),
        (
            "[yolo]\nnum=1\nclasses=2",
            "line 5: [yolo] (layer 0) reads 4 channels, but 1 anchors with 5 + 2 numbers take 7; correct the filters of layer 0",
        ),
        ("[yolo]\nnum=2\nanchors=1,2,3", "line 7: [yolo] anchors holds 3 numbers, num=2 asks for 4"),
        ("[yolo]\nnum=1\nmask=1", "line 7: [yolo] mask names anchor 1, there are 1 (from 0)"),
        ("[yolo]\niou_loss=best", "line 6: [yolo] iou_loss 'best' is not known; known are mse, iou, giou, diou, ciou"),
        ("[region]\nnum=1\nclasses=2\ncoords=5", "line 8: [region] coords must be 4, got 5"),
        (
            "[convolutional]\nfilters=6\n[yolo]\nclasses=1\n[convolutional]\nfilters=2",
            "line 9: [convolutional] (layer 2) reads layer 1, which is a detection head; route around it",
        ),
        (
            "[local]\nfilters=2\nsize=33",
            "line 5: [local] (layer 0) its windows of 33x33 do not fit into (1, 32, 32, 4)",
        ),
        (
            "[local]\nfilters=2\nsize=32",
            "line 5: [local] (layer 0) is made of 1 rows and 32x32 taps, more than 1024 pieces",
        ),
        ("[local]\nfilters=2\nsize=5\npad=1", "line 8: [local] pad is defined for size=3 alone"),
        ("[dropout]\nprobability=1.5", "line 6: [dropout] probability must be at least 0 and below 1, got 1.5"),
        ("[upsample]\nstride=-2", "line 6: [upsample] stride must be between 1 and 256, got -2"),
        ("[upsample]\nstride=256\n[upsample]\nstride=256\n[upsample]\nstride=256\n", "would make a tensor of shape"),
        ("[reorg]\nstride=3", "line 5: [reorg] (layer 0) darknet_reorg"),
        ("[avgpool]\n[scale_channels]\nfrom=0\n[cost]\n[sam]\nfrom=4", "line 10: [sam] from leads to 4"),
    ];
    for (layers, wanted) in cases {
        let message = cfg(layers).expect_err(layers).to_string();
        assert!(message.contains(wanted) && message.starts_with("net.cfg: line "), "{layers:?}:\n{message}\n{wanted}");
        assert!(!message.contains('\n'), "{message}");
    }
    for (text, wanted) in [
        ("[net]\nheight=32\nchannels=3\n[cost]", "net.cfg: line 1: [net] has no width"),
        ("[net]\nheight=32\nwidth=99999\nchannels=3\n[cost]", "net.cfg: line 3: [net] width is 99999, beyond 16384"),
        ("[convolutional]\nfilters=3", "net.cfg: line 1: the first section is [convolutional], it must be [net]"),
    ] {
        assert_eq!(Darknet::from_text(Path::new("net.cfg"), text).unwrap_err().to_string(), wanted);
    }
    let message = Darknet::read(Path::new("no/such.cfg")).unwrap_err().to_string();
    assert!(message.starts_with("no/such.cfg: "), "{message}");
}

#[test]
fn a_damaged_cfg_is_read_or_refused_in_one_line() {
    let text = std::fs::read_to_string(folder().join("layers.cfg")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut rng = Rng::for_test("a damaged cfg");
    let mut refused = 0;
    for _ in 0..600 {
        let mut damaged: Vec<String> = lines.iter().map(ToString::to_string).collect();
        for _ in 0..rng.range(1, 3) {
            let at = rng.range(0, damaged.len() - 1);
            match rng.range(0, 4) {
                0 => drop(damaged.remove(at)),
                1 => damaged.truncate(at.max(2)),
                2 => damaged[at] = damaged[at].split('=').next().unwrap_or_default().to_string() + "=",
                3 => damaged[at].push_str(rng.pick(&["0", "-1", "99", "999999999", "e9", ",", "]", "\u{fffd}"])),
                _ => {
                    let other = rng.range(0, damaged.len() - 1);
                    damaged.swap(at, other);
                }
            }
        }
        if let Err(e) = Darknet::from_text(Path::new("x.cfg"), &damaged.join("\n")) {
            let message = e.to_string();
            assert!(message.starts_with("x.cfg: ") && !message.contains('\n'), "{message}");
            refused += 1;
        }
    }
    assert!((100..600).contains(&refused), "{refused} of 600");
}

#[test]
fn a_classifier_has_no_head() {
    let network = cfg("[convolutional]\nfilters=6\n[avgpool]\n[softmax]").unwrap();
    assert_eq!((network.heads().len(), network.stored_values()), (0, 30));
    let message = build_at(&network, [1, 32, 32, 4]).unwrap_err().to_string();
    assert_eq!(message, "net.cfg: has no detection head ([yolo], [region] or [detection])");
    let message = build_at(&network, [1, 32, 32, 3]).unwrap_err().to_string();
    assert_eq!(message, "net.cfg: reads pictures (N, H, W, 4), got (1, 32, 32, 3)");
}

#[test]
fn weights_of_another_network_are_refused() {
    let network = cfg("[convolutional]\nbatch_normalize=1\nfilters=7\nsize=1\n[yolo]\nclasses=2").unwrap();
    // Four vectors of 7, and 7 by 4 weights.
    let whole = file_of(Header::default(), &[0.5; 56]);
    network.load_weights(Path::new("a.weights"), &whole).unwrap();
    let refused = |bytes: &[u8]| network.load_weights(Path::new("a.weights"), bytes).unwrap_err().to_string();
    assert_eq!(
        refused(&whole[..whole.len() - 3]),
        "a.weights: holds 221 bytes after its header of 20, but net.cfg needs 224 (56 values); 3 bytes too short: it is cut off \
         or belongs to another cfg"
    );
    let longer = [&whole[..], &[0; 4]].concat();
    assert_eq!(
        refused(&longer),
        "a.weights: holds 228 bytes after its header of 20, but net.cfg needs 224 (56 values); 4 bytes too long: it belongs to \
         another cfg"
    );
    assert_eq!(refused(&whole[..7]), "a.weights: is 7 bytes long, too short for the header of a weights file");
    let mut numbers = [0.5; 56];
    numbers[21] = -0.1;
    let message = refused(&file_of(Header::default(), &numbers));
    assert!(
        message.starts_with("a.weights: has a negative variance in 'layers.0.bn.running_var'; it belongs"),
        "{message}"
    );
    let names = |n: usize| vec!["x".to_string(); n];
    network.check_names(Path::new("a.names"), &names(2)).unwrap();
    let message = network.check_names(Path::new("a.names"), &names(3)).unwrap_err().to_string();
    assert_eq!(message, "a.names: holds 3 class names, but net.cfg has 2 classes");
}

/// Runs the program; what it printed on both streams, and whether it succeeded.
fn wgvision(arguments: &[&std::ffi::OsStr]) -> (String, bool) {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_wgvision")).args(arguments).output().unwrap();
    let printed = [ran.stdout, ran.stderr].concat();
    (String::from_utf8_lossy(&printed).into_owned(), ran.status.success())
}

#[test]
fn convert_writes_one_file_that_says_all() {
    let (network, golden, weights) = every_layer();
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    std::fs::write(at("a.weights"), file_of(Header::default(), golden.tensors["weights"].as_f32())).unwrap();
    std::fs::write(at("two.names"), "plate\ncar\n\n").unwrap();
    std::fs::write(at("three.names"), "plate\ncar\ntram\n").unwrap();
    let convert = |names: &str, weights: &str| {
        let files = [folder().join("layers.cfg"), at(weights), at(names), at("m.safetensors")];
        let [cfg, weights, names, out] = files.each_ref().map(|p| p.as_os_str());
        let flags = ["convert", "--from", "darknet", "--cfg", "--weights", "--names", "-o"].map(std::ffi::OsStr::new);
        let [command, from, darknet, c, w, n, o] = flags;
        wgvision(&[command, from, darknet, c, cfg, w, weights, n, names, o, out])
    };
    let (printed, good) = convert("two.names", "a.weights");
    assert!(good && printed.contains("used up"), "{printed}");
    let file = TensorFile::read(&at("m.safetensors")).unwrap();
    assert_eq!(file.metadata["architecture"], "darknet");
    assert_eq!(file.metadata["classes"], r#"["plate","car"]"#);
    let again = Darknet::from_text(Path::new("m.safetensors"), &file.metadata["cfg"]).unwrap();
    assert_eq!(again.specs().len(), file.tensors.len());
    for spec in network.specs() {
        assert_eq!(spec.layout.import(&file.tensors[&spec.name]), weights.tensors[&spec.name], "{}", spec.name);
    }
    let (printed, good) = convert("three.names", "a.weights");
    assert!(
        !good && printed.contains("three.names: holds 3 class names, but") && printed.contains("has 2 classes"),
        "{printed}"
    );
    let (printed, good) = convert("two.names", "two.names");
    assert!(!good && printed.contains("two.names: is 11 bytes long, too short for the header"), "{printed}");
}
