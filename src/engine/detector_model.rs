//! Whatever kind of detector a file holds.

use super::detection_model::{self, DetectionModel};
use super::instance_model::{self, InstanceModel};
use super::parameters::unexpected;
use crate::Result;
use crate::detection::select::Select;
use crate::graph::Variables;
use crate::nn::ParameterSpec;
use crate::weights::TensorFile;
use std::path::Path;

/// A detector of any kind, beside its weights.
#[derive(Clone, Debug)]
pub enum DetectorModel {
    /// Defined by a Darknet configuration.
    Darknet(DetectionModel),
    /// Fast, Faster or Mask R-CNN or RetinaNet.
    Instance(InstanceModel),
}

impl From<DetectionModel> for DetectorModel {
    fn from(model: DetectionModel) -> Self {
        Self::Darknet(model)
    }
}

impl From<InstanceModel> for DetectorModel {
    fn from(model: InstanceModel) -> Self {
        Self::Instance(model)
    }
}

impl DetectorModel {
    /// Reads configuration and weights; the weights go into `variables`. Fails on a file that is no detector, and on missing, extra or
    /// ill-shaped tensors.
    pub fn load(path: &Path, variables: &Variables) -> Result<Self> {
        let file = TensorFile::read(path)?;
        match file.metadata.get("architecture").map(String::as_str) {
            Some(instance_model::ARCHITECTURE) => Ok(Self::Instance(InstanceModel::restore(path, &file, variables)?)),
            Some(detection_model::ARCHITECTURE) => Ok(Self::Darknet(DetectionModel::restore(path, &file, variables)?)),
            _ => Err(unexpected(path, &file, "a detector")),
        }
    }

    /// Whether a file's metadata say that it holds a detector.
    pub fn is_in(file: &TensorFile) -> bool {
        let named = file.metadata.get("architecture").map(String::as_str);
        matches!(named, Some(detection_model::ARCHITECTURE | instance_model::ARCHITECTURE))
    }

    /// Class names.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Darknet(model) => &model.classes,
            Self::Instance(model) => &model.classes,
        }
    }

    /// Whether it draws masks.
    pub fn masks(&self) -> bool {
        matches!(self, Self::Instance(model) if model.network.masks())
    }

    /// Names, types and layouts of its parameters and states.
    pub fn specs(&self) -> &[ParameterSpec] {
        match self {
            Self::Darknet(model) => model.specs(),
            Self::Instance(model) => model.specs(),
        }
    }

    /// How it chooses detections unless told otherwise.
    pub fn usual_selection(&self) -> Select {
        match self {
            Self::Darknet(_) => Select::default(),
            Self::Instance(model) => model.network.selection(),
        }
    }

    /// The label, with the background as 0, that class 0 of its detections stands for; labels are classes counted from 1.
    pub(super) fn first_label(&self) -> usize {
        match self {
            Self::Darknet(_) => 1,
            Self::Instance(model) => model.network.first_label(),
        }
    }
}
