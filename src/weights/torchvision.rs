//! State dicts of torchvision's models, saved as `.safetensors`: matched with a network's parameters by name.
//!
//! Names of older files are brought up to date as torchvision does when it loads them. `num_batches_tracked`, which nothing here reads, is
//! passed over, and written again so that `load_state_dict(strict=True)` takes our files. How a network is built is none of its business.

use super::TensorFile;
use crate::graph::Variables;
use crate::nn::ParameterSpec;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What must be in a file, and what may be missing.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Every tensor of the network, and nothing else.
    Whole,
    /// A model of other classes: layers whose names begin with one of these may be missing or of another shape, and are then left
    /// out, weight and bias together. What else the file has under these names is passed over.
    Except(&'a [&'a str]),
    /// The network's tensors under this prefix (`backbone.body.`) alone, from a whole model with the same prefix or from a classifier, whose
    /// names have none (`conv1.weight`). Stages that the network does not have (`fc`, `classifier`, a `layer4`) are passed over.
    Under(&'a str),
}

/// A file's tensors, matched with a network.
#[derive(Clone, Debug)]
pub struct Matched {
    /// Values in the device's layouts, by the network's names.
    pub values: BTreeMap<String, Tensor>,
    /// The network's tensors that the file has no fitting value for: they keep what they have.
    pub kept: Vec<String>,
    /// The file's tensors that were not used, by the file's names.
    pub passed_over: Vec<String>,
    /// Some names were those of older files; see [`has_old_names`].
    pub old_names: bool,
}

impl Matched {
    /// Sets the values.
    pub fn set(&self, variables: &Variables) -> Result<()> {
        self.values.iter().try_for_each(|(name, value)| variables.set(name, value))
    }
}

/// Whether a file has names that torchvision gave up, as the COCO_V1 files do that it published for Faster R-CNN, Mask R-CNN,
/// Keypoint R-CNN and RetinaNet. Their frozen batch norms were trained with eps 0: build the network with `Norm::Frozen { eps: 0.0 }`.
pub fn has_old_names(file: &TensorFile) -> bool {
    file.tensors.keys().any(|name| current_name(name).is_some())
}

/// Matches the tensors of `file` (`path` is for errors) with a network's. Fails with all missing and unknown tensors where there are any,
/// then with the first tensor of another shape or not of finite floats.
pub fn match_names(path: &Path, file: &TensorFile, specs: &[ParameterSpec], part: Part<'_>) -> Result<Matched> {
    let wanted: BTreeMap<&str, &ParameterSpec> = specs.iter().map(|s| (s.name.as_str(), s)).collect();
    let (mut found, mut passed_over, mut unknown) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut old_names = false;
    let prefix = prefix_of(file, part);
    for (stored, tensor) in file.tensors.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        let mut name = format!("{prefix}{stored}");
        if !wanted.contains_key(name.as_str())
            && let Some(current) = current_name(&name).filter(|current| wanted.contains_key(current.as_str()))
        {
            name = current;
            old_names = true;
        }
        match part {
            Part::Under(prefix) if !name.starts_with(prefix) => passed_over.push(stored.clone()),
            _ if wanted.contains_key(name.as_str()) && !found.contains_key(&name) => _ = found.insert(name, tensor),
            Part::Except(heads) if begins_with(&name, heads) => passed_over.push(stored.clone()),
            Part::Under(_) if !specs.iter().any(|s| stage(&s.name) == stage(&name)) => passed_over.push(stored.clone()),
            _ => unknown.push(stored.clone()),
        }
    }
    let kept = left_out(specs, &found, part);
    let missing: Vec<String> = specs
        .iter()
        .map(|s| &s.name)
        .filter(|name| !kept.contains(*name) && !found.contains_key(*name))
        .cloned()
        .collect();
    if !missing.is_empty() || !unknown.is_empty() {
        return Err(Error::file(path, differences(&missing, &unknown)));
    }
    let mut values = BTreeMap::new();
    for (name, tensor) in found {
        let spec = wanted[name.as_str()];
        if kept.contains(&name) {
            passed_over.push(name);
        } else {
            values.insert(name, value(path, spec, tensor)?);
        }
    }
    Ok(Matched { values, kept: kept.into_iter().collect(), passed_over, old_names })
}

/// The tensors of a file that torchvision reads, in its layouts, from values in the device's: the network's, and for each batch norm that
/// is not frozen `num_batches_tracked`, the number of training steps so far. Panics if a value is missing.
pub fn export(specs: &[ParameterSpec], values: &BTreeMap<String, Tensor>, steps: i32) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    for spec in specs {
        let value = values.get(&spec.name).unwrap_or_else(|| panic!("no value for '{}'", spec.name));
        tensors.insert(spec.name.clone(), spec.layout.export(value));
        if spec.counts_batches {
            let (norm, _) = spec.name.rsplit_once('.').unwrap_or(("", &spec.name));
            tensors.insert(format!("{norm}.num_batches_tracked"), Tensor::i32([], vec![steps]));
        }
    }
    tensors
}

/// What stands before the network's names of a file's tensors: the prefix, if the file is a classifier.
fn prefix_of<'a>(file: &TensorFile, part: Part<'a>) -> &'a str {
    match part {
        Part::Under(prefix) if !file.tensors.keys().any(|name| name.starts_with(prefix)) => prefix,
        _ => "",
    }
}

/// Tensors that the part lets keep what they have: those outside of it, and all of a head's layer where one does not fit.
fn left_out(specs: &[ParameterSpec], found: &BTreeMap<String, &Tensor>, part: Part<'_>) -> BTreeSet<String> {
    let layer = |name: &str| name.rsplit_once('.').map_or("", |(layer, _)| layer).to_string();
    let fits = |s: &ParameterSpec| found.get(&s.name).is_some_and(|t| t.shape() == &s.file_type().shape);
    let name = |s: &ParameterSpec| s.name.clone();
    match part {
        Part::Whole => BTreeSet::new(),
        Part::Under(prefix) => specs.iter().filter(|s| !s.name.starts_with(prefix)).map(name).collect(),
        Part::Except(heads) => {
            let heads = || specs.iter().filter(|s| begins_with(&s.name, heads));
            let layers: BTreeSet<String> = heads().filter(|s| !fits(s)).map(|s| layer(&s.name)).collect();
            heads().filter(|s| layers.contains(&layer(&s.name))).map(name).collect()
        }
    }
}

fn begins_with(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The part of a name that says which stage of a classifier a tensor belongs to: `backbone.body.layer4`, `backbone.body.features.28`.
fn stage(name: &str) -> &str {
    let end = match name.find("layer") {
        Some(at) => name[at..].find('.').map(|dot| at + dot),
        None => name.rfind('.'),
    };
    &name[..end.unwrap_or(name.len())]
}

/// A tensor's value in the device's layout. Fails where it has another shape, or other elements than finite floats.
fn value(path: &Path, spec: &ParameterSpec, stored: &Tensor) -> Result<Tensor> {
    let want = spec.file_type();
    if stored.dtype() != DType::F32 {
        let message = format!("tensor '{}' holds {}, numbers with fractions are expected", spec.name, stored.dtype());
        return Err(Error::file(path, message));
    }
    if stored.ty() != want {
        let (expected, got) = (&want.shape, stored.shape());
        return Err(Error::file(
            path,
            format!("tensor '{}' has another shape: expected {expected}, got {got}", spec.name),
        ));
    }
    // Scores that are NaN count as absent, so a network with such weights would find nothing and say nothing.
    if stored.as_f32().iter().any(|v| !v.is_finite()) {
        return Err(Error::file(path, format!("tensor '{}' holds NaN or infinity; the file is damaged", spec.name)));
    }
    Ok(spec.layout.import(stored))
}

/// Most names that an error lists.
const LISTED: usize = 10;

fn differences(missing: &[String], unknown: &[String]) -> String {
    let list = |names: &[String]| {
        let more = names.len().saturating_sub(LISTED);
        let shown = names[..names.len() - more].join(", ");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    };
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("{} missing: {}", count(missing), list(missing)));
    }
    if !unknown.is_empty() {
        parts.push(format!("{} that the network does not know: {}", count(unknown), list(unknown)));
    }
    format!("does not hold this network's weights; {}", parts.join("; "))
}

fn count(names: &[String]) -> String {
    if names.len() == 1 { "1 tensor".into() } else { format!("{} tensors", names.len()) }
}

/// Today's name of a tensor that older versions of torchvision called `name`, as its `_load_from_state_dict` functions have it. `None` for
/// other names. The numbers of a RetinaNet head count rectifiers too in old files.
fn current_name(name: &str) -> Option<String> {
    let (layer, kind) = name.rsplit_once('.').filter(|(_, kind)| ["weight", "bias"].contains(kind))?;
    let (parent, last) = layer.rsplit_once('.')?;
    let module = parent.rsplit('.').next().unwrap_or(parent);
    if let Some(number) = last.strip_prefix("mask_fcn").and_then(|n| n.parse::<usize>().ok()) {
        return Some(format!("{parent}.{}.0.{kind}", number.checked_sub(1)?));
    }
    if layer.ends_with("rpn.head.conv") {
        return Some(format!("{layer}.0.0.{kind}"));
    }
    let number: usize = last.parse().ok()?;
    let head = ["classification_head.conv", "regression_head.conv"].iter().any(|head| parent.ends_with(head));
    match module {
        "inner_blocks" | "layer_blocks" => Some(format!("{layer}.0.{kind}")),
        "conv" if head && number.is_multiple_of(2) => Some(format!("{parent}.{}.0.{kind}", number / 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
