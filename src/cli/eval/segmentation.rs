//! `wgvision eval` of segmentation networks: pixel accuracy, IoU and Dice.

use super::EvalArgs;
use crate::Result;
use crate::cli::{DeviceArgs, train, write_json};
use crate::data::pairs::{Labels, MaskedPictures, PairFolder, splits};
use crate::engine::Segmenter;
use crate::engine::evaluate::{Evaluation, evaluate};

pub fn run(args: &EvalArgs, device: &DeviceArgs) -> Result<()> {
    let gpu = device.open()?;
    let mut segmenter = Segmenter::load_on(&gpu, &args.model)?.with_precision(args.precision);
    let there = splits(&args.data);
    let split = super::split(args, &there).or_else(|| there.first().cloned()).unwrap_or_default();
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
        Some(path) => write_json(path, &found),
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
