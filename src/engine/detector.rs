//! Runs a trained detection network on pictures: letterbox, network, decoding, selection; only the final detections come back.

use super::detection_model::DetectionModel;
use crate::data::letterbox::Placement;
use crate::detection::select::{Select, select_detections};
use crate::detection::{BBox, Detection};
use crate::gpu::{Gpu, Report};
use crate::graph::{Executable, Graph, Precision, Run, Variables};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use image::RgbImage;
use std::collections::HashMap;
use std::path::Path;

/// A trained detection network, ready for pictures.
pub struct Detector {
    variables: Variables,
    model: DetectionModel,
    select: Select,
    precision: Precision,
    /// By number of pictures.
    executables: HashMap<usize, Executable>,
    last_report: Report,
}

impl Detector {
    /// Loads a model onto the best adapter.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_on(&Gpu::open()?, path)
    }

    /// Loads a model onto a device.
    pub fn load_on(gpu: &Gpu, path: impl AsRef<Path>) -> Result<Self> {
        let variables = Variables::new(gpu);
        let model = DetectionModel::load(path.as_ref(), &variables)?;
        Ok(Self::new(model, variables))
    }

    /// Runs `model` with the weights in `variables`, which may go on training.
    pub fn new(model: DetectionModel, variables: Variables) -> Self {
        let (select, last_report) = (Select::default(), Report::default());
        Self { variables, model, select, precision: Precision::F32, executables: HashMap::new(), last_report }
    }

    /// Other thresholds and limits than the usual ones.
    pub fn with_selection(mut self, select: Select) -> Self {
        self.select = select;
        self.executables.clear();
        self
    }

    /// Keeps the weights in another precision; f32 unless told otherwise.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self.executables.clear();
        self
    }

    /// Another input size, height and width. Fails where the network's strides or connected layers do not allow it.
    pub fn with_size(mut self, size: [usize; 2]) -> Result<Self> {
        self.model.size = size;
        self.executables.clear();
        self.executable(1)?;
        Ok(self)
    }

    /// What it runs.
    pub fn model(&self) -> &DetectionModel {
        &self.model
    }

    /// Between host and device during the last batch, its reading back left out: no read-back and no wait.
    pub fn last_report(&self) -> Report {
        self.last_report
    }

    /// Objects in one picture of any size, best first.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Detection>> {
        Ok(self.detect_batch(&[picture])?.remove(0))
    }

    /// Objects in each of some pictures, which go through the network together.
    pub fn detect_batch(&mut self, pictures: &[&RgbImage]) -> Result<Vec<Vec<Detection>>> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        self.start(pictures)?.wait()
    }

    /// Submits a batch and returns without waiting, so that the next one can be prepared while the device works.
    pub fn start(&mut self, pictures: &[&RgbImage]) -> Result<PendingDetections> {
        let [h, w] = self.model.size;
        let mut data = Vec::with_capacity(pictures.len() * h * w * 3);
        let mut placements = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let size = [picture.height() as usize, picture.width() as usize];
            let placement = Placement::new(self.model.fit, size, [h, w]);
            data.extend(placement.image(picture));
            placements.push((placement, size));
        }
        let images = Tensor::f32([pictures.len(), h, w, 3], data);
        let run = self.executable(pictures.len())?.run(&[("images", &images)])?;
        self.last_report = run.report;
        Ok(PendingDetections { run, placements })
    }

    fn executable(&mut self, batch: usize) -> Result<&mut Executable> {
        if !self.executables.contains_key(&batch) {
            let made = self.compile(batch)?;
            self.executables.insert(batch, made);
        }
        Ok(self.executables.get_mut(&batch).expect("just made"))
    }

    fn compile(&self, batch: usize) -> Result<Executable> {
        let [h, w] = self.model.size;
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32([batch, h, w, 3]))?;
        let (boxes, scores) = self.model.build_decoded(&mut graph, images)?;
        let found = select_detections(&mut graph, boxes, scores, &self.select)?;
        let outputs = [found.boxes, found.scores, found.classes, found.counts];
        let named: Vec<_> = ["boxes", "scores", "classes", "counts"].into_iter().zip(outputs).collect();
        Executable::for_inference(&graph, &named, &self.variables, self.precision)
    }
}

/// Detections on their way to the host.
pub struct PendingDetections {
    run: Run,
    /// How each picture lies on the input, and its height and width.
    placements: Vec<(Placement, [usize; 2])>,
}

impl PendingDetections {
    /// Waits for them, and maps the boxes back to each picture's pixels.
    pub fn wait(self) -> Result<Vec<Vec<Detection>>> {
        let results = self.run.wait()?;
        let (boxes, scores) = (results["boxes"].as_f32(), results["scores"].as_f32());
        let (classes, counts) = (results["classes"].as_i32(), results["counts"].as_i32());
        let room = scores.len() / counts.len();
        if boxes.iter().any(|v| v.is_nan()) {
            return Err(Error::NonFinite("the network's boxes; its weights may be damaged".into()));
        }
        let one = |n: usize, (placement, [height, width]): &(Placement, [usize; 2])| {
            let kept = n * room..n * room + counts[n] as usize;
            kept.map(|i| {
                let [x0, y0, x1, y1] = boxes[4 * i..4 * i + 4].try_into().expect("four");
                let bbox = placement.map_back(BBox { x0, y0, x1, y1 }).clipped(*width as f32, *height as f32);
                Detection { bbox, class: classes[i] as usize, score: scores[i] }
            })
            .collect()
        };
        Ok(self.placements.iter().enumerate().map(|(n, p)| one(n, p)).collect())
    }
}
