//! `wgvision anchors`: anchor boxes fitted to a data set, as a cfg wants them.

use super::{labelled, parse_size};
use crate::Result;
use crate::data::anchors::{Anchors, fit, shapes};
use crate::data::letterbox::Fit;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct AnchorsArgs {
    /// Labelled pictures: a Pascal VOC folder, YOLO labels, COCO JSON.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many anchors.
    #[arg(short = 'k', long = "count", value_name = "N")]
    count: usize,
    /// Input size of the network.
    #[arg(long, value_name = "HxW", default_value = "416", value_parser = parse_size)]
    size: [usize; 2],
    /// Which split (default: all there is).
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// What the labels' classes are to be called, as JSON: {"bus": "vehicle", "car": "vehicle", "kite": null}; null leaves boxes out.
    #[arg(long, value_name = "FILE")]
    class_map: Option<PathBuf>,
    /// The network gets pictures stretched to its size, not letterboxed.
    #[arg(long)]
    stretch: bool,
    /// Seed of the random starts.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub fn run(args: &AnchorsArgs) -> Result<()> {
    let (files, report) = labelled(&args.data, args.split.as_deref(), None, args.class_map.as_deref(), false)?;
    println!("{report}");
    let way = if args.stretch { Fit::Stretch } else { Fit::Letterbox };
    let found = fit(&shapes(&files, way, args.size)?, args.count, args.seed)?;
    print(&found, args.size);
    Ok(())
}

/// Darknet's coarsest grid, in whose cells YOLOv2 gives its anchors.
const CELL: f32 = 32.0;

fn print(found: &Anchors, [h, w]: [usize; 2]) {
    println!(
        "{} anchors for {} boxes on {w}x{h} pixels, mean IoU {:.4}",
        found.shapes.len(),
        found.boxes,
        found.mean_iou
    );
    println!("in pixels, for [yolo]:\nanchors = {}", line(found, |v| format!("{v:.0}")));
    println!("in cells of {CELL} pixels, for [region]:\nanchors = {}", line(found, |v| format!("{:.5}", v / CELL)));
}

fn line(found: &Anchors, number: impl Fn(f32) -> String) -> String {
    let pairs: Vec<String> = found.shapes.iter().map(|[w, h]| format!("{},{}", number(*w), number(*h))).collect();
    pairs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_a_cfg_has_them() {
        let found = Anchors { shapes: vec![[10.4, 13.0], [64.0, 32.0]], mean_iou: 0.7, boxes: 9 };
        assert_eq!(line(&found, |v| format!("{v:.0}")), "10,13, 64,32");
        assert_eq!(line(&found, |v| format!("{:.5}", v / CELL)), "0.32500,0.40625, 2.00000,1.00000");
    }
}
