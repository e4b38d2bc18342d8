//! A detection network as one `.safetensors` file: weights, and in the metadata the Darknet configuration that defines the
//! network, the class names and the input's size.

use super::parameters;
use crate::data::letterbox::Fit;
use crate::detection::decode::decode;
use crate::graph::{Graph, Variables};
use crate::models::darknet::Darknet;
use crate::nn::{Net, ParameterSpec};
use crate::ops::Value;
use crate::ops::concat::Concat;
use crate::tensor::Tensor;
use crate::weights::TensorFile;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// A detection network and everything else beside its weights.
#[derive(Clone, Debug)]
pub struct DetectionModel {
    /// The network.
    pub network: Darknet,
    /// Class names.
    pub classes: Vec<String>,
    /// Height and width of its input.
    pub size: [usize; 2],
    /// How pictures are brought to that size.
    pub fit: Fit,
}

/// The value of the metadata key `architecture`.
pub const ARCHITECTURE: &str = "darknet";

impl DetectionModel {
    /// A network at its own input size. Fails when it has no head, reads other than pictures of three channels, or the number of
    /// names is not the number of classes of its heads.
    pub fn new(network: Darknet, classes: Vec<String>) -> Result<Self> {
        let Some(head) = network.heads().first() else {
            return Err(Error::Usage("the network has no detection head (yolo, region or detection)".into()));
        };
        let (want, have) = (head.classes(), classes.len());
        if want != have {
            return Err(Error::Usage(format!("the network's heads have {want} classes, {have} names were given")));
        }
        if network.channels() != 3 {
            let n = network.channels();
            return Err(Error::Usage(format!("the network reads {n} channels, but pictures have 3")));
        }
        Ok(Self { size: network.size(), network, classes, fit: Fit::default() })
    }

    /// The metadata of its file.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let [size, fit] =
            [serde_json::to_string(&self.size), serde_json::to_string(&self.fit)].map(|t| t.expect("plain data"));
        let classes = serde_json::to_string(&self.classes).expect("plain data");
        let cfg = self.network.text().to_string();
        parameters::metadata(ARCHITECTURE, [("cfg", cfg), ("classes", classes), ("size", size), ("fit", fit)])
    }

    /// Reads everything but the weights from a file's metadata. Fails when the file is no detection model.
    pub fn from_metadata(path: &Path, file: &TensorFile) -> Result<Self> {
        parameters::check_architecture(path, file, ARCHITECTURE)?;
        let network = Darknet::from_text(path, parameters::text(path, file, "cfg")?)?;
        let classes = parameters::from_json(path, file, "classes")?;
        let mut model = Self::new(network, classes).map_err(|e| Error::file(path, e.to_string()))?;
        if file.metadata.contains_key("size") {
            model.size = parameters::from_json(path, file, "size")?;
        }
        if file.metadata.contains_key("fit") {
            model.fit = parameters::from_json(path, file, "fit")?;
        }
        Ok(model)
    }

    /// Names, types and layouts of its parameters and states.
    pub fn specs(&self) -> &[ParameterSpec] {
        self.network.specs()
    }

    /// Adds the network to a graph: pictures (N, H, W, 3) in 0 to 1 -> decoded boxes (N, M, 4), corners in pixels of the
    /// input, and scores (N, M, C) of all heads.
    pub fn build_decoded(&self, graph: &mut Graph, images: Value) -> Result<(Value, Value)> {
        let shape = graph.shape(images);
        let heads = self.network.build(&mut Net::new(graph, false), images)?;
        let (mut boxes, mut scores) = (Vec::new(), Vec::new());
        for output in &heads {
            let (b, s) = decode(graph, &output.head, output.value, [shape[1], shape[2]])?;
            boxes.push(b);
            scores.push(s);
        }
        let mut join = |parts: &[Value]| match parts {
            [one] => Ok(*one),
            _ => graph.add(Concat { dim: 1 }, parts),
        };
        Ok((join(&boxes)?, join(&scores)?))
    }

    /// Writes weights (from the device's layouts) and configuration.
    pub fn save(&self, path: &Path, values: &BTreeMap<String, Tensor>) -> Result<()> {
        TensorFile { metadata: self.metadata(), tensors: parameters::export(self.specs(), values) }.write(path)
    }

    /// Reads configuration and weights; the weights go into `variables`. Fails on missing, extra or ill-shaped tensors.
    pub fn load(path: &Path, variables: &Variables) -> Result<Self> {
        Self::restore(path, &TensorFile::read(path)?, variables)
    }

    /// Like [`DetectionModel::load`], from a file's bytes; `name` stands for it in errors.
    pub fn from_bytes(name: &Path, bytes: &[u8], variables: &Variables) -> Result<Self> {
        Self::restore(name, &TensorFile::parse(name, bytes)?, variables)
    }

    /// Like [`DetectionModel::load`], from a file that has been read.
    pub fn restore(path: &Path, file: &TensorFile, variables: &Variables) -> Result<Self> {
        let model = Self::from_metadata(path, file)?;
        parameters::import(path, file, model.specs(), variables)?;
        Ok(model)
    }
}
