//! The command line: arguments in, results on stdout, progress on stderr. All work is done by the layers below.

mod anchors;
mod bench;
mod built_in;
mod convert;
mod demo;
mod detect;
mod eval;
mod info;
mod models;
mod network;
mod op;
mod profile;
mod segment;
mod summary;
mod table;
mod train;
mod tune;

use crate::Result;
use crate::data::classes::read_class_map;
use crate::data::formats::{open_detection, open_instances};
use crate::data::labelled::{LabelledFiles, LabelledPictures, Report};
use crate::gpu::{Gpu, Options};
use crate::models::darknet::{BuiltinArgs, Darknet, NAMES, builtin};
use crate::models::instance::{self, InstanceNet};
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// Detection and segmentation networks on any GPU, without CUDA.
#[derive(Parser)]
#[command(name = "wgvision", version, about, max_term_width = 100, args_override_self = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Which device to use.
#[derive(Args, Clone, Debug, Default)]
struct DeviceArgs {
    /// Part of the adapter's name, or its number in `wgvision info` (default: $WGVISION_ADAPTER, else the best).
    #[arg(long, global = true, value_name = "NAME|INDEX")]
    adapter: Option<String>,
    /// Show what is going on (twice for more).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl DeviceArgs {
    fn open(&self) -> Result<Gpu> {
        Gpu::open_with(&Options { adapter: self.adapter.clone(), ..Default::default() })
    }
}

#[derive(Subcommand)]
enum Command {
    /// Adapters, limits, features, and what the engine will use.
    Info(info::InfoArgs),
    /// Train and run on built-in pictures, in a few minutes on any adapter.
    Demo(demo::DemoArgs),
    /// Architectures with parameters and multiply-adds.
    Models(models::ModelsArgs),
    /// Layer table and planned memory of a network.
    Summary(summary::SummaryArgs),
    /// Turn another program's network into a model file.
    Convert(convert::ConvertArgs),
    /// Find objects in pictures: annotated pictures, JSON.
    Detect(detect::DetectArgs),
    /// Segment pictures: masks, overlays, JSON.
    Segment(segment::SegmentArgs),
    /// Train a network on your data.
    Train(Box<train::TrainArgs>),
    /// Measure a trained network.
    Eval(eval::EvalArgs),
    /// Fit anchor boxes to a data set.
    Anchors(anchors::AnchorsArgs),
    /// Run one kernel on your own tensors.
    Op(op::OpArgs),
    /// Time kernels and whole networks.
    Bench(bench::BenchArgs),
    /// Where the time of a network's inference or training step goes, by node and by kernel.
    Profile(profile::ProfileArgs),
    /// Find out which kernels are fastest on this device, and keep it for later runs.
    Tune(tune::TuneArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let usage = e.use_stderr();
            // Nothing can be done if even this cannot be printed.
            let _ = e.print();
            return if usage { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    start_logging(cli.device.verbose);
    let device = &cli.device;
    let result = match cli.command {
        Command::Info(args) => info::run(&args, device),
        Command::Demo(args) => demo::run(&args, device),
        Command::Models(args) => models::run(&args),
        Command::Summary(args) => summary::run(&args, device),
        Command::Convert(args) => convert::run(&args),
        Command::Detect(args) => detect::run(&args, device),
        Command::Segment(args) => segment::run(&args, device),
        Command::Train(args) => train::run(&args, device),
        Command::Eval(args) => eval::run(&args, device),
        Command::Anchors(args) => anchors::run(&args),
        Command::Op(args) => op::run(&args, device),
        Command::Bench(args) => bench::run(&args, device),
        Command::Profile(args) => profile::run(&args, device),
        Command::Tune(args) => tune::run(&args, device),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(verbose: u8) {
    use tracing_subscriber::filter::EnvFilter;
    // Compiling for long is told unasked.
    let default =
        ["wgvision=warn,wgvision::gpu::pipeline=info", "wgvision=info", "wgvision=debug"][usize::from(verbose.min(2))];
    let filter = EnvFilter::try_from_env("WGVISION_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_writer(std::io::stderr)
        .init();
}

/// A built-in Darknet network as it was published, or which architectures there are.
fn published(name: &str) -> Result<BuiltinArgs> {
    BuiltinArgs::published(name).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().chain(instance::NAMES).copied().collect();
        let names = names.join(", ");
        let message = format!("no architecture is named '{name}'; there are: unet, {names}, and Darknet's .cfg files");
        crate::Error::Usage(message)
    })
}

/// A built-in detector by name, or one from a `.cfg` file.
fn darknet(name: &str, classes: Option<usize>, size: Option<[usize; 2]>) -> Result<Darknet> {
    if name.ends_with(".cfg") {
        return Darknet::read(Path::new(name));
    }
    let mut args = published(name)?;
    args.classes = classes.unwrap_or(args.classes);
    args.size = size.unwrap_or(args.size);
    builtin(name, &args)
}

/// Labelled pictures for a detector, with the classes called as the file of a class map says, and with masks if they are wanted.
fn labelled(
    path: &Path,
    split: Option<&str>,
    classes: Option<&[String]>,
    map: Option<&Path>,
    masks: bool,
) -> Result<(LabelledFiles, Report)> {
    let open =
        |classes| if masks { open_instances(path, split, classes) } else { open_detection(path, split, classes) };
    let Some(map) = map else { return open(classes) };
    let (files, report) = open(None)?;
    let mut map = read_class_map(map)?;
    if classes.is_some() {
        // A validation split need not have every class of the training split.
        map.retain(|name, _| files.classes().contains(name));
    }
    let files = files.renamed(&map)?;
    Ok((if let Some(classes) = classes { files.with_classes(classes)? } else { files }, report))
}

/// Reads the JSON argument `name`: the text itself, or `@file`.
fn json_argument(name: &str, text: &str) -> Result<serde_json::Value> {
    let (text, place) = match text.strip_prefix('@') {
        Some(path) => (std::fs::read_to_string(path).map_err(|e| crate::Error::io(path, e))?, path.to_string()),
        None => (text.to_string(), name.to_string()),
    };
    serde_json::from_str(&text).map_err(|e| crate::Error::Usage(format!("{place} is no JSON: {e}")))
}

/// The network with what the JSON argument `name` says of it.
fn changed(network: &InstanceNet, name: &str, text: &str) -> Result<InstanceNet> {
    let changed = network.changed(json_argument(name, text)?);
    changed.map_err(|e| crate::Error::Usage(format!("{name}: {e}")))
}

/// Writes pretty JSON to a file, whole or not at all.
fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    crate::weights::write_atomically(path, text.as_bytes())
}

/// A number from 0 to 1.
fn parse_share<T: std::str::FromStr + Copy + Into<f64>>(text: &str) -> std::result::Result<T, String> {
    let number = text.parse().ok().filter(|v: &T| (0.0..=1.0).contains(&(*v).into()));
    number.ok_or_else(|| format!("'{text}' is no number from 0 to 1"))
}

/// `512` or `480x640` (height x width).
fn parse_size(text: &str) -> std::result::Result<[usize; 2], String> {
    let wrong = || format!("'{text}' is no size; write a number, or HEIGHTxWIDTH such as 480x640");
    let number = |t: &str| t.parse::<usize>().ok().filter(|&n| n > 0 && n <= 1 << 16).ok_or_else(wrong);
    match text.split_once('x') {
        Some((h, w)) => Ok([number(h)?, number(w)?]),
        None => number(text).map(|n| [n, n]),
    }
}
