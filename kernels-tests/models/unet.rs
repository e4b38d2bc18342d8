//! U-Net: fused inference against the plain graph, and the pieces the other tests build on.

use crate::harness::{Rng, gpu};
use wgvision::data::normalise::Normalise;
use wgvision::engine::SegmentationModel;
use wgvision::engine::train::{Feed, TrainSettings};
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::gpu::{Gpu, Options};
use wgvision::graph::{Executable, Graph, Kind, Precision, Variables};
use wgvision::models::unet::{Padding, UNet};
use wgvision::nn::{Net, initialise};
use wgvision::tensor::{Tensor, TensorType};

/// A run on random crops of 32x32 in batches of two.
pub fn small_run(unet: UNet) -> SegmentationRun {
    let classes = (0..unet.classes.max(2)).map(|i| format!("class {i}")).collect();
    let unet_classes = unet.classes;
    let model = SegmentationModel { unet, normalise: Normalise::Unit, classes, crop: [32, 32] };
    SegmentationRun { model, loss: usual_loss(unet_classes), batch: 2, settings: TrainSettings::default() }
}

/// Random tensors for step `i` of a run.
pub fn feed(run: &SegmentationRun, i: u64) -> Feed {
    let mut rng = Rng::for_test(&format!("feed {i}"));
    let [h, w] = run.model.crop;
    let images = rng.tensor([run.batch, h, w, run.model.unet.in_channels]);
    let shape = [run.batch, h, w, 1];
    let targets = Tensor::f32(shape, (0..run.batch * h * w).map(|_| f32::from(u8::from(rng.coin()))).collect());
    let hyper = run.settings.hyper(i + 1);
    vec![("images".into(), images), ("targets".into(), targets), ("hyper".into(), hyper)]
}

fn logits(unet: &UNet, side: usize, fused: bool, batch_norm_values: bool) -> (Tensor, usize) {
    let variables = Variables::new(gpu());
    let mut graph = Graph::new();
    let x = graph.input("images", TensorType::f32([1, side, side, unet.in_channels])).unwrap();
    let mut net = Net::new(&mut graph, false);
    let y = unet.build(&mut net, x).unwrap();
    let specs = net.specs;
    initialise(&variables, &specs, 5).unwrap();
    if batch_norm_values {
        let mut rng = Rng::for_test("statistics");
        for spec in specs.iter().filter(|s| s.name.contains(".bn")) {
            variables.set(&spec.name, &rng.tensor_in(&spec.ty.shape, 0.5, 1.5)).unwrap();
        }
    }
    let (graph, outputs) = if fused { graph.fused(&[y]).unwrap() } else { (graph, vec![y]) };
    let mut exec = Executable::new(&graph, &[("y", outputs[0])], &variables).unwrap();
    let picture = Rng::for_test("picture").tensor([1, side, side, unet.in_channels]);
    let y = exec.run(&[("images", &picture)]).unwrap().wait_for("y").unwrap();
    (y, exec.commands())
}

#[test]
fn folding_and_fusing_change_the_logits_by_rounding_only() {
    for batch_norm in [false, true] {
        let unet = UNet { width: 4, depth: 2, batch_norm, classes: 2, ..Default::default() };
        let (plain, plain_commands) = logits(&unet, 32, false, batch_norm);
        let (fused, fused_commands) = logits(&unet, 32, true, batch_norm);
        assert!(fused_commands + 9 < plain_commands, "{fused_commands} commands against {plain_commands}");
        let scale = plain.as_f32().iter().fold(0.0f32, |a, v| a.max(v.abs()));
        assert!(scale > 0.0);
        for (a, b) in plain.as_f32().iter().zip(fused.as_f32()) {
            assert!((a - b).abs() <= 2e-5 * scale, "{a} {b} of {scale}");
        }
    }
}

#[test]
fn half_precision_weights_change_the_logits_by_little() {
    let unet = UNet { width: 8, depth: 3, batch_norm: true, classes: 2, ..Default::default() };
    let other =
        Gpu::open_with(&Options { f16: Some(!gpu().profile().f16), tuned: Some(false), ..Default::default() }).unwrap();
    let picture = Rng::for_test("picture").tensor([1, 48, 32, 3]);
    let run = |gpu: &Gpu, precision: Precision| {
        let variables = Variables::new(gpu);
        let mut graph = Graph::new();
        let x = graph.input("images", TensorType::f32([1, 48, 32, 3])).unwrap();
        let mut net = Net::new(&mut graph, false);
        let y = unet.build(&mut net, x).unwrap();
        let specs = net.specs;
        initialise(&variables, &specs, 5).unwrap();
        let mut exec = Executable::for_inference(&graph, &[("y", y)], &variables, precision).unwrap();
        exec.run(&[("images", &picture)]).unwrap().wait_for("y").unwrap()
    };
    let (full, half) = (run(gpu(), Precision::F32), run(gpu(), Precision::F16));
    assert_eq!(half, run(&other, Precision::F16), "loaded or unpacked, halves are the same numbers");
    let scale = full.as_f32().iter().fold(0.0f32, |a, v| a.max(v.abs()));
    let worst = full.as_f32().iter().zip(half.as_f32()).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    println!("logits of up to {scale}, off by at most {worst}: {:.1e} of it", worst / scale);
    // Each weight is off by at most 2^-11 = 5e-4 of itself; most of it averages out over a sum and adds up over the layers.
    assert!(worst > 0.0 && worst <= 4.0 * 2f32.powi(-11) * scale, "{worst} of {scale}");
}

#[test]
fn fusing_leaves_no_activation_or_batch_norm_behind() {
    let unet = UNet { width: 4, depth: 1, batch_norm: true, ..Default::default() };
    let mut graph = Graph::new();
    let x = graph.input("images", TensorType::f32([1, 8, 8, 3])).unwrap();
    let y = unet.build(&mut Net::new(&mut graph, false), x).unwrap();
    let (graph, outputs) = graph.fused(&[y]).unwrap();
    let variables = Variables::new(gpu());
    let exec = Executable::new(&graph, &[("y", outputs[0])], &variables).unwrap();
    let ran: Vec<&str> = exec
        .plan()
        .nodes()
        .filter_map(|i| match &graph.nodes()[i].kind {
            Kind::Op(op) => Some(op.name()),
            _ => None,
        })
        .collect();
    assert!(ran.contains(&"conv2d") && ran.contains(&"fold_batch_norm"), "{ran:?}");
    assert!(!ran.contains(&"relu") && !ran.contains(&"batch_norm"), "{ran:?}");
}

#[test]
fn valid_padding_runs_and_crops() {
    let unet = UNet { width: 4, depth: 2, padding: Padding::Valid, ..Default::default() };
    let side = (40..).find(|&s| unet.valid_output(s).is_some()).unwrap();
    let (y, _) = logits(&unet, side, true, false);
    let out = unet.valid_output(side).unwrap();
    assert_eq!(y.shape()[..], [1, out, out, 1]);
}
