//! Runs a trained segmentation network on pictures of any size.

use super::model::SegmentationModel;
use crate::data::tiles::Tiling;
use crate::gpu::Gpu;
use crate::graph::{Executable, Graph, Precision, Variables};
use crate::models::unet::Padding;
use crate::nn::Net;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::softmax::Softmax;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use image::RgbImage;
use std::collections::HashMap;
use std::path::Path;

/// A trained network, ready for pictures.
pub struct Segmenter {
    variables: Variables,
    model: SegmentationModel,
    tile: usize,
    precision: Precision,
    executables: HashMap<[usize; 2], Executable>,
}

/// What a network says of a picture.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Height and width of the picture.
    pub size: [usize; 2],
    /// (H, W, classes) for several classes, (H, W, 1) with the foreground's probability for a binary network.
    pub probabilities: Tensor,
    /// Class of each pixel, row by row.
    pub mask: Vec<u8>,
}

/// Pictures up to this side go through the network in one piece.
const TILE: usize = 512;

impl Segmenter {
    /// Loads a model onto the best adapter.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_on(&Gpu::open()?, path)
    }

    /// Loads a model onto a device.
    pub fn load_on(gpu: &Gpu, path: impl AsRef<Path>) -> Result<Self> {
        let variables = Variables::new(gpu);
        let model = SegmentationModel::load(path.as_ref(), &variables)?;
        Ok(Self::new(model, variables))
    }

    /// Runs `model` with the weights in `variables`, which may go on training.
    pub fn new(model: SegmentationModel, variables: Variables) -> Self {
        Self { variables, model, tile: TILE, precision: Precision::F32, executables: HashMap::new() }
    }

    /// Pictures larger than `side` pixels are cut into tiles. Fails below twice the network's multiple.
    pub fn with_tile(mut self, side: usize) -> Result<Self> {
        let least = 2 * self.model.unet.multiple();
        if side < least {
            return Err(Error::Usage(format!(
                "tiles of {side} pixels are too small for this network; use at least {least}"
            )));
        }
        self.tile = side;
        Ok(self)
    }

    /// Keeps weights and activations in another precision; f32 unless told otherwise.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self.executables.clear();
        self
    }

    /// What it runs.
    pub fn model(&self) -> &SegmentationModel {
        &self.model
    }

    /// Classes of all pixels of a picture of any size; large ones are cut into overlapping tiles whose results are blended.
    pub fn segment(&mut self, picture: &RgbImage) -> Result<Segmentation> {
        let size = [picture.height() as usize, picture.width() as usize];
        let input = self.model.normalise.picture(picture);
        let frames = [0, 1].map(|d| self.frame(size[d]));
        let tile = [frames[0].output, frames[1].output];
        let context = (frames[0].input - frames[0].output) / 2;
        let overlap = if tile[0] >= size[0] && tile[1] >= size[1] { 0 } else { tile[0].min(tile[1]) / 4 };
        let tiling = Tiling::new(size, tile, overlap)?.with_context(context);
        let executable = self.executable([frames[0].input, frames[1].input])?;
        let mut blend: Option<crate::data::tiles::Blend<'_>> = None;
        // The next tile is submitted before the last one is read, so that the device does not wait for the host.
        let mut running = None;
        for i in 0..=tiling.len() {
            let next = match i < tiling.len() {
                true => {
                    let cut = tiling.cut(&input, i);
                    let [h, w, c]: [usize; 3] = cut.shape()[..].try_into().expect("rank 3");
                    Some((i, executable.run(&[("images", &cut.reshaped([1, h, w, c])?)])?))
                }
                false => None,
            };
            if let Some((at, run)) = std::mem::replace(&mut running, next) {
                let run: crate::graph::Run = run;
                let values = run.wait_for("probabilities")?;
                let channels = values.shape().channels();
                blend.get_or_insert_with(|| tiling.blend(channels)).add(at, values.as_f32());
            }
        }
        let probabilities = blend.expect("every picture has a tile").finish();
        Ok(Segmentation { size, mask: classes(&probabilities), probabilities })
    }

    /// Input and output side for one side of a picture.
    fn frame(&self, side: usize) -> Frame {
        let unet = &self.model.unet;
        let wanted = side.min(self.tile);
        match unet.padding {
            Padding::Same => {
                let input = wanted.next_multiple_of(unet.multiple());
                Frame { input, output: input }
            }
            Padding::Valid => {
                let fits = |&s: &usize| unet.valid_output(s).is_some_and(|out| out >= wanted);
                let input = (4..).find(fits).expect("some side fits");
                Frame { input, output: unet.valid_output(input).expect("fits") }
            }
        }
    }

    fn executable(&mut self, input: [usize; 2]) -> Result<&mut Executable> {
        if !self.executables.contains_key(&input) {
            let made = self.compile(input)?;
            self.executables.insert(input, made);
        }
        Ok(self.executables.get_mut(&input).expect("just made"))
    }

    fn compile(&self, [h, w]: [usize; 2]) -> Result<Executable> {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32([1, h, w, self.model.unet.in_channels]))?;
        let logits = self.model.unet.build(&mut Net::new(&mut graph, false), images)?;
        let probabilities = match self.model.unet.classes {
            1 => graph.named("probabilities", Sigmoid, &[logits])?,
            _ => graph.named("probabilities", Softmax { dim: 3 }, &[logits])?,
        };
        Executable::for_inference(&graph, &[("probabilities", probabilities)], &self.variables, self.precision)
    }
}

#[derive(Clone, Copy)]
struct Frame {
    input: usize,
    output: usize,
}

/// The most probable class of each pixel; for one channel, 1 where the probability is at least a half.
fn classes(probabilities: &Tensor) -> Vec<u8> {
    let channels = probabilities.shape().channels();
    let pixels = probabilities.as_f32().chunks_exact(channels);
    if channels == 1 {
        return pixels.map(|p| u8::from(p[0] >= 0.5)).collect();
    }
    let best = |p: &[f32]| (0..channels).fold(0, |best, c| if p[c] > p[best] { c } else { best });
    pixels.map(|p| best(p) as u8).collect()
}
