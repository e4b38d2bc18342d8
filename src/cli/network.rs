//! Which network a command is about: an architecture by name with its configuration, or a trained model's.

use crate::engine::network::Network;
use crate::engine::{DetectionModel, InstanceModel, SegmentationModel, detection_model, instance_model};
use crate::graph::Precision;
use crate::models::classifier::Classifier;
use crate::models::instance::{self, InstanceNet};
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct NetworkArgs {
    /// Architecture of `wgvision models`, resnet50 (the classifier), or a Darknet .cfg file.
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "model")]
    arch: Option<String>,
    /// A trained model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Classes of a built-in detector (default: as it was published).
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Configuration as a JSON object, or @FILE: all of unet's; what differs from the built-in one for R-CNN and RetinaNet.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// Height and width of the pictures (default: the network's own; unet: 512; R-CNN and RetinaNet: 800).
    #[arg(long, value_name = "HxW", value_parser = super::parse_size)]
    size: Option<[usize; 2]>,
    /// Pictures at a time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
    /// A training step instead of inference.
    #[arg(long)]
    pub train: bool,
}

/// In which precision a network is measured.
#[derive(Args)]
pub struct PrecisionArgs {
    /// Of networks: all in f32, or weights and activations kept in f16; a training step is then mixed, as `train --precision mixed` makes it.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    pub precision: Precision,
}

/// Classes of torchvision's networks, as many as COCO has numbers.
const COCO: usize = 90;
/// Classes of ImageNet.
const IMAGENET: usize = 1000;

impl NetworkArgs {
    /// The network, and the height and width of its pictures.
    pub fn network(&self) -> Result<(Network, [usize; 2])> {
        if self.batch == 0 {
            return Err(Error::Usage("--batch: at least one picture".into()));
        }
        let network = match (&self.model, self.arch.as_deref()) {
            (Some(path), _) => of_model(path)?,
            (None, Some(name)) => self.of_name(name)?,
            (None, None) => return Err(Error::Usage("--arch NAME or --model FILE is needed".into())),
        };
        let size = self.size.unwrap_or(network.size());
        Ok((network, size))
    }

    /// Whether one is named at all.
    pub fn is_named(&self) -> bool {
        self.arch.is_some() || self.model.is_some()
    }

    /// What to call it.
    pub fn title(&self) -> String {
        let file = self.model.as_ref().map(|path| path.display().to_string());
        file.or(self.arch.clone()).unwrap_or_default()
    }

    fn of_name(&self, name: &str) -> Result<Network> {
        match name {
            "unet" => {
                let json = super::json_argument("--config", &self.config)?;
                serde_json::from_value(json).map(Network::UNet).map_err(|e| Error::Usage(format!("--config: {e}")))
            }
            "resnet50" => Ok(Network::Classifier(Classifier::resnet50(self.classes.unwrap_or(IMAGENET)))),
            _ if instance::named(name, 1).is_some() => {
                let network = InstanceNet::by_name(name, self.classes.unwrap_or(COCO))?;
                Ok(Network::Instances(Box::new(super::changed(&network, "--config", &self.config)?)))
            }
            _ => super::darknet(name, self.classes, self.size).map(|d| Network::Darknet(Box::new(d))),
        }
    }
}

fn of_model(path: &std::path::Path) -> Result<Network> {
    let file = TensorFile::read(path)?;
    Ok(match file.metadata.get("architecture").map(String::as_str) {
        Some(detection_model::ARCHITECTURE) => {
            Network::Darknet(Box::new(DetectionModel::from_metadata(path, &file)?.network))
        }
        Some(instance_model::ARCHITECTURE) => {
            Network::Instances(Box::new(InstanceModel::from_metadata(path, &file)?.network))
        }
        _ => Network::UNet(SegmentationModel::from_metadata(path, &file)?.unet),
    })
}
