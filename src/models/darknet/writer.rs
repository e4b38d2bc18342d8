//! Writes the sections of a cfg: the layers that the built-in networks are made of.

use super::builtin::BuiltinArgs;
use crate::{Error, Result};
use std::fmt::Write;

/// Side of a head's cell in pixels, for the networks whose anchors are counted in cells.
const CELL: f32 = 32.0;

/// Writes sections.
pub struct Writer<'a> {
    name: &'a str,
    /// What it is made for.
    pub args: &'a BuiltinArgs,
    text: String,
}

impl<'a> Writer<'a> {
    /// The `[net]` section.
    pub fn new(name: &'a str, args: &'a BuiltinArgs) -> Self {
        let [h, w] = args.size;
        let text = format!("# {name} for {} classes\n[net]\nheight={h}\nwidth={w}\nchannels=3\n", args.classes);
        Self { name, args, text }
    }

    /// The text so far.
    pub fn text(self) -> String {
        self.text
    }

    /// A section of any kind.
    pub fn section(&mut self, name: &str, entries: &[(&str, &dyn std::fmt::Display)]) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "\n[{name}]\n");
        for (key, value) in entries {
            let _ = writeln!(self.text, "{key}={value}");
        }
    }

    /// A convolution with batch norm and leaky ReLU.
    pub fn conv(&mut self, filters: usize, size: usize, stride: usize) {
        self.section(
            "convolutional",
            &[
                ("batch_normalize", &1),
                ("filters", &filters),
                ("size", &size),
                ("stride", &stride),
                ("pad", &1),
                ("activation", &"leaky"),
            ],
        );
    }

    /// Convolutions of stride 1: (channels, side).
    pub fn convs(&mut self, all: &[(usize, usize)]) {
        for &(filters, size) in all {
            self.conv(filters, size, 1);
        }
    }

    /// A 2x2 max pool.
    pub fn pool(&mut self, stride: usize) {
        self.section("maxpool", &[("size", &2), ("stride", &stride)]);
    }

    /// The layers named, one after the other.
    pub fn route(&mut self, layers: &str) {
        self.section("route", &[("layers", &layers)]);
    }

    /// Twice the height and width.
    pub fn upsample(&mut self) {
        self.section("upsample", &[("stride", &2)]);
    }

    /// A connected layer with biases.
    pub fn connected(&mut self, output: usize, activation: &str) {
        self.section("connected", &[("output", &output), ("activation", &activation)]);
    }

    /// The last convolution before a head of `anchors` anchors.
    pub fn features(&mut self, anchors: usize) {
        let filters = anchors * (5 + self.args.classes);
        self.section(
            "convolutional",
            &[("filters", &filters), ("size", &1), ("stride", &1), ("pad", &1), ("activation", &"linear")],
        );
    }

    /// The anchors in use, in pixels, if `heads` can share them.
    pub fn anchors(&self, published: &[[f32; 2]], heads: usize) -> Result<Vec<[f32; 2]>> {
        let anchors = self.args.anchors.clone().unwrap_or_else(|| published.to_vec());
        if anchors.is_empty() || !anchors.len().is_multiple_of(heads) {
            let message = format!("{}: {} anchors cannot be shared by {heads} heads", self.name, anchors.len());
            return Err(Error::Usage(message));
        }
        match anchors.iter().flatten().find(|v| !(v.is_finite() && **v > 0.0)) {
            Some(v) => Err(Error::Usage(format!("{}: anchors must be positive, got {v}", self.name))),
            None => Ok(anchors),
        }
    }

    /// The last convolution and a `[yolo]` head with the `part`th of `heads` equal shares of the anchors.
    pub fn yolo(&mut self, anchors: &[[f32; 2]], part: usize, heads: usize) {
        let share = anchors.len() / heads;
        self.features(share);
        let mask: Vec<String> = (part * share..(part + 1) * share).map(|i| i.to_string()).collect();
        self.section(
            "yolo",
            &[
                ("mask", &mask.join(",")),
                ("anchors", &listed(anchors)),
                ("classes", &self.args.classes),
                ("num", &anchors.len()),
                ("ignore_thresh", &0.7),
                ("truth_thresh", &1),
            ],
        );
    }

    /// The last convolution and a `[region]` head.
    pub fn region(&mut self, published: &[[f32; 2]]) -> Result<()> {
        let anchors = self.anchors(published, 1)?;
        let cells: Vec<[f32; 2]> = anchors.iter().map(|a| a.map(|v| v / CELL)).collect();
        self.features(cells.len());
        self.section(
            "region",
            &[
                ("anchors", &listed(&cells)),
                ("bias_match", &1),
                ("classes", &self.args.classes),
                ("coords", &4),
                ("num", &cells.len()),
                ("softmax", &1),
                ("rescore", &1),
                ("object_scale", &5),
                ("noobject_scale", &1),
                ("class_scale", &1),
                ("coord_scale", &1),
                ("thresh", &0.6),
            ],
        );
        Ok(())
    }

    /// A `[detection]` head.
    pub fn detection(&mut self, side: usize, num: usize) {
        self.section(
            "detection",
            &[
                ("classes", &self.args.classes),
                ("coords", &4),
                ("rescore", &1),
                ("side", &side),
                ("num", &num),
                ("softmax", &0),
                ("sqrt", &1),
                ("object_scale", &1),
                ("noobject_scale", &0.5),
                ("class_scale", &1),
                ("coord_scale", &5),
            ],
        );
    }
}

/// Anchors counted in cells, in pixels.
pub fn cells<const N: usize>(anchors: [[f32; 2]; N]) -> [[f32; 2]; N] {
    anchors.map(|a| a.map(|v| v * CELL))
}

/// Pairs as a cfg has them.
fn listed(anchors: &[[f32; 2]]) -> String {
    let pairs: Vec<String> = anchors.iter().map(|[w, h]| format!("{w},{h}")).collect();
    pairs.join(", ")
}
