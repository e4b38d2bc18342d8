//! `wgvision bench`.

use super::DeviceArgs;
use crate::engine::{bench, bench_models};
use crate::gpu::Gpu;
use crate::graph::megabytes;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use serde_json::Value as Json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Args)]
pub struct BenchArgs {
    /// What to time.
    what: What,
    /// kernels: the list of layers, in JSON (default: a built-in list of layers of well-known networks).
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
    /// kernels: only these layers, by id.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    only: Vec<String>,
    /// kernels: leave the training pass out.
    #[arg(long)]
    forward: bool,
    /// nms: only these numbers of boxes.
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    boxes: Vec<usize>,
    /// models, nms: runs after the first.
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Also write the results as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Convolutions of a list of layers, forward and training.
    Kernels,
    /// Whole networks, with their slowest nodes.
    Models,
    /// Non-maximum suppression of many boxes, sorting included.
    Nms,
}

pub fn run(args: &BenchArgs, device: &DeviceArgs) -> Result<()> {
    let gpu = device.open()?;
    let all = match args.what {
        What::Kernels => kernels(args, &gpu)?,
        What::Models => models(args, &gpu)?,
        What::Nms => nms(args, &gpu)?,
    };
    match &args.json {
        Some(path) => super::write_json(path, &all),
        None => Ok(()),
    }
}

fn kernels(args: &BenchArgs, gpu: &Gpu) -> Result<Vec<Json>> {
    let layers = match &args.layers {
        Some(path) => bench::read_layers(path)?,
        None => bench::built_in_layers(),
    };
    let known = |id: &String| layers.iter().any(|l| l.id == *id);
    if let Some(id) = args.only.iter().find(|id| !known(id)) {
        let ids: Vec<&str> = layers.iter().map(|l| l.id.as_str()).collect();
        return Err(Error::Usage(format!("no layer is named '{id}'; there are: {}", ids.join(", "))));
    }
    let mut all = Vec::new();
    for layer in layers.iter().filter(|l| args.only.is_empty() || args.only.contains(&l.id)) {
        for line in bench::time_layer(gpu, layer, !args.forward)? {
            let line = serde_json::to_value(&line).expect("plain data");
            println!("{line}");
            // A reader at the other end of a pipe wants each line when it is measured.
            let _ = std::io::stdout().flush();
            all.push(line);
        }
    }
    Ok(all)
}

fn models(args: &BenchArgs, gpu: &Gpu) -> Result<Vec<Json>> {
    let mut all = Vec::new();
    println!("{} ({})", gpu.facts().name, gpu.facts().driver);
    for case in bench_models::usual_cases() {
        let t = bench_models::time_model(gpu, &case, args.runs)?;
        println!("\n{}: first {:.0} ms, then {:.1} ms", case.name, t.first_ms, t.median_ms);
        let (planned, bound) = (megabytes(t.planned_bytes), megabytes(t.lower_bound_bytes));
        println!("    {} commands, {planned} planned, lower bound {bound}", t.commands);
        for node in &t.slowest {
            println!("    {:>9.3} ms  {:<36} {}", node.ms, node.node, node.kernels.join(", "));
        }
        all.push(serde_json::to_value(&t).expect("plain data"));
    }
    Ok(all)
}

fn nms(args: &BenchArgs, gpu: &Gpu) -> Result<Vec<Json>> {
    let mut all = Vec::new();
    println!("{} ({})", gpu.facts().name, gpu.facts().driver);
    if args.boxes.contains(&0) {
        return Err(Error::Usage("--boxes: at least one box".into()));
    }
    let mut show = |what: &str, t: bench::nms::NmsLine| {
        let (first, median, best) = (t.first_ms, t.median_ms, t.best_ms);
        println!(
            "{what} {:>7} {:<10} {:>7} kept, checksum {:>10}, first {first:>8.1} ms, median {median:>8.2} ms, best {best:>8.2} ms",
            t.boxes, t.scene, t.kept, t.checksum
        );
        all.push(serde_json::to_value(&t).expect("plain data"));
    };
    for &count in &args.boxes {
        for scene in bench::nms::SCENES {
            show("nms  ", bench::nms::time_nms(gpu, count, scene, args.runs)?);
        }
    }
    // YOLOv3's scores at 416 pixels and at 608, few of them above the threshold and many.
    for count in [851_760, 1_819_440] {
        for (threshold, name) in [(0.9995, "few"), (0.5, "many")] {
            show("top_k", bench::nms::time_top_k(gpu, count, threshold, name, args.runs)?);
        }
    }
    Ok(all)
}
