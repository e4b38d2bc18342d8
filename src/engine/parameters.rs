//! Weights between a model's file and the device: what every kind of model file shares.

use crate::gpu::Gpu;
use crate::graph::Variables;
use crate::nn::{ParameterSpec, initialise, reserve};
use crate::tensor::Tensor;
use crate::weights::TensorFile;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The named tensors of a file, in the layouts of files, from values in the device's.
pub fn export(specs: &[ParameterSpec], values: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let value = |name: &str| values.get(name).unwrap_or_else(|| panic!("no value for '{name}'"));
    specs.iter().map(|s| (s.name.clone(), s.layout.export(value(&s.name)))).collect()
}

/// Sets every parameter from the file at `path`. Fails on missing, extra or ill-shaped tensors.
pub fn import(path: &Path, file: &TensorFile, specs: &[ParameterSpec], variables: &Variables) -> Result<()> {
    reserve(variables, specs)?;
    for spec in specs {
        variables.set(&spec.name, &value(path, file, spec)?)?;
    }
    match file.tensors.keys().find(|name| !specs.iter().any(|s| s.name == **name)) {
        Some(extra) => Err(Error::file(path, format!("has a tensor '{extra}' that the network does not know"))),
        None => Ok(()),
    }
}

/// A parameter's value in the device's layout. Fails where it is missing or ill-shaped.
pub fn value(path: &Path, file: &TensorFile, spec: &ParameterSpec) -> Result<Tensor> {
    let stored = file.get(path, &spec.name)?;
    let want = spec.file_type();
    if stored.ty() != want {
        return Err(Error::file(path, format!("tensor '{}' is {}, {want} was expected", spec.name, stored.ty())));
    }
    Ok(spec.layout.import(stored))
}

/// The variables that a training run begins with: `start`, as far as it fits, and first values for the rest.
pub fn begin(gpu: &Gpu, specs: &[ParameterSpec], start: &BTreeMap<String, Tensor>, seed: u64) -> Result<Variables> {
    let variables = Variables::new(gpu);
    initialise(&variables, specs, seed)?;
    for spec in specs {
        if let Some(value) = start.get(&spec.name).filter(|v| v.ty() == spec.ty) {
            variables.set(&spec.name, value)?;
        }
    }
    Ok(variables)
}

/// The metadata of a model file: architecture, who wrote it, and what else the model says of itself.
pub fn metadata<const N: usize>(architecture: &str, more: [(&str, String); N]) -> BTreeMap<String, String> {
    let common = [("architecture", architecture.to_string()), ("producer", "wgvision".to_string())];
    common.into_iter().chain(more).map(|(k, v)| (k.to_string(), v)).collect()
}

/// Fails unless the file says that it holds `architecture`, and is no checkpoint: those have the device's layouts.
pub fn check_architecture(path: &Path, file: &TensorFile, architecture: &str) -> Result<()> {
    if file.metadata.contains_key("checkpoint") {
        return Err(Error::file(
            path,
            "is the checkpoint of a run, for --resume; its model is best.safetensors beside it",
        ));
    }
    match file.metadata.get("architecture").map(String::as_str) {
        Some(found) if found == architecture => Ok(()),
        _ => Err(unexpected(path, file, &format!("'{architecture}'"))),
    }
}

/// The error for a file that is not the model that was `expected`: what it is, and which command takes it.
pub fn unexpected(path: &Path, file: &TensorFile, expected: &str) -> Error {
    let Some(found) = file.metadata.get("architecture") else {
        let why = "its metadata name no architecture, so wgvision did not write it; `wgvision convert` reads networks of other programs";
        return Error::file(path, why);
    };
    let cure = match found.as_str() {
        "unet" => "; `wgvision segment` runs it",
        "darknet" | "instances" => "; `wgvision detect` runs it",
        _ => "",
    };
    Error::file(path, format!("is a '{found}' model, {expected} was expected{cure}"))
}

/// A metadata entry, parsed from JSON. Fails when it is missing or of another form.
pub fn from_json<T: serde::de::DeserializeOwned>(path: &Path, file: &TensorFile, key: &str) -> Result<T> {
    serde_json::from_str(text(path, file, key)?)
        .map_err(|e| Error::file(path, format!("its '{key}' cannot be read: {e}")))
}

/// A metadata entry as it is. Fails when it is missing.
pub fn text<'a>(path: &Path, file: &'a TensorFile, key: &str) -> Result<&'a str> {
    let found = file.metadata.get(key).map(String::as_str);
    found.ok_or_else(|| Error::file(path, format!("has no '{key}' in its metadata")))
}
