//! `wgvision bench`.

use super::DeviceArgs;
use super::network::PrecisionArgs;
use super::profile::said;
use super::table::{percent, table};
use crate::engine::bench::{Ceilings, Line, Method};
use crate::engine::bench_models::{ModelCase, ModelTime};
use crate::engine::{bench, bench_models};
use crate::gpu::Gpu;
use crate::graph::megabytes;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

#[derive(Args)]
pub struct BenchArgs {
    /// What to time.
    what: What,
    /// kernels: the list of layers, in JSON (default: a built-in list of layers of well-known networks).
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
    /// kernels: only these layers, by id; models: only these networks, by name.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// kernels, models: leave training out.
    #[arg(long)]
    forward: bool,
    /// models: training steps alone.
    #[arg(long, conflicts_with = "forward")]
    train: bool,
    /// kernels: so many times the pictures of each layer; models: pictures at a time. For cards that one picture does not fill.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// kernels: a line of JSON for each pass instead of a table, as where stdout is no terminal.
    #[arg(long)]
    lines: bool,
    /// nms: only these numbers of boxes.
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    boxes: Vec<usize>,
    /// Runs that count, after the first and those that warm up.
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// models: rows of the list of slowest kernels.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// Also write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Convolutions of a list of layers, forward and training.
    Kernels,
    /// Whole networks: inference and training steps.
    Models,
    /// Non-maximum suppression of many boxes, sorting included.
    Nms,
}

pub fn run(args: &BenchArgs, device: &DeviceArgs) -> Result<()> {
    if args.batch == 0 {
        return Err(Error::Usage("--batch: at least one picture".into()));
    }
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

/// Those of `all` that are wanted, by name; all of them if none is named.
fn chosen<T>(all: Vec<T>, only: &[String], what: &str, name: impl Fn(&T) -> &str) -> Result<Vec<T>> {
    if let Some(unknown) = only.iter().find(|wanted| !all.iter().any(|item| name(item) == *wanted)) {
        let mut names: Vec<&str> = all.iter().map(&name).collect();
        names.dedup();
        return Err(Error::Usage(format!("no {what} is named '{unknown}'; there are: {}", names.join(", "))));
    }
    Ok(all.into_iter().filter(|item| only.is_empty() || only.iter().any(|wanted| wanted == name(item))).collect())
}

fn kernels(args: &BenchArgs, gpu: &Gpu) -> Result<Vec<Json>> {
    let layers = match &args.layers {
        Some(path) => bench::read_layers(path)?,
        None => bench::built_in_layers(),
    };
    let layers = chosen(layers, &args.only, "layer", |l| &l.id)?;
    let as_lines = args.lines || !std::io::stdout().is_terminal();
    let ceilings = Ceilings::measure(gpu)?;
    eprintln!("{} ({}); {}", gpu.facts().name, gpu.facts().driver, said(&ceilings));
    let method = Method { runs: args.runs, train: !args.forward, ceilings };
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    for mut layer in layers {
        layer.n *= args.batch;
        for line in bench::time_layer(gpu, &layer, &method)? {
            let json = serde_json::to_value(&line).expect("plain data");
            if as_lines {
                println!("{json}");
                // A reader at the other end of a pipe wants each line when it is measured.
                let _ = std::io::stdout().flush();
            } else {
                eprint!("\r{:<16} {:<8}", line.layer, line.pass);
            }
            all.push(json);
            rows.push(cells(&line));
        }
    }
    if !as_lines {
        eprint!("\r");
        print!("{}", table(&KERNEL_HEADER, &rows));
    }
    Ok(all)
}

/// Milliseconds on the host's clock with the results read, then on the device's; rates and shares are of the fastest on the device.
const KERNEL_HEADER: [&str; 11] = [
    "<layer",
    "<pass",
    "first ms",
    "best ms",
    "median ms",
    "device ms",
    "GFLOP/s",
    "GB/s",
    "of ceiling",
    "<which",
    "<kernels",
];

fn cells(line: &Line) -> Vec<String> {
    let ms = |ms: f64| format!("{ms:.3}");
    let (share, which) = line.share.binding();
    let device = line.device.map_or("-".to_string(), |t| ms(t.best_ms));
    vec![
        line.layer.clone(),
        line.pass.to_string(),
        format!("{:.1}", line.first_ms),
        ms(line.best_ms),
        ms(line.median_ms),
        device,
        format!("{:.1}", line.share.gflops),
        format!("{:.1}", line.share.gbytes),
        percent(share),
        which.to_string(),
        line.kernels.join(", "),
    ]
}

fn models(args: &BenchArgs, gpu: &Gpu) -> Result<Vec<Json>> {
    let cases = chosen(bench_models::usual_cases()?, &args.only, "network", |case| &case.name)?;
    let ceilings = Ceilings::measure(gpu)?;
    println!("{} ({}); {}", gpu.facts().name, gpu.facts().driver, said(&ceilings));
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    let wanted = |case: &ModelCase| if case.train { !args.forward } else { !args.train };
    for case in cases.into_iter().filter(wanted) {
        let case = ModelCase { batch: args.batch, precision: args.precision.precision, ..case };
        let time = bench_models::time_model(gpu, &case, args.runs, ceilings)?;
        show(&time, args.top);
        rows.push(model_cells(&time));
        all.push(serde_json::to_value(&time).expect("plain data"));
    }
    print!("\n{}", table(&MODEL_HEADER, &rows));
    Ok(all)
}

/// One case at length.
fn show(time: &ModelTime, top: usize) {
    let (case, [h, w]) = (&time.case, time.case.size);
    println!(
        "\n{}, {}, {} x {h}x{w}: first {:.0} ms, then {:.1} ms",
        case.name,
        case.pass(),
        case.batch,
        time.first_ms,
        time.wall.median_ms
    );
    let [planned, bound, kept] = [time.planned_bytes, time.lower_bound_bytes, time.resident_bytes].map(megabytes);
    println!("    {} commands, {planned} planned, lower bound {bound}, {kept} resident", time.commands);
    for row in time.profile.iter().flat_map(|p| p.kernels.iter().take(top)) {
        let (share, which) = row.share.binding();
        println!("    {:>9.3} ms  {:>7} of {which:<10}  {} ({})", row.ms, percent(share), row.name, row.of);
    }
}

const MODEL_HEADER: [&str; 10] = [
    "<network",
    "<pass",
    "first ms",
    "best ms",
    "median ms",
    "device ms",
    "GFLOP/s",
    "of arithmetic",
    "of bandwidth",
    "memory",
];

fn model_cells(time: &ModelTime) -> Vec<String> {
    let ms = |ms: f64| format!("{ms:.1}");
    let of = |text: fn(&bench::profile::Profile) -> String| time.profile.as_ref().map_or("-".to_string(), text);
    vec![
        time.case.name.clone(),
        time.case.pass().to_string(),
        format!("{:.0}", time.first_ms),
        ms(time.wall.best_ms),
        ms(time.wall.median_ms),
        of(|p| format!("{:.1}", p.total_ms)),
        of(|p| format!("{:.1}", p.share.gflops)),
        of(|p| percent(p.share.of_arithmetic)),
        of(|p| percent(p.share.of_bandwidth)),
        megabytes(time.planned_bytes + time.resident_bytes),
    ]
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
