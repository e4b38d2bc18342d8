//! `wgvision convert`: networks of other programs as one self-contained `.safetensors`.

use crate::data::classes::read_names;
use crate::data::coco_names::coco_names;
use crate::data::letterbox::Fit;
use crate::data::resize::RcnnTransform;
use crate::engine::{DetectionModel, InstanceModel};
use crate::models::darknet::Darknet;
use crate::models::instance::{InstanceNet, names};
use crate::nn::Norm;
use crate::tensor::DType;
use crate::weights::{TensorFile, torchvision};
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct ConvertArgs {
    /// The program the files come from.
    #[arg(long, value_enum)]
    from: From,
    /// Darknet's definition of the network.
    #[arg(long, value_name = "FILE", required_if_eq("from", "darknet"))]
    cfg: Option<PathBuf>,
    /// torchvision's name of the network, such as maskrcnn_resnet50_fpn (see `wgvision models`).
    #[arg(long, value_name = "NAME", required_if_eq("from", "torchvision"))]
    arch: Option<String>,
    /// Darknet's weights, or a state dict of torchvision saved as .safetensors.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Class names, one in each line, the background not among them (default: COCO's for networks of torchvision that have as many
    /// classes, else class 0, class 1, ...).
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// The network was trained on pictures stretched to its size, as Darknet's best-known fork does by default, and not on letterboxed ones.
    #[arg(long)]
    stretch: bool,
    /// Where the model goes.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum From {
    Darknet,
    Torchvision,
}

pub fn run(args: &ConvertArgs) -> Result<()> {
    match args.from {
        From::Darknet => darknet(args, args.cfg.as_deref().expect("clap asks for it")),
        From::Torchvision => torchvision(args, args.arch.as_deref().expect("clap asks for it")),
    }
}

fn darknet(args: &ConvertArgs, cfg: &Path) -> Result<()> {
    let network = Darknet::read(cfg)?;
    let bytes = std::fs::read(&args.weights).map_err(|e| Error::io(&args.weights, e))?;
    let weights = network.load_weights(&args.weights, &bytes)?;
    let classes = match &args.names {
        Some(path) => read_names(path)?,
        None => network.default_names(),
    };
    network.check_names(args.names.as_deref().unwrap_or(cfg), &classes)?;
    let mut model = DetectionModel::new(network, classes)?;
    if args.stretch {
        model.fit = Fit::Stretch;
    }
    model.save(&args.out, &weights.tensors)?;
    let DetectionModel { network, classes, .. } = model;
    println!(
        "{}: {} values from {} bytes, used up; {} pictures seen; {} classes",
        args.out.display(),
        network.stored_values(),
        bytes.len(),
        weights.header.seen,
        classes.len()
    );
    Ok(())
}

fn torchvision(args: &ConvertArgs, arch: &str) -> Result<()> {
    // Whether the name exists is worth knowing before a large file is read.
    InstanceNet::by_name(arch, 1)?;
    let file = TensorFile::read(&args.weights)?;
    let labels = labels(&args.weights, arch, &file).map_err(|e| another(e, &args.weights, arch, &file))?;
    let mut network = InstanceNet::by_name(arch, labels - 1)?;
    let old = torchvision::has_old_names(&file);
    if old && network.backbone().norm == Norm::FROZEN {
        network.backbone_mut().norm = Norm::Frozen { eps: 0.0 };
    }
    let classes = match &args.names {
        Some(path) => {
            let names = read_names(path)?;
            if names.len() != labels - 1 {
                let why = format!("has {} names; the network has {} classes of objects", names.len(), labels - 1);
                return Err(Error::file(path, why));
            }
            names
        }
        None => coco_names(labels - 1).unwrap_or_else(|| (0..labels - 1).map(|i| format!("class {i}")).collect()),
    };
    let model = InstanceModel::new(network, classes, RcnnTransform::default())?;
    let matched = torchvision::match_names(&args.weights, &file, model.specs(), torchvision::Part::Whole)
        .map_err(|e| another(e, &args.weights, arch, &file))?;
    model.save(&args.out, &matched.values, batches(&file))?;
    let values: usize = matched.values.values().map(|t| t.shape().elements()).sum();
    let renamed = if old { "; names of older files were brought up to date, batch norm's eps is 0" } else { "" };
    println!("{}: {arch}, {values} values, {} classes{renamed}", args.out.display(), model.classes.len());
    Ok(())
}

/// The error for a file that is not `arch`: which network it is, if it is one; else `why`.
fn another(why: Error, path: &Path, arch: &str, file: &TensorFile) -> Error {
    let fits = |name: &&String| -> Result<bool> {
        let specs = InstanceNet::by_name(name, labels(path, name, file)? - 1)?.specs()?;
        torchvision::match_names(path, file, &specs, torchvision::Part::Whole).map(|_| true)
    };
    match names().iter().find(|name| fits(name).unwrap_or(false)) {
        Some(name) => Error::file(path, format!("is not {arch}; its tensors are those of --arch {name}")),
        None => why,
    }
}

/// How many labels a file's network tells apart, the background included: from the shape of its classifier.
fn labels(path: &Path, arch: &str, file: &TensorFile) -> Result<usize> {
    let (name, each) = match InstanceNet::by_name(arch, 1)? {
        InstanceNet::Rcnn(_) => ("roi_heads.box_predictor.cls_score.weight", 1),
        InstanceNet::RetinaNet(net) => ("head.classification_head.cls_logits.weight", net.head.anchors.per_place(0)),
    };
    let tensor = file.tensors.get(name).ok_or_else(|| {
        Error::file(path, format!("has no tensor '{name}', which {arch} needs; is it a network of another kind?"))
    })?;
    let rows = tensor.shape().first().copied().unwrap_or(0);
    if rows < 2 * each || rows % each != 0 {
        return Err(Error::file(path, format!("tensor '{name}' is {}, which fits no number of classes", tensor.ty())));
    }
    Ok(rows / each)
}

/// How many batches the network has been trained on, as PyTorch counts them.
fn batches(file: &TensorFile) -> u64 {
    let counted =
        file.tensors.iter().find(|(name, t)| name.ends_with("num_batches_tracked") && t.shape().elements() == 1);
    counted.filter(|(_, t)| t.dtype() == DType::I32).map_or(0, |(_, t)| u64::try_from(t.as_i32()[0]).unwrap_or(0))
}
