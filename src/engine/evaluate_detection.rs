//! Measures a trained detection network on labelled pictures: the numbers of COCO and of VOC.

use super::detector::{Detector, Found, PendingDetections};
use super::detector_model::DetectorModel;
use crate::Result;
use crate::data::labelled::LabelledPictures;
use crate::detection::select::{MEASURED_SCORE, Select};
use crate::detection::{Detection, Labelled, Mask};
use crate::metrics::coco::CocoEval;
use crate::metrics::voc::{VOC_IOU, VocEval};

/// What is there and what was found, picture by picture.
#[derive(Clone, Debug, Default)]
pub struct Detected {
    /// The labels.
    pub truth: Vec<Vec<Labelled>>,
    /// The detections, best first.
    pub found: Vec<Vec<Detection>>,
    /// The masks of the labels, where they have some.
    pub true_masks: Vec<Vec<Option<Mask>>>,
    /// The masks of the detections, from networks that draw some.
    pub masks: Vec<Vec<Mask>>,
    /// COCO's number of each picture, or what stands for one.
    pub ids: Vec<u64>,
    /// Names of the pictures.
    pub names: Vec<String>,
}

impl Detected {
    /// The 12 numbers of COCO, to be read off.
    pub fn coco(&self, classes: usize) -> CocoEval {
        let mut eval = CocoEval::new(classes);
        self.truth.iter().zip(&self.found).for_each(|(truth, found)| eval.add(truth, found));
        eval
    }

    /// The 12 numbers of COCO for masks. Fails where a detection has none.
    pub fn coco_masks(&self, classes: usize) -> Result<CocoEval> {
        let mut eval = CocoEval::new(classes);
        for (i, truth) in self.truth.iter().enumerate() {
            eval.add_masks(truth, &self.true_masks[i], &self.found_above(i, f32::NEG_INFINITY).instances()?);
        }
        Ok(eval)
    }

    /// What was found in picture `i` with a score above `score`.
    pub fn found_above(&self, i: usize, score: f32) -> Found {
        let sure = |k: &usize| self.found[i][*k].score > score;
        let kept: Vec<usize> = (0..self.found[i].len()).filter(sure).collect();
        let masks = self.masks.get(i).map(|masks| kept.iter().map(|&k| masks[k].clone()).collect());
        Found { detections: kept.iter().map(|&k| self.found[i][k]).collect(), masks }
    }

    /// VOC's curves at an IoU of 0.5, to be read off.
    pub fn voc(&self, classes: usize) -> VocEval {
        let mut eval = VocEval::new(classes, VOC_IOU);
        self.truth.iter().zip(&self.found).for_each(|(truth, found)| eval.add(truth, found));
        eval
    }
}

/// How detections are chosen for the measures: nearly all of a Darknet network's, so that the whole precision-recall curve is there; those of
/// R-CNN and RetinaNet as torchvision measures them.
pub fn measured(model: &DetectorModel) -> Select {
    let usual = model.usual_selection();
    match model {
        DetectorModel::Darknet(_) => Select { score_threshold: MEASURED_SCORE, ..usual },
        DetectorModel::Instance(_) => usual,
    }
}

/// Runs the detector over all pictures. `each` is called with the number done.
pub fn detect_all(
    detector: &mut Detector,
    data: &dyn LabelledPictures,
    mut each: impl FnMut(usize),
) -> Result<Detected> {
    let mut all = Detected::default();
    // The next picture is decoded and submitted before the last one is read.
    let mut running: Option<PendingDetections> = None;
    for i in 0..=data.len() {
        let next = match i < data.len() {
            true => {
                let labelled = data.get(i)?;
                let pending = detector.start(&[&labelled.picture])?;
                all.truth.push(labelled.boxes.clone());
                all.true_masks.push(labelled.masks.clone());
                all.ids.push(labelled.id);
                all.names.push(labelled.name.clone());
                Some(pending)
            }
            false => None,
        };
        if let Some(pending) = std::mem::replace(&mut running, next) {
            for found in pending.wait()? {
                all.found.push(found.detections);
                all.masks.extend(found.masks);
            }
            each(all.found.len());
        }
    }
    Ok(all)
}
