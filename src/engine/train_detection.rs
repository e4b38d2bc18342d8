//! Trains a detection network: graph, data, validation, files. The flow of a whole run on one screen.

use super::detection_model::DetectionModel;
use super::detector::Detector;
use super::evaluate_detection::{detect_all, measured};
use super::parameters;
use super::train::{Feed, Outcome, Progress, Scores, StepGraph, TrainSettings, Trainer, training_graph};
use super::train_segmentation::BEST;
use crate::data::detection::{DetectionBatch, DetectionSource};
use crate::data::labelled::LabelledPictures;
use crate::data::loader::{Loader, LoaderOptions};
use crate::detection::Head;
use crate::detection::loss::head_loss;
use crate::gpu::Gpu;
use crate::graph::{Graph, Variables};
use crate::metrics::voc::means;
use crate::models::darknet::STEP;
use crate::nn::Net;
use crate::ops::add::Add;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What to train and how, beside the data.
#[derive(Clone, Debug)]
pub struct DetectionRun {
    /// The network and its input.
    pub model: DetectionModel,
    /// Pictures in a batch.
    pub batch: usize,
    /// Steps, optimiser, schedule.
    pub settings: TrainSettings,
    /// Weights to start from, in the device's layouts; what is missing starts at random.
    pub start: BTreeMap<String, Tensor>,
}

/// What a finished run tells, with the data's side of it.
#[derive(Clone, Debug)]
pub struct DetectionOutcome {
    /// The loop's side.
    pub outcome: Outcome,
    /// Share of the time that the loop waited for batches, 0 to 1.
    pub data_wait: f64,
    /// Pictures left out because they did not decode.
    pub skipped: usize,
    /// Objects of the batches.
    pub shown: Shown,
}

/// Objects in the batches of a run, each counted as often as it was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// All of them.
    pub objects: u64,
    /// Those for which there was no room, the smallest of their pictures.
    pub left_out: u64,
    /// Those without a mask, where masks are learned.
    pub without_mask: u64,
}

impl Shown {
    /// Counts a batch: the labels it has room for, -1 where there is no box, and what is not among them.
    pub(super) fn add(&mut self, labels: &Tensor, left_out: usize, without_mask: usize) {
        let kept = labels.as_i32().iter().filter(|&&label| label >= 0).count();
        self.objects += (kept + left_out + without_mask) as u64;
        self.left_out += left_out as u64;
        self.without_mask += without_mask as u64;
    }
}

/// Pictures for which YOLOv2's boxes are drawn towards their anchors at the start of a training.
const PRIOR_PICTURES: u64 = 12_800;
/// Weight of that drawing.
const PRIOR_WEIGHT: f32 = 0.01;
/// The logit of a probability of 1 %.
const OBJECT_LOGIT: f32 = -4.595;

impl DetectionRun {
    /// Trains on `train`, validates on `val`, and writes `best.safetensors`, `last.safetensors`, `metrics.csv` and `curves.png` into `out`.
    pub fn train<D: LabelledPictures + 'static>(
        &self,
        gpu: &Gpu,
        train: DetectionSource<D>,
        val: &dyn LabelledPictures,
        out: &Path,
        resume: bool,
        progress: &mut dyn Progress,
    ) -> Result<DetectionOutcome> {
        let sizes = train.multi_scale.map_or(vec![train.size], |m| m.sizes(train.size));
        let steps =
            sizes.iter().map(|&size| self.step_graph(size, train.capacity)).collect::<Result<Vec<StepGraph>>>()?;
        let variables = parameters::begin(gpu, self.model.specs(), &self.start, self.settings.seed)?;
        self.start_doubtful(&variables)?;
        let mut metadata = self.model.metadata();
        metadata.insert("batch".into(), self.batch.to_string());
        metadata.insert("augment".into(), json(&train.augment));
        metadata.insert("multi_scale".into(), json(&train.multi_scale));
        let settings = self.settings.clone();
        let mut trainer = Trainer::new(&steps, variables, settings, metadata, out, resume, &["map50"])?;
        let options =
            LoaderOptions { start: trainer.steps_done(), ..LoaderOptions::training(self.batch, self.settings.seed) };
        let mut at = trainer.steps_done();
        let has_dropout = steps[0].graph.find(STEP).is_some();
        let mut loader = Loader::new(train, options)?;
        let mut shown = Shown::default();
        let outcome = trainer.run(
            || {
                at += 1;
                let batch = loader.next().expect("training batches do not end")?;
                shown.add(&batch.classes, batch.left_out, 0);
                Ok(self.feed(batch, at, has_dropout))
            },
            |weights| validate(&self.model, weights, val),
            |weights| self.model.save(&out.join(BEST), &weights.snapshot()?),
            progress,
        )?;
        Ok(DetectionOutcome { outcome, data_wait: loader.waiting().share(), skipped: loader.skipped(), shown })
    }

    /// The graph of one step on a batch of `size` with up to `capacity` boxes a picture, and the network's parameters.
    pub fn step_graph(&self, size: [usize; 2], capacity: usize) -> Result<StepGraph> {
        let [h, w] = size;
        if self.batch == 0 {
            return Err(Error::Usage("a batch needs at least one picture".into()));
        }
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32([self.batch, h, w, 3]))?;
        let boxes = graph.input("boxes", TensorType::f32([self.batch, capacity, 4]))?;
        let classes = graph.input("classes", TensorType::i32([self.batch, capacity]))?;
        let mut net = Net::new(&mut graph, true);
        let heads = self.model.network.build(&mut net, images)?;
        let prior = match self.has_prior() {
            true => Some(graph.input("prior", TensorType::f32([1]))?),
            false => None,
        };
        let mut total = None;
        for output in &heads {
            let loss = head_loss(&mut graph, &output.head, output.value, boxes, classes, size, prior)?.total;
            total = Some(match total {
                None => loss,
                Some(sum) => graph.add(Add, &[sum, loss])?,
            });
        }
        let loss = total.expect("a detection model has heads");
        training_graph(graph, loss, &self.settings)
    }

    /// Heads of a network that starts at random expect an object at one place in a hundred, which is nearer the truth than one in two:
    /// otherwise the first hundreds of steps go into unlearning the background (Lin et al., "Focal loss", 2017, section 4.1).
    fn start_doubtful(&self, variables: &Variables) -> Result<()> {
        for (anchors, name) in self.model.network.objectness_biases() {
            if self.start.contains_key(&name) {
                continue;
            }
            let mut bias = variables.get(&name)?.as_f32().to_vec();
            let each = bias.len() / anchors;
            bias.iter_mut().skip(4).step_by(each).for_each(|b| *b = OBJECT_LOGIT);
            variables.set(&name, &Tensor::f32([bias.len()], bias))?;
        }
        Ok(())
    }

    fn has_prior(&self) -> bool {
        self.model.network.heads().iter().any(|h| matches!(h, Head::Region(_)))
    }

    /// The tensors of step `step`, counted from 1.
    fn feed(&self, batch: DetectionBatch, step: u64, has_dropout: bool) -> Feed {
        let mut feed = vec![
            ("images".to_string(), batch.images),
            ("boxes".to_string(), batch.boxes),
            ("classes".to_string(), batch.classes),
        ];
        if has_dropout {
            feed.push((STEP.into(), Tensor::u32([1], vec![step as u32])));
        }
        if self.has_prior() {
            let early = (step - 1) * (self.batch as u64) < PRIOR_PICTURES;
            feed.push(("prior".into(), Tensor::f32([1], vec![if early { PRIOR_WEIGHT } else { 0.0 }])));
        }
        feed
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// mAP at an IoU of 0.5, all-point interpolation, on whole pictures.
pub fn validate(model: &DetectionModel, weights: &Variables, val: &dyn LabelledPictures) -> Result<Scores> {
    let detector = Detector::new(model.clone(), weights.clone());
    let select = measured(detector.model());
    let mut detector = detector.with_selection(select);
    let eval = detect_all(&mut detector, val, |_| {})?.voc(model.classes.len());
    let [_, ap] = means(&eval.curves());
    Ok(vec![("map50".into(), ap.unwrap_or(0.0))])
}
