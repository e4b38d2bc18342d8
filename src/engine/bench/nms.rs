//! Times non-maximum suppression, sorting included, and the choice of the best scores, on numbers made by formula, so that other
//! programs can be given the same (`tools/bench_nms.py` does). One pass is everything between handing in the work and holding the kept indices on the host.

use super::Times;
use crate::Result;
use crate::gpu::Gpu;
use crate::graph::{Executable, Graph, Variables};
use crate::ops::OpRef;
use crate::ops::add::Add;
use crate::ops::nms::Nms;
use crate::ops::top_k::TopK;
use crate::tensor::{Tensor, TensorType};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// Arrangements of boxes.
pub const SCENES: [&str; 3] = ["clustered", "disjoint", "identical"];

/// Overlap above which a box is dropped.
const THRESHOLD: f64 = 0.5;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct NmsLine {
    /// Number of boxes.
    pub boxes: usize,
    /// How they lie.
    pub scene: &'static str,
    /// Boxes kept.
    pub kept: usize,
    /// Sum of (place + 1) * (index + 1) over the kept boxes, modulo 2^32: two programs that agree on it kept the same boxes in the same order.
    pub checksum: u32,
    /// First run, compilation of the kernels included, in milliseconds.
    pub first_ms: f64,
    /// Median of the others, in milliseconds.
    pub median_ms: f64,
    /// Fastest of the others, in milliseconds.
    pub best_ms: f64,
}

/// A number in [0, 1) from two whole ones: the finaliser of MurmurHash3 (Appleby 2011) on 24 bits.
fn hash(i: usize, salt: u32) -> f32 {
    let mut h = (i as u32).wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    (h >> 8) as f32 / (1u32 << 24) as f32
}

/// Boxes (1, K, 4) and scores (1, K): around one object for every twenty of them, on a grid without touching, or all alike.
fn scene(name: &str, count: usize) -> (Tensor, Tensor) {
    let objects = (count / 20).max(1);
    let span = 40.0 * (objects as f32).sqrt();
    let side = (count as f32).sqrt().ceil() as usize;
    let one = |i: usize| match name {
        "clustered" => {
            let object = (hash(i, 1) * objects as f32) as usize;
            let at = |salt: u32, scale: f32, jitter: f32| hash(object, salt) * scale + hash(i, salt + 4) * jitter;
            let (x, y) = (at(2, span, 6.0), at(3, span, 6.0));
            let (w, h) = (20.0 + at(4, 40.0, 4.0), 20.0 + at(5, 40.0, 4.0));
            [x, y, x + w, y + h]
        }
        "disjoint" => {
            let (x, y) = ((i % side * 10) as f32, (i / side * 10) as f32);
            [x, y, x + 9.0, y + 9.0]
        }
        _ => [10.0, 20.0, 50.0, 60.0],
    };
    let scores = (0..count).map(|i| hash(i, 0)).collect();
    (Tensor::f32([1, count, 4], (0..count).flat_map(one).collect()), Tensor::f32([1, count], scores))
}

/// Times one scene of `count` boxes over `runs` runs after the first. Fails where the device refuses a tensor.
pub fn time_nms(gpu: &Gpu, count: usize, name: &'static str, runs: usize) -> Result<NmsLine> {
    let nms = Nms { iou_threshold: THRESHOLD, max_out: count, grouped: false, counted: false, subgroups: None };
    let made = scene(name, count);
    time_op(gpu, (count, name), Arc::new(nms), &[("boxes", &made.0), ("scores", &made.1)], [0, 1], runs)
}

/// Times the 1000 best of `count` scores above `threshold`, as `time_nms` does.
pub fn time_top_k(gpu: &Gpu, count: usize, threshold: f32, name: &'static str, runs: usize) -> Result<NmsLine> {
    let scores = Tensor::f32([1, count], (0..count).map(|i| hash(i, 0)).collect());
    let top = TopK { k: count.min(1000), threshold: Some(threshold) };
    time_op(gpu, (count, name), Arc::new(top), &[("scores", &scores)], [1, 2], runs)
}

/// Times an op whose outputs `[indices, count]` are read back.
fn time_op(
    gpu: &Gpu,
    (boxes, scene): (usize, &'static str),
    op: OpRef,
    inputs: &[(&str, &Tensor)],
    wanted: [usize; 2],
    runs: usize,
) -> Result<NmsLine> {
    let mut g = Graph::new();
    let variables = Variables::new(gpu);
    let leaves = inputs.iter().map(|(name, t)| g.parameter(name, t.ty())).collect::<Result<Vec<_>>>()?;
    // What depends on variables alone is computed when they change: a counter makes every run compute everything.
    let turns = g.state("turns", TensorType::f32([1]))?;
    let one = g.constant(Tensor::full([1], 1.0));
    let counted = g.add(Add, &[turns, one])?;
    g.update(turns, counted)?;
    let out = g.named_all("timed", op, &leaves)?;
    for (name, tensor) in inputs {
        variables.set(name, tensor)?;
    }
    let mut exec: Option<Executable> = None;
    let (mut first_ms, mut times, mut kept, mut checksum) = (0.0, Vec::new(), 0, 0);
    for i in 0..=runs.max(1) {
        let started = Instant::now();
        let exec = match &mut exec {
            Some(exec) => exec,
            none => {
                let named = [("indices", out[wanted[0]]), ("count", out[wanted[1]])];
                none.insert(Executable::new(&g, &named, &variables)?)
            }
        };
        let results = exec.run(&[])?.wait()?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        kept = results["count"].as_i32()[0] as usize;
        let places = results["indices"].as_i32()[..kept].iter().zip(1u32..);
        checksum = places.fold(0u32, |sum, (&i, place)| sum.wrapping_add(place.wrapping_mul(i as u32 + 1)));
        if i == 0 {
            first_ms = ms;
        } else {
            times.push(ms);
        }
    }
    let Times { best_ms, median_ms } = Times::of(times);
    Ok(NmsLine { boxes, scene, kept, checksum, first_ms, median_ms, best_ms })
}
