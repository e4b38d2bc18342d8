//! Runs a trained detector on pictures: to the network's input, network, choice of detections; only the final detections come back, and the
//! small masks of those that have some.

use super::detection_model::DetectionModel;
use super::detector_model::DetectorModel;
use super::instance_model::InstanceModel;
use crate::data::letterbox::Placement;
use crate::data::resize::{RcnnBatch, Resized};
use crate::detection::paste::paste;
use crate::detection::select::{Select, select_detections};
use crate::detection::{BBox, Detection, Instance, Mask};
use crate::gpu::{Gpu, Report};
use crate::graph::{Executable, Graph, Precision, Run, Variables};
use crate::models::instance::{IMAGES, PROPOSALS, SIZES, inputs};
use crate::nn::Net;
use crate::ops::Value;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use image::RgbImage;
use std::path::Path;

/// A trained detector, ready for pictures.
pub struct Detector {
    variables: Variables,
    model: DetectorModel,
    select: Select,
    precision: Precision,
    /// Programs for the batches that came last, the latest last.
    programs: Vec<(Batch, Executable)>,
    last_report: Report,
}

/// What a program is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    pictures: usize,
    /// Height and width of the input.
    size: [usize; 2],
    /// Room for regions that are given.
    regions: Option<usize>,
}

/// Programs that are kept: pictures of different sizes take turns.
const KEPT: usize = 8;

impl Detector {
    /// Loads a model onto the best adapter.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_on(&Gpu::open()?, path)
    }

    /// Loads a model onto a device.
    pub fn load_on(gpu: &Gpu, path: impl AsRef<Path>) -> Result<Self> {
        let variables = Variables::new(gpu);
        let model = DetectorModel::load(path.as_ref(), &variables)?;
        Ok(Self::new(model, variables))
    }

    /// Runs `model` with the weights in `variables`, which may go on training.
    pub fn new(model: impl Into<DetectorModel>, variables: Variables) -> Self {
        let model = model.into();
        let (select, last_report) = (model.usual_selection(), Report::default());
        Self { variables, model, select, precision: Precision::F32, programs: Vec::new(), last_report }
    }

    /// Other thresholds and limits than the model's usual ones. R-CNN and RetinaNet take the score, the overlap and the number of detections from it.
    pub fn with_selection(mut self, select: Select) -> Self {
        if let DetectorModel::Instance(model) = &mut self.model {
            model.network.select_by(&select);
        }
        self.select = select;
        self.programs.clear();
        self
    }

    /// Keeps weights and activations in another precision; f32 unless told otherwise.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self.programs.clear();
        self
    }

    /// Another input size, height and width: of a Darknet network's input; for the others what the shorter and the longer side of a picture are
    /// made at most. Fails where the network's strides or connected layers do not allow it.
    pub fn with_size(mut self, size: [usize; 2]) -> Result<Self> {
        self.programs.clear();
        match &mut self.model {
            DetectorModel::Darknet(model) => model.size = size,
            DetectorModel::Instance(model) => {
                let [h, w] = size;
                (model.transform.min_size, model.transform.max_size) = (h.min(w), h.max(w));
                return Ok(self);
            }
        }
        self.program(Batch { pictures: 1, size, regions: None })?;
        Ok(self)
    }

    /// What it runs.
    pub fn model(&self) -> &DetectorModel {
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
        Ok(self.start(pictures)?.wait()?.into_iter().map(|found| found.detections).collect())
    }

    /// Objects in one picture with their masks, best first. Fails if the network draws none.
    pub fn detect_instances(&mut self, picture: &RgbImage) -> Result<Vec<Instance>> {
        self.start(&[picture])?.wait()?.remove(0).instances()
    }

    /// Objects in regions of a picture, for Fast R-CNN. Regions are in pixels of the picture.
    pub fn detect_regions(&mut self, picture: &RgbImage, regions: &[BBox]) -> Result<Vec<Detection>> {
        let DetectorModel::Instance(model) = &self.model else {
            return Err(Error::Usage("this network takes no regions".into()));
        };
        if !model.network.takes_proposals() {
            return Err(Error::Usage("this network finds regions itself: use detect".into()));
        }
        if regions.is_empty() {
            return Ok(Vec::new());
        }
        let batch = model.transform.batch(&[picture]);
        let placed = regions.iter().map(|&region| batch.resized[0].map(region));
        let data: Vec<f32> = placed.flat_map(|b| [b.x0, b.y0, b.x1, b.y1]).collect();
        let proposals = Tensor::f32([1, regions.len(), 4], data);
        Ok(self.run_resized(batch, Some(&proposals))?.wait()?.remove(0).detections)
    }

    /// Submits a batch and returns without waiting, so that the next one can be prepared while the device works.
    pub fn start(&mut self, pictures: &[&RgbImage]) -> Result<PendingDetections> {
        match &self.model {
            DetectorModel::Darknet(model) => {
                let (images, places) = letterboxed(model, pictures);
                let batch = Batch { pictures: pictures.len(), size: model.size, regions: None };
                self.run(batch, &[(IMAGES, &images)], places)
            }
            DetectorModel::Instance(model) => {
                if model.network.takes_proposals() {
                    return Err(Error::Usage(
                        "this network looks into regions that are given: use `Detector::detect_regions` from Rust"
                            .into(),
                    ));
                }
                let batch = model.transform.batch(pictures);
                self.run_resized(batch, None)
            }
        }
    }

    fn run_resized(&mut self, batch: RcnnBatch, proposals: Option<&Tensor>) -> Result<PendingDetections> {
        let shape = batch.images.shape();
        let kind = Batch { pictures: shape[0], size: [shape[1], shape[2]], regions: proposals.map(|p| p.shape()[1]) };
        let mut feed = vec![(IMAGES, &batch.images), (SIZES, &batch.image_sizes)];
        feed.extend(proposals.map(|p| (PROPOSALS, p)));
        let places = batch.resized.iter().map(|&r| Placed { picture: r.original, back: Back::Resized(r) }).collect();
        self.run(kind, &feed, places)
    }

    fn run(&mut self, batch: Batch, feed: &[(&str, &Tensor)], places: Vec<Placed>) -> Result<PendingDetections> {
        let run = self.program(batch)?.run(feed)?;
        self.last_report = run.report;
        Ok(PendingDetections { run, places, first_label: self.model.first_label() })
    }

    fn program(&mut self, batch: Batch) -> Result<&mut Executable> {
        let made = match self.programs.iter().position(|(b, _)| *b == batch) {
            Some(at) => self.programs.remove(at).1,
            None => {
                if self.programs.len() == KEPT {
                    self.programs.remove(0);
                }
                self.compile(batch)?
            }
        };
        self.programs.push((batch, made));
        Ok(&mut self.programs.last_mut().expect("just pushed").1)
    }

    fn compile(&self, batch: Batch) -> Result<Executable> {
        let mut graph = Graph::new();
        let named = match &self.model {
            DetectorModel::Darknet(model) => self.build_darknet(&mut graph, model, batch)?,
            DetectorModel::Instance(model) => build_instances(&mut graph, model, batch)?,
        };
        Executable::for_inference(&graph, &named, &self.variables, self.precision)
    }

    fn build_darknet(&self, graph: &mut Graph, model: &DetectionModel, batch: Batch) -> Result<Outputs> {
        let [h, w] = batch.size;
        let images = graph.input(IMAGES, TensorType::f32([batch.pictures, h, w, 3]))?;
        let (boxes, scores) = model.build_decoded(graph, images)?;
        let found = select_detections(graph, boxes, scores, &self.select)?;
        Ok(found.named().to_vec())
    }
}

/// Values to be read back, by name.
type Outputs = Vec<(&'static str, Value)>;

fn build_instances(graph: &mut Graph, model: &InstanceModel, batch: Batch) -> Result<Outputs> {
    let pictures = inputs(graph, batch.pictures, batch.size, batch.regions)?;
    let found = model.network.detect(&mut Net::new(graph, false), &pictures)?;
    let mut outputs = found.detections.named().to_vec();
    outputs.extend(found.masks.map(|masks| ("masks", masks)));
    Ok(outputs)
}

fn dimensions(picture: &RgbImage) -> [usize; 2] {
    [picture.height() as usize, picture.width() as usize]
}

fn letterboxed(model: &DetectionModel, pictures: &[&RgbImage]) -> (Tensor, Vec<Placed>) {
    let [h, w] = model.size;
    let mut data = Vec::with_capacity(pictures.len() * h * w * 3);
    let mut places = Vec::with_capacity(pictures.len());
    for picture in pictures {
        let placement = Placement::new(model.fit, dimensions(picture), [h, w]);
        data.extend(placement.image(picture));
        places.push(Placed { picture: dimensions(picture), back: Back::Placement(placement) });
    }
    (Tensor::f32([pictures.len(), h, w, 3], data), places)
}

/// How a picture lies on the input.
struct Placed {
    /// Its own height and width.
    picture: [usize; 2],
    back: Back,
}

/// The way of boxes from the input to the picture.
enum Back {
    Placement(Placement),
    Resized(Resized),
}

impl Placed {
    fn map_back(&self, b: BBox) -> BBox {
        let [height, width] = self.picture;
        let mapped = match &self.back {
            Back::Placement(placement) => placement.map_back(b),
            Back::Resized(resized) => resized.map_back(b),
        };
        mapped.clipped(width as f32, height as f32)
    }
}

/// What was found in one picture, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Boxes, classes and scores.
    pub detections: Vec<Detection>,
    /// The mask of each, of the picture's size; `None` from networks that draw none.
    pub masks: Option<Vec<Mask>>,
}

impl Found {
    /// Detections with their masks. Fails if there are none.
    pub fn instances(self) -> Result<Vec<Instance>> {
        let masks = self.masks.ok_or_else(|| Error::Usage("this network draws no masks".into()))?;
        Ok(self.detections.into_iter().zip(masks).map(|(found, mask)| Instance { found, mask }).collect())
    }
}

/// Detections on their way to the host.
pub struct PendingDetections {
    run: Run,
    places: Vec<Placed>,
    /// See [`DetectorModel::first_label`].
    first_label: usize,
}

impl PendingDetections {
    /// Waits for them, and maps boxes and masks back to each picture's pixels.
    pub fn wait(self) -> Result<Vec<Found>> {
        let results = self.run.wait()?;
        let (boxes, scores) = (results["boxes"].as_f32(), results["scores"].as_f32());
        let (classes, counts) = (results["classes"].as_i32(), results["counts"].as_i32());
        let masks = results.get("masks");
        let room = scores.len() / counts.len();
        if boxes.iter().any(|v| v.is_nan()) {
            return Err(Error::NonFinite("the network's boxes; its weights may be damaged".into()));
        }
        let one = |n: usize, place: &Placed| {
            let mut found = Found { detections: Vec::new(), masks: masks.map(|_| Vec::new()) };
            for i in n * room..n * room + counts[n] as usize {
                // RetinaNet's class 0 stands for nothing.
                let Some(class) = (classes[i] as usize + self.first_label).checked_sub(1) else { continue };
                let [x0, y0, x1, y1] = boxes[4 * i..4 * i + 4].try_into().expect("four");
                let bbox = place.map_back(BBox { x0, y0, x1, y1 });
                found.detections.push(Detection { bbox, class, score: scores[i] });
                if let (Some(masks), Some(pasted)) = (masks, &mut found.masks) {
                    let side = masks.shape()[2];
                    let own = &masks.as_f32()[i * side * side..(i + 1) * side * side];
                    pasted.push(paste(own, side, &bbox, place.picture));
                }
            }
            found
        };
        Ok(self.places.iter().enumerate().map(|(n, p)| one(n, p)).collect())
    }
}
