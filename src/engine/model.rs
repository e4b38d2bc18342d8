//! A trained segmentation model as one `.safetensors` file: weights in PyTorch's layouts, and in the metadata everything that is
//! needed to run it (architecture, its configuration, class names, normalisation).

use super::parameters;
use crate::Result;
use crate::data::normalise::Normalise;
use crate::graph::{Graph, Variables};
use crate::models::unet::UNet;
use crate::nn::{Net, ParameterSpec};
use crate::tensor::{Tensor, TensorType};
use crate::weights::TensorFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Architecture and everything else beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationModel {
    /// The network.
    pub unet: UNet,
    /// How pixel values become the network's input.
    pub normalise: Normalise,
    /// Class names, background first. Two names for a binary model.
    pub classes: Vec<String>,
    /// Height and width of the crops it was trained on.
    pub crop: [usize; 2],
}

/// The value of the metadata key `architecture`.
const ARCHITECTURE: &str = "unet";

impl SegmentationModel {
    /// The metadata of its file.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        parameters::metadata(ARCHITECTURE, [("config", serde_json::to_string(self).expect("plain data"))])
    }

    /// Reads the configuration from a file's metadata. Fails when the file is no segmentation model.
    pub fn from_metadata(path: &Path, file: &TensorFile) -> Result<Self> {
        parameters::check_architecture(path, file, ARCHITECTURE)?;
        parameters::from_json(path, file, "config")
    }

    /// Names, types and layouts of its parameters and states.
    pub fn specs(&self) -> Result<Vec<ParameterSpec>> {
        let side = self.smallest_side();
        let mut graph = Graph::new();
        let x = graph.input("images", TensorType::f32([1, side, side, self.unet.in_channels]))?;
        let mut net = Net::new(&mut graph, false);
        self.unet.build(&mut net, x)?;
        Ok(net.specs)
    }

    fn smallest_side(&self) -> usize {
        match self.unet.padding {
            crate::models::unet::Padding::Same => self.unet.multiple(),
            crate::models::unet::Padding::Valid => {
                (4..).find(|&s| self.unet.valid_output(s).is_some()).expect("some side fits")
            }
        }
    }

    /// Writes weights (from the device's layouts) and configuration.
    pub fn save(&self, path: &Path, values: &BTreeMap<String, Tensor>) -> Result<()> {
        TensorFile { metadata: self.metadata(), tensors: parameters::export(&self.specs()?, values) }.write(path)
    }

    /// Reads configuration and weights; the weights go into `variables`. Fails on missing, extra or ill-shaped tensors.
    pub fn load(path: &Path, variables: &Variables) -> Result<Self> {
        let file = TensorFile::read(path)?;
        let model = Self::from_metadata(path, &file)?;
        parameters::import(path, &file, &model.specs()?, variables)?;
        Ok(model)
    }
}
