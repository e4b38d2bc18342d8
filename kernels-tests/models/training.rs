//! Training runs: the same bytes from the same seed, the same bytes after a stop, and what a run writes.

use crate::harness::gpu;
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wgvision::Result;
use wgvision::data::augment::Augment;
use wgvision::data::normalise::Normalise;
use wgvision::data::pairs::{Labels, MaskedPicture, MaskedPictures};
use wgvision::data::segmentation::Segmentation;
use wgvision::engine::SegmentationModel;
use wgvision::engine::train::{Silent, StepGraph, TrainPrecision, TrainSettings};
use wgvision::engine::train_segmentation::{SegmentationRun, usual_loss};
use wgvision::gpu::Gpu;
use wgvision::graph::{Executable, Plan, Variables};
use wgvision::models::unet::UNet;
use wgvision::nn::{ParameterSpec, initialise};
use wgvision::optim::{LOSS_SCALE, Rate};
use wgvision::tensor::Tensor;
use wgvision::weights::TensorFile;

/// Bright discs on dark ground; the mask is the disc.
pub struct Discs(pub usize);

impl MaskedPictures for Discs {
    fn len(&self) -> usize {
        self.0
    }

    fn labels(&self) -> Labels {
        Labels::Binary
    }

    fn get(&self, index: usize) -> Result<Arc<MaskedPicture>> {
        let (cx, cy, r) = (10 + 7 * (index as i32 % 4), 12 + 5 * (index as i32 % 5), 5 + index as i32 % 4);
        let inside = |x: u32, y: u32| (x as i32 - cx).pow(2) + (y as i32 - cy).pow(2) <= r * r;
        let texture = |x: u32, y: u32| ((x * 7 + y * 13 + index as u32 * 5) % 23) as u8;
        let picture = RgbImage::from_fn(40, 40, |x, y| {
            let v = if inside(x, y) { 150 } else { 40 } + texture(x, y);
            Rgb([v, v / 2, 255 - v])
        });
        let mask = GrayImage::from_fn(40, 40, |x, y| Luma([u8::from(inside(x, y))]));
        Ok(Arc::new(MaskedPicture { name: format!("disc {index}"), picture, mask }))
    }
}

/// A data folder of discs for the program: four to train on, two to validate.
pub fn disc_folder(root: &Path) -> PathBuf {
    let root = root.join("data");
    for (split, n) in [("train", 4), ("val", 2)] {
        for i in 0..n {
            let pair = Discs(n).get(i).unwrap();
            for kind in ["images", "masks"] {
                std::fs::create_dir_all(root.join(kind).join(split)).unwrap();
            }
            pair.picture.save(root.join(format!("images/{split}/{i}.png"))).unwrap();
            let mut mask = pair.mask.clone();
            mask.iter_mut().for_each(|v| *v *= 255);
            mask.save(root.join(format!("masks/{split}/{i}.png"))).unwrap();
        }
    }
    root
}

fn run(steps: u64) -> SegmentationRun {
    let unet = UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() };
    let classes = vec!["background".into(), "disc".into()];
    let model = SegmentationModel { unet, normalise: Normalise::Standardise, classes, crop: [32, 32] };
    let settings = TrainSettings {
        steps,
        validate_every: 10,
        rate: Rate::constant(5e-3),
        clip: 1.0,
        ema: Some(0.9),
        seed: 11,
        ..Default::default()
    };
    SegmentationRun { model, loss: usual_loss(1), batch: 4, settings }
}

fn train(steps: u64, out: &Path, resume: bool) -> BTreeMap<String, Tensor> {
    train_in(TrainPrecision::F32, steps, out, resume)
}

fn train_in(precision: TrainPrecision, steps: u64, out: &Path, resume: bool) -> BTreeMap<String, Tensor> {
    let augment = Augment { crop: Some([32, 32]), flip_x: true, rotate: 10.0, ..Default::default() };
    let data = Segmentation { pictures: Discs(12), augment, normalise: Normalise::Standardise, border: None };
    let mut run = run(steps);
    run.settings.precision = precision;
    run.train(gpu(), data, &Discs(3), out, resume, &mut Silent).unwrap();
    TensorFile::read(&out.join("last.safetensors")).unwrap().tensors
}

#[test]
fn fifty_steps_twice_give_the_same_bytes_and_learn() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    assert!(train(50, &a, false) == train(50, &b, false), "the same seed gave other parameters");
    assert_eq!(std::fs::read(a.join("metrics.csv")).unwrap(), std::fs::read(b.join("metrics.csv")).unwrap());
    for name in ["best.safetensors", "last.safetensors", "metrics.csv", "curves.png"] {
        assert!(a.join(name).exists(), "{name} is missing");
    }
    let dice = wgvision::draw::log::Metrics::read(a.join("metrics.csv")).unwrap().series("dice");
    assert!(dice.last().unwrap().1 > 0.8, "{dice:?}");
}

#[test]
fn a_run_stopped_and_resumed_is_the_run_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let expected = train(40, &whole, false);
    // A run killed after its checkpoint at step 20 leaves exactly this folder behind.
    train(20, &parts, false);
    let resumed = train(40, &parts, true);
    let differing: Vec<&String> =
        expected.iter().filter(|(n, t)| resumed.get(*n) != Some(*t)).map(|(n, _)| n).collect();
    assert!(differing.is_empty(), "these differ after resuming: {differing:?}");
    assert_eq!(expected.len(), resumed.len());
    let text = |p: &Path| std::fs::read_to_string(p.join("metrics.csv")).unwrap();
    assert_eq!(text(&whole), text(&parts));
}

/// The last and the least value of a column of a run's metrics.
fn measured(out: &Path, column: &str) -> (f64, f64) {
    let series = wgvision::draw::log::Metrics::read(out.join("metrics.csv")).unwrap().series(column);
    (series.last().unwrap().1, series.iter().fold(f64::INFINITY, |least, (_, v)| least.min(*v)))
}

#[test]
fn a_mixed_run_learns_what_a_run_in_f32_learns() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mixed = train_in(TrainPrecision::Mixed, 50, &path("mixed"), false);
    assert!(mixed == train_in(TrainPrecision::Mixed, 50, &path("again"), false), "the same seed gave other parameters");
    train(50, &path("full"), false);
    let ((dice, _), (full_dice, _)) = (measured(&path("mixed"), "dice"), measured(&path("full"), "dice"));
    let ((_, loss), (_, full_loss)) = (measured(&path("mixed"), "loss"), measured(&path("full"), "loss"));
    println!("dice {dice:.4} and {full_dice:.4} in f32, least loss {loss:.4} and {full_loss:.4}");
    assert!((dice - full_dice).abs() < 0.03 && dice > 0.8, "{dice}, in f32 {full_dice}");
    assert!((loss - full_loss).abs() < 0.1 * full_loss, "{loss}, in f32 {full_loss}");
    let scale = mixed.iter().find(|(name, _)| name.ends_with(LOSS_SCALE)).expect("kept").1;
    assert_eq!(scale.as_f32()[0], 65536.0, "no step overflowed");
}

#[test]
fn a_mixed_run_stopped_and_resumed_is_the_run_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let expected = train_in(TrainPrecision::Mixed, 40, &whole, false);
    train_in(TrainPrecision::Mixed, 20, &parts, false);
    assert!(expected == train_in(TrainPrecision::Mixed, 40, &parts, true), "resuming gave other bytes");
}

/// A gradient that overflows halves the scale and leaves everything else alone; the next step goes on.
#[test]
fn an_overflow_halves_the_scale_and_nothing_else() {
    let mut run = super::unet::small_run(UNet { width: 8, depth: 2, batch_norm: true, ..Default::default() });
    run.settings.ema = Some(0.9);
    let f32_peak = plan_of(&run).0;
    run.settings.precision = TrainPrecision::Mixed;
    let (mixed_peak, graph, specs) = plan_of(&run);
    assert!(4 * mixed_peak < 3 * f32_peak, "{mixed_peak} bytes, in f32 {f32_peak}");
    // A device of its own, whose report no other test disturbs.
    let variables = Variables::new(&Gpu::open().unwrap());
    initialise(&variables, &specs, 3).unwrap();
    let mut exec = graph.compile(&variables).unwrap();
    let mut step = |i: u64, scale: f32| {
        variables.set(LOSS_SCALE, &Tensor::f32([2], vec![scale, 7.0])).unwrap();
        let before = variables.snapshot().unwrap();
        let feed = super::unet::feed(&run, i);
        let given: Vec<(&str, &Tensor)> = feed.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let run = exec.run(&given).unwrap();
        assert_eq!((run.report.read_backs, run.report.waits), (0, 0), "inside a step");
        let found = run.wait().unwrap();
        (found["norm"].scalar(), found["loss"].scalar(), before, variables.snapshot().unwrap())
    };
    let (norm, loss, _, after) = step(0, 65536.0);
    assert!(norm.is_finite() && loss.is_finite());
    assert_eq!(after[LOSS_SCALE].as_f32(), [65536.0, 8.0]);
    let (norm, loss, before, after) = step(1, 2f32.powi(100));
    assert!(norm.is_nan() && loss.is_finite(), "{norm} {loss}");
    assert_eq!(after[LOSS_SCALE].as_f32(), [2f32.powi(99), 0.0]);
    for (name, value) in before.iter().filter(|(name, _)| *name != LOSS_SCALE) {
        assert_eq!(after[name].bytes(), value.bytes(), "{name} was touched by a step that overflowed");
    }
    let (unscaled, _, before, after) = step(1, 1024.0);
    assert!(unscaled.is_finite());
    assert!(before.iter().any(|(name, value)| after[name] != *value && name.ends_with("weight")));
}

/// Planned shared memory of a run's step in its precision, the step as it is built, and its parameters.
fn plan_of(run: &SegmentationRun) -> (u64, StepGraph, Vec<ParameterSpec>) {
    let (graph, specs) = run.step_graph().unwrap();
    let values = [graph.norm, graph.loss];
    let plan = Plan::new(gpu(), &graph.stored(gpu().profile()).unwrap(), &values, Default::default()).unwrap();
    (plan.memory.peak, graph, specs)
}

/// `wgvision train` on a folder of discs, a checkpoint every 20 of 60 steps.
fn program(data: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgvision"));
    command.args(["train", "--arch", "unet", "--steps", "60", "--validate-every", "20", "--batch", "2"]);
    command.args(["--size", "32", "--ema", "0.9", "--config", r#"{"width":4,"depth":1,"batch_norm":true}"#]);
    command.arg("--data").arg(data).arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The last step that `metrics.csv` tells of; 0 where there is none yet.
fn logged(out: &Path) -> u64 {
    let text = std::fs::read_to_string(out.join("metrics.csv")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().last().and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_killed_process_resumes_as_if_it_had_lived() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let data = disc_folder(folder.path());
    assert!(program(&data, &whole).status().unwrap().success());

    let mut child = program(&data, &killed).spawn().unwrap();
    let started = Instant::now();
    // Steps behind the checkpoint's, so that something is lost.
    while !(killed.join("last.safetensors").exists() && logged(&killed) > 22) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(started.elapsed() < Duration::from_secs(120), "no checkpoint after two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed, it did not end");

    assert!(program(&data, &killed).arg("--resume").status().unwrap().success());
    for name in ["last.safetensors", "best.safetensors"] {
        let file = |run: &Path| TensorFile::read(&run.join(name)).unwrap();
        let (want, got) = (file(&whole), file(&killed));
        assert_eq!(want.metadata, got.metadata, "{name}");
        let names = |file: &TensorFile| file.tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&want), names(&got), "{name}");
        for (tensor, value) in &want.tensors {
            let same = value.ty() == got.tensors[tensor].ty() && value.bytes() == got.tensors[tensor].bytes();
            assert!(same, "{tensor} of {name} differs from that of the run that was not killed");
        }
    }
    let table = |run: &Path| std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert_eq!(table(&whole), table(&killed));
}

#[test]
fn a_step_that_is_not_finite_leaves_every_variable_as_it_was() {
    let mut run = super::unet::small_run(UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() });
    run.settings.ema = Some(0.9);
    let (graph, specs) = run.step_graph().unwrap();
    let variables = Variables::new(gpu());
    initialise(&variables, &specs, 3).unwrap();
    let mut exec = Executable::new(&graph.graph, &[("norm", graph.norm)], &variables).unwrap();
    let mut step = |i: u64, broken: Option<f32>| {
        let mut feed = super::unet::feed(&run, i);
        if let Some(broken) = broken {
            let mut picture = feed[0].1.as_f32().to_vec();
            picture[1234] = broken;
            feed[0].1 = Tensor::f32(feed[0].1.shape(), picture);
        }
        let given: Vec<(&str, &Tensor)> = feed.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let norm = exec.run(&given).unwrap().wait_for("norm").unwrap().scalar();
        (norm, variables.snapshot().unwrap())
    };
    let (norm, before) = step(0, None);
    assert!(norm.is_finite());
    for broken in [f32::NAN, f32::INFINITY] {
        let (norm, after) = step(1, Some(broken));
        assert!(norm.is_nan());
        for (name, value) in &before {
            assert_eq!(after[name].bytes(), value.bytes(), "{name} was touched by a step with {broken}");
        }
    }
    let (_, after) = step(1, None);
    let still: Vec<&String> = before.iter().filter(|(name, value)| after[*name] == **value).map(|(n, _)| n).collect();
    // A bias before batch norm has no gradient but rounding, and may stand still.
    let moving = |name: &&&String| !name.contains("conv") || name.contains("weight");
    assert_eq!(still.iter().find(moving), None, "a finite step moves everything");
}

#[test]
fn patience_ends_a_run_that_no_longer_improves() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(400);
    run.settings.patience = Some(1);
    run.settings.rate = Rate::constant(1e-12);
    let augment = Augment { crop: Some([32, 32]), ..Default::default() };
    let data = Segmentation { pictures: Discs(4), augment, normalise: Normalise::Standardise, border: None };
    let done = run.train(gpu(), data, &Discs(2), folder.path(), false, &mut Silent).unwrap();
    assert!(done.outcome.early && done.outcome.steps < 400, "{:?}", done.outcome);
}
