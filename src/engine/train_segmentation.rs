//! Trains a segmentation network: graph, data, validation, files. The flow of a whole run on one screen.

use super::model::SegmentationModel;
use super::segmenter::Segmenter;
use super::train::{Feed, Outcome, Progress, Scores, StepGraph, TrainSettings, Trainer, training_graph};
use crate::data::loader::{Loader, LoaderOptions, Source};
use crate::data::pairs::{IGNORE, MaskedPictures};
use crate::data::segmentation::{Segmentation, SegmentationBatch};
use crate::gpu::Gpu;
use crate::graph::{Graph, Variables};
use crate::losses::SegmentationLoss;
use crate::metrics::segmentation::{Confusion, PictureDice};
use crate::nn::{Net, ParameterSpec, initialise};
use crate::ops::Value;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::path::Path;

/// What to train and how, beside the data.
#[derive(Clone, Debug)]
pub struct SegmentationRun {
    /// The network and its input.
    pub model: SegmentationModel,
    /// The loss.
    pub loss: SegmentationLoss,
    /// Pictures in a batch.
    pub batch: usize,
    /// Steps, optimiser, schedule.
    pub settings: TrainSettings,
}

/// What a finished run tells, with the data's side of it.
#[derive(Clone, Debug)]
pub struct SegmentationOutcome {
    /// The loop's side.
    pub outcome: Outcome,
    /// Share of the time that the loop waited for batches, 0 to 1.
    pub data_wait: f64,
    /// Pictures left out because they did not decode.
    pub skipped: usize,
}

/// File name of the best model in a run's folder.
pub const BEST: &str = "best.safetensors";

impl SegmentationRun {
    /// Trains on `train`, validates on `val` (whole pictures), and writes `best.safetensors`, `last.safetensors`, `metrics.csv` and `curves.png`
    /// into `out`.
    pub fn train<D: MaskedPictures, V: MaskedPictures>(
        &self,
        gpu: &Gpu,
        train: Segmentation<D>,
        val: &V,
        out: &Path,
        resume: bool,
        progress: &mut dyn Progress,
    ) -> Result<SegmentationOutcome> {
        let (step, specs) = self.step_graph()?;
        let variables = Variables::new(gpu);
        initialise(&variables, &specs, self.settings.seed)?;
        let mut metadata = self.model.metadata();
        metadata.insert("loss".into(), serde_json::to_string(&self.loss).expect("plain data"));
        metadata.insert("batch".into(), self.batch.to_string());
        let settings = self.settings.clone();
        let targets = step.graph.ty(step.graph.find("targets").expect("added with the loss")).shape;
        let mut trainer =
            Trainer::new(std::slice::from_ref(&step), variables, settings, metadata, out, resume, &["dice", "miou"])?;
        let options =
            LoaderOptions { start: trainer.steps_done(), ..LoaderOptions::training(self.batch, self.settings.seed) };
        let mut loader = Loader::new(train, options)?;
        let outcome = trainer.run(
            || next_feed(&mut loader, [targets[1], targets[2]]),
            |weights| validate(&self.model, weights, val),
            |weights| self.model.save(&out.join(BEST), &weights.snapshot()?),
            progress,
        )?;
        Ok(SegmentationOutcome { outcome, data_wait: loader.waiting().share(), skipped: loader.skipped() })
    }

    /// The graph of one step on a batch of crops, and the network's parameters.
    pub fn step_graph(&self) -> Result<(StepGraph, Vec<ParameterSpec>)> {
        let [h, w] = self.model.crop;
        if self.model.unet.in_channels != 3 {
            let n = self.model.unet.in_channels;
            return Err(Error::Usage(format!("unet: in_channels is {n}, but pictures have 3 channels")));
        }
        if self.batch == 0 {
            return Err(Error::Usage("a batch needs at least one picture".into()));
        }
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32([self.batch, h, w, self.model.unet.in_channels]))?;
        let mut net = Net::new(&mut graph, true);
        let logits = self.model.unet.build(&mut net, images)?;
        let specs = net.specs;
        let loss = add_loss(&mut graph, &self.loss, logits)?;
        Ok((training_graph(graph, loss, &self.settings)?, specs))
    }
}

/// Adds the inputs `targets` and, where the loss has them, `weights`, and the loss itself.
pub fn add_loss(graph: &mut Graph, loss: &SegmentationLoss, logits: Value) -> Result<Value> {
    let ty = graph.ty(logits);
    let channels = ty.shape.channels();
    if loss.binary() != (channels == 1) {
        let cure = "cross_entropy is for several classes, the other losses are for a binary mask";
        return Err(Error::Usage(format!("loss {loss:?} does not fit {channels} channels of logits: {cure}")));
    }
    let targets = graph.input("targets", loss.target_type(&ty))?;
    let weights = match loss.weighted() {
        true => Some(graph.input("weights", loss.weight_type(&ty))?),
        false => None,
    };
    loss.apply(graph, logits, targets, weights)
}

/// The loss that suits a network of `classes` channels: half cross-entropy, half Jaccard for a binary mask.
pub fn usual_loss(classes: usize) -> SegmentationLoss {
    match classes {
        1 => SegmentationLoss::BceJaccard { alpha: 0.5, log: false, weighted: false },
        _ => SegmentationLoss::CrossEntropy {
            ignore_index: i32::from(IGNORE),
            label_smoothing: 0.0,
            class_weights: None,
            weighted: false,
        },
    }
}

/// The next batch; masks and weights are cut to the middle that a network without padding has logits for.
fn next_feed<S: Source<Batch = SegmentationBatch>>(loader: &mut Loader<S>, size: [usize; 2]) -> Result<Feed> {
    let batch = loader.next().expect("training batches do not end")?;
    let mut feed = vec![("images".to_string(), batch.images), ("targets".to_string(), middle(batch.targets, size))];
    feed.extend(batch.weights.map(|w| ("weights".to_string(), middle(w, size))));
    Ok(feed)
}

/// The middle `h` rows and `w` columns of an (N, H, W, ...) tensor.
fn middle(t: Tensor, [h, w]: [usize; 2]) -> Tensor {
    let shape = t.shape().to_vec();
    if shape[1..3] == [h, w] {
        return t;
    }
    let (top, left) = ((shape[1] - h) / 2, (shape[2] - w) / 2);
    let pixel: usize = 4 * shape[3..].iter().product::<usize>();
    let mut bytes = Vec::with_capacity(shape[0] * h * w * pixel);
    for n in 0..shape[0] {
        for y in top..top + h {
            let start = ((n * shape[1] + y) * shape[2] + left) * pixel;
            bytes.extend_from_slice(&t.bytes()[start..start + w * pixel]);
        }
    }
    let cut: Vec<usize> = [&[shape[0], h, w], &shape[3..]].concat();
    Tensor::from_bytes(TensorType { shape: cut.into(), dtype: t.dtype() }, &bytes)
}

/// Mean Dice over the pictures (binary) or over the classes, and mean IoU, on whole pictures.
pub fn validate<V: MaskedPictures>(model: &SegmentationModel, weights: &Variables, val: &V) -> Result<Scores> {
    let mut segmenter = Segmenter::new(model.clone(), weights.clone());
    let mut confusion = Confusion::new(model.classes.len());
    let mut dice = PictureDice::default();
    for i in 0..val.len() {
        let pair = val.get(i)?;
        let found = segmenter.segment(&pair.picture)?;
        confusion.add(&pair.mask, &found.mask);
        dice.add(&pair.mask, &found.mask);
    }
    let scores = confusion.scores();
    let dice = if model.classes.len() == 2 { dice.mean() } else { scores.mean_dice };
    Ok(vec![("dice".into(), dice.unwrap_or(0.0)), ("miou".into(), scores.mean_iou.unwrap_or(0.0))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        let t = Tensor::i32([2, 4, 5], (0..40).collect());
        let cut = middle(t, [2, 3]);
        assert_eq!(cut.shape()[..], [2, 2, 3]);
        assert_eq!(cut.as_i32(), [6, 7, 8, 11, 12, 13, 26, 27, 28, 31, 32, 33]);
    }
}
