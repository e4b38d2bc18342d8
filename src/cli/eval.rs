//! `wgvision eval`: pixel accuracy, IoU and Dice.

use super::{DeviceArgs, train};
use crate::Result;
use crate::data::pairs::{Labels, MaskedPictures, PairFolder, splits};
use crate::engine::Segmenter;
use crate::engine::evaluate::{Evaluation, evaluate};
use crate::graph::Precision;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct EvalArgs {
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Folder with images/SPLIT and masks/SPLIT.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which split (default: test, else val, else whatever there is).
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Weights in f32, or rounded to f16: half the bytes to read, sums in f32 all the same.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    precision: Precision,
}

pub fn run(args: &EvalArgs, device: &DeviceArgs) -> Result<()> {
    let gpu = device.open()?;
    let mut segmenter = Segmenter::load_on(&gpu, &args.model)?.with_precision(args.precision);
    let there = splits(&args.data);
    let preferred = ["test", "val"].into_iter().find(|s| there.iter().any(|t| t == s)).map(str::to_string);
    let split = args.split.clone().or(preferred).or_else(|| there.first().cloned()).unwrap_or_default();
    let labels = match segmenter.model().classes.len() {
        2 => Labels::Binary,
        n => Labels::Classes(n as u8),
    };
    let data = PairFolder::open(&args.data, &split, labels)?;
    let bar = train::bar(data.len() as u64, "pictures");
    let found = evaluate(&mut segmenter, &data, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    print(&found);
    match &args.json {
        Some(path) => super::write_json(path, &found),
        None => Ok(()),
    }
}

fn print(e: &Evaluation) {
    let percent = |v: Option<f64>| v.map_or("-".to_string(), |v| format!("{:.2} %", 100.0 * v));
    println!("{} pictures", e.pictures);
    println!("{:<24} {:>9} {:>9}", "class", "IoU", "Dice");
    for (i, class) in e.classes.iter().enumerate() {
        println!("{class:<24} {:>9} {:>9}", percent(e.scores.iou[i]), percent(e.scores.dice[i]));
    }
    println!("{:<24} {:>9} {:>9}", "mean", percent(e.scores.mean_iou), percent(e.scores.mean_dice));
    println!("pixel accuracy {}", percent(e.scores.pixel_accuracy));
    if let Some(dice) = e.picture_dice {
        println!("mean Dice over the pictures {dice:.4}");
    }
}
