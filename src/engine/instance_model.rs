//! Fast, Faster or Mask R-CNN or RetinaNet as one `.safetensors` file: weights under torchvision's names, and in the metadata the network's
//! configuration, the class names and how pictures are brought to its input.

use super::parameters;
use crate::data::resize::RcnnTransform;
use crate::graph::Variables;
use crate::models::instance::InstanceNet;
use crate::nn::ParameterSpec;
use crate::tensor::Tensor;
use crate::weights::{TensorFile, torchvision};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// A detector of instances and everything else beside its weights.
#[derive(Clone, Debug)]
pub struct InstanceModel {
    /// The network.
    pub network: InstanceNet,
    /// Class names, the background not among them.
    pub classes: Vec<String>,
    /// From pictures to the network's input.
    pub transform: RcnnTransform,
    specs: Vec<ParameterSpec>,
}

/// The value of the metadata key `architecture`.
pub const ARCHITECTURE: &str = "instances";

impl InstanceModel {
    /// Fails when the configuration makes no network, or the number of names is not that of its classes.
    pub fn new(network: InstanceNet, classes: Vec<String>, transform: RcnnTransform) -> Result<Self> {
        let (want, have) = (network.classes(), classes.len());
        if want != have {
            return Err(Error::Usage(format!("the network has {want} classes, {have} names were given")));
        }
        let specs = network.specs()?;
        Ok(Self { network, classes, transform, specs })
    }

    /// The metadata of its file.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let network = serde_json::to_string(&self.network).expect("plain data");
        let classes = serde_json::to_string(&self.classes).expect("plain data");
        let transform = serde_json::to_string(&self.transform).expect("plain data");
        parameters::metadata(ARCHITECTURE, [("network", network), ("classes", classes), ("transform", transform)])
    }

    /// Reads everything but the weights from a file's metadata. Fails when the file is no such model.
    pub fn from_metadata(path: &Path, file: &TensorFile) -> Result<Self> {
        parameters::check_architecture(path, file, ARCHITECTURE)?;
        let network = parameters::from_json(path, file, "network")?;
        let classes = parameters::from_json(path, file, "classes")?;
        let transform = parameters::from_json(path, file, "transform")?;
        Self::new(network, classes, transform).map_err(|e| Error::file(path, e.to_string()))
    }

    /// Names, types and layouts of its parameters and states.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Writes weights (from the device's layouts) and configuration. torchvision's `load_state_dict` takes the file's tensors as they are; `steps` is
    /// what it counts as batches.
    pub fn save(&self, path: &Path, values: &BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        let steps = i32::try_from(steps).unwrap_or(i32::MAX);
        TensorFile { metadata: self.metadata(), tensors: torchvision::export(&self.specs, values, steps) }.write(path)
    }

    /// Reads configuration and weights; the weights go into `variables`. Fails on missing, extra or ill-shaped tensors.
    pub fn restore(path: &Path, file: &TensorFile, variables: &Variables) -> Result<Self> {
        let model = Self::from_metadata(path, file)?;
        let matched = torchvision::match_names(path, file, model.specs(), torchvision::Part::Whole)?;
        matched.set(variables)?;
        Ok(model)
    }
}
