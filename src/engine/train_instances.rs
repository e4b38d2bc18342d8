//! Trains Fast, Faster or Mask R-CNN or RetinaNet: graph, data, validation, files. The flow of a whole run on one screen.

use super::detector::Detector;
use super::evaluate_detection::detect_all;
use super::instance_model::InstanceModel;
use super::parameters;
use super::train::{Feed, Progress, Scores, StepGraph, TrainSettings, Trainer, training_graph};
use super::train_detection::{DetectionOutcome, Shown};
use super::train_segmentation::BEST;
use crate::data::instances::{InstanceBatch, InstanceSource};
use crate::data::labelled::LabelledPictures;
use crate::data::loader::{Loader, LoaderOptions};
use crate::detection::truth::{Chance, Truth};
use crate::gpu::Gpu;
use crate::graph::{Graph, Variables};
use crate::metrics::coco::CocoEval;
use crate::models::instance::{IMAGES, SIZES, inputs};
use crate::nn::Net;
use crate::ops::add::Add;
use crate::optim::Optimizer;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

/// What to train and how, beside the data.
#[derive(Clone, Debug)]
pub struct InstanceRun {
    /// The network and its input.
    pub model: InstanceModel,
    /// Pictures in a batch.
    pub batch: usize,
    /// Steps, optimiser, schedule.
    pub settings: TrainSettings,
    /// Weights to start from, in the device's layouts; what is missing starts at random.
    pub start: BTreeMap<String, Tensor>,
}

/// Names of the step's inputs beside the pictures.
const BOXES: &str = "gt_boxes";
const LABELS: &str = "gt_labels";
const MASKS: &str = "gt_masks";
const STEP: &str = "step";

impl InstanceRun {
    /// Trains on `train`, validates on `val`, and writes `best.safetensors`, `last.safetensors`, `metrics.csv` and `curves.png` into `out`.
    pub fn train<D: LabelledPictures + 'static>(
        &self,
        gpu: &Gpu,
        train: InstanceSource<D>,
        val: &dyn LabelledPictures,
        out: &Path,
        resume: bool,
        progress: &mut dyn Progress,
    ) -> Result<DetectionOutcome> {
        let Some(canvas) = train.transform.canvas else {
            return Err(Error::Usage("training needs a canvas: one size for all batches".into()));
        };
        let step = self.step_graph(canvas, train.capacity)?;
        let variables = parameters::begin(gpu, self.model.specs(), &self.start, self.settings.seed)?;
        let mut metadata = self.model.metadata();
        metadata.insert("batch".into(), self.batch.to_string());
        metadata.insert("augment".into(), serde_json::to_string(&train.augment).expect("plain data"));
        let columns: &[&str] = if self.model.network.masks() { &["mask_ap50", "box_ap50"] } else { &["box_ap50"] };
        let settings = self.settings.clone();
        let mut trainer = Trainer::new(&[step], variables, settings, metadata, out, resume, columns)?;
        let at = Cell::new(trainer.steps_done());
        let options = LoaderOptions { start: at.get(), ..LoaderOptions::training(self.batch, self.settings.seed) };
        let mut loader = Loader::new(train, options)?;
        let mut shown = Shown::default();
        let outcome = trainer.run(
            || {
                at.set(at.get() + 1);
                let batch = loader.next().expect("training batches do not end")?;
                shown.add(&batch.gt_labels, batch.left_out, batch.without_mask);
                Ok(feed(batch, at.get()))
            },
            |weights| validate(&self.model, weights, val),
            |weights| self.model.save(&out.join(BEST), &weights.snapshot()?, at.get()),
            progress,
        )?;
        Ok(DetectionOutcome { outcome, data_wait: loader.waiting().share(), skipped: loader.skipped(), shown })
    }

    /// The graph of one step on a batch of pictures on a canvas of height and width `size`, with up to `capacity` true boxes each: transform,
    /// network, proposals, matching, sampling, losses, gradients and update, all on the device.
    pub fn step_graph(&self, size: [usize; 2], capacity: usize) -> Result<StepGraph> {
        let network = &self.model.network;
        if self.batch == 0 || capacity == 0 {
            return Err(Error::Usage("a batch needs at least one picture, and room for at least one box".into()));
        }
        if network.takes_proposals() {
            return Err(Error::Usage("Fast R-CNN trains on regions of your own: build its graph with `losses`".into()));
        }
        let mut graph = Graph::new();
        let pictures = inputs(&mut graph, self.batch, size, None)?;
        let truth = truth_inputs(&mut graph, self.batch, size, capacity, network.masks())?;
        let step = graph.input(STEP, TensorType::u32([1]))?;
        let chance = Chance { seed: self.settings.seed as u32, step };
        let losses = network.losses(&mut Net::new(&mut graph, true), &pictures, &truth, &chance)?;
        let mut total = losses[0].1;
        for (_, part) in &losses[1..] {
            total = graph.add(Add, &[total, *part])?;
        }
        // Charts know losses by that word.
        let named = |name: &str| if name.contains("loss") { name.to_string() } else { format!("loss_{name}") };
        let parts = losses.into_iter().map(|(name, value)| (named(name), value)).collect();
        Ok(StepGraph { parts, ..training_graph(graph, total, &self.settings)? })
    }
}

/// What torchvision's recipes train these networks with.
pub fn usual_optimizer() -> Optimizer {
    Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 1e-4 }
}

/// Declares the true objects of a batch; see [`Truth`].
pub fn truth_inputs(graph: &mut Graph, n: usize, [h, w]: [usize; 2], capacity: usize, masks: bool) -> Result<Truth> {
    Ok(Truth {
        boxes: graph.input(BOXES, TensorType::f32([n, capacity, 4]))?,
        labels: graph.input(LABELS, TensorType::i32([n, capacity]))?,
        masks: match masks {
            true => Some(graph.input(MASKS, TensorType::u32([n, capacity, h, w.div_ceil(32)]))?),
            false => None,
        },
    })
}

/// The tensors of step `step`, counted from 1.
pub fn feed(batch: InstanceBatch, step: u64) -> Feed {
    let mut feed = vec![
        (IMAGES.to_string(), batch.images),
        (SIZES.to_string(), batch.image_sizes),
        (BOXES.to_string(), batch.gt_boxes),
        (LABELS.to_string(), batch.gt_labels),
        (STEP.to_string(), Tensor::u32([1], vec![step as u32])),
    ];
    feed.extend(batch.gt_masks.map(|masks| (MASKS.to_string(), masks)));
    feed
}

/// COCO's average precision at an IoU of 0.5, of the masks first where there are some.
pub fn validate(model: &InstanceModel, weights: &Variables, val: &dyn LabelledPictures) -> Result<Scores> {
    let mut detector = Detector::new(model.clone(), weights.clone());
    let all = detect_all(&mut detector, val, |_| {})?;
    let classes = model.classes.len();
    // A class without objects has no average precision, which COCO writes as -1.
    let ap50 = |eval: CocoEval| eval.numbers().ap50.max(0.0);
    let mut scores = Vec::new();
    if model.network.masks() {
        scores.push(("mask_ap50".to_string(), ap50(all.coco_masks(classes)?)));
    }
    scores.push(("box_ap50".to_string(), ap50(all.coco(classes))));
    Ok(scores)
}
