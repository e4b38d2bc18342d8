//! `wgvision demo`.

use super::DeviceArgs;
use super::train::Bars;
use crate::Result;
use crate::engine::demo::demo;
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args)]
pub struct DemoArgs {
    /// Folder for the pictures, the model and the log.
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// Training steps.
    #[arg(long, value_name = "N", default_value_t = 400)]
    steps: u64,
    /// Seed of pictures and weights.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub fn run(args: &DemoArgs, device: &DeviceArgs) -> Result<()> {
    let started = Instant::now();
    let gpu = device.open()?;
    println!("Training a small U-Net on {} to find the digits of licence plates.", gpu.facts().name);
    let mut progress = Bars::new(args.steps);
    let done = demo(&gpu, &args.out, args.steps, args.seed, &mut progress)?;
    progress.finish();
    let file = |name: &str| args.out.join(name).display().to_string();
    println!("Dice of the digits on plates it has never seen: {:.3}", done.dice);
    println!(
        "Average precision of the plate detector that ships, on streets it has never seen: {:.3}\n",
        done.plates_ap50
    );
    println!("  {}   the generated streets, digits marked", file("scenes.png"));
    println!("  {}   what the network finds beside the truth", file("digits.png"));
    println!("  {}   plates found in streets, and their digits", file("streets.png"));
    println!("  {}   loss and Dice over the steps", file("curves.png"));
    println!("  {}   the model, for `wgvision segment`", file("best.safetensors"));
    println!(
        "\n{:.0} s, of which {:.1} % waiting for data.",
        started.elapsed().as_secs_f64(),
        100.0 * done.run.data_wait
    );
    Ok(())
}
