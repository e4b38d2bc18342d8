//! Checkpoints: every variable in the device's layout, bit for bit, and where the run stood.

use super::train::TrainSettings;
use crate::graph::Variables;
use crate::tensor::Tensor;
use crate::weights::TensorFile;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Steps done.
    pub step: u64,
    /// Best first score and its step.
    pub best: Option<(f64, u64)>,
    /// Validations since the best.
    pub stale: u64,
    /// The row of `metrics.csv` that waits for its validation.
    #[serde(skip)]
    pub last_row: Vec<(String, f64)>,
}

/// Reading and writing of checkpoints.
pub struct Checkpoint;

impl Checkpoint {
    /// Writes everything a resumed run needs. Waits for the device.
    pub fn write(
        path: &Path,
        metadata: &BTreeMap<String, String>,
        settings: &TrainSettings,
        state: &TrainState,
        variables: &Variables,
    ) -> Result<()> {
        let mut metadata = metadata.clone();
        metadata.insert("checkpoint".into(), serde_json::to_string(state).expect("plain data"));
        metadata.insert("settings".into(), serde_json::to_string(settings).expect("plain data"));
        TensorFile { metadata, tensors: variables.snapshot()? }.write(path)
    }

    /// Restores all variables. Fails when the file is damaged, of another architecture or configuration, or of other settings.
    pub fn restore(
        path: &Path,
        metadata: &BTreeMap<String, String>,
        settings: &TrainSettings,
        variables: &Variables,
    ) -> Result<TrainState> {
        if !path.exists() {
            return Err(Error::file(path, "there is no checkpoint to resume from; start without --resume"));
        }
        let file = TensorFile::read(path)?;
        let Some(state) = file.metadata.get("checkpoint") else {
            return Err(Error::file(path, "is a model, not a checkpoint of a run"));
        };
        for (key, want) in metadata {
            let have = file.metadata.get(key).map_or("null", String::as_str);
            if have != want {
                let differs = difference(key, &json(have), &json(want));
                return Err(Error::file(path, format!("is a checkpoint of another network or run: {differs}")));
            }
        }
        let state: TrainState = serde_json::from_str(state)
            .map_err(|e| Error::file(path, format!("its 'checkpoint' cannot be read: {e}")))?;
        check_settings(path, &file, settings)?;
        check_names(path, &file.tensors, variables)?;
        for (name, value) in &file.tensors {
            variables.set(name, value).map_err(|e| Error::file(path, e.to_string()))?;
        }
        Ok(state)
    }
}

/// Everything but the number of steps must be as it was, or the run would not be the one that was stopped.
fn check_settings(path: &Path, file: &TensorFile, settings: &TrainSettings) -> Result<()> {
    let text = file.metadata.get("settings").map_or("null", String::as_str);
    let before: TrainSettings =
        serde_json::from_str(text).map_err(|e| Error::file(path, format!("its 'settings' cannot be read: {e}")))?;
    let same = TrainSettings { steps: settings.steps, ..before.clone() } == *settings;
    if same {
        return Ok(());
    }
    let value = |s: &TrainSettings| serde_json::to_value(s).expect("plain data");
    let settings = TrainSettings { steps: before.steps, ..settings.clone() };
    let differs = difference("", &value(&before), &value(&settings));
    Err(Error::file(path, format!("was made with other settings: {differs}")))
}

/// Metadata as JSON; what is none is text.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}

/// Most places that an error lists, and characters that it shows of a value.
const SHOWN: (usize, usize) = (3, 60);

/// Where two values differ: `rpn.sample was 64, is 128`.
fn difference(name: &str, was: &Value, is: &Value) -> String {
    let mut all = Vec::new();
    differences(name, was, is, &mut all);
    let more = all.len().saturating_sub(SHOWN.0);
    let shown = all[..all.len() - more].join("; ");
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}

fn differences(name: &str, was: &Value, is: &Value, all: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let value = |o: &'_ Map<String, Value>| o.get(key).cloned().unwrap_or_default();
                differences(&inner, &value(a), &value(b), all);
            }
        }
        _ if was == is => {}
        _ => {
            let (was, is) = (was.to_string(), is.to_string());
            let short = was.chars().count().max(is.chars().count()) <= SHOWN.1;
            all.push(if short { format!("{name} was {was}, is {is}") } else { format!("{name} is another one") });
        }
    }
}

fn check_names(path: &Path, tensors: &BTreeMap<String, Tensor>, variables: &Variables) -> Result<()> {
    let wanted = variables.list();
    if let Some((name, _)) = wanted.iter().find(|(name, _)| !tensors.contains_key(name)) {
        return Err(Error::file(path, format!("lacks the tensor '{name}'")));
    }
    match tensors.keys().find(|name| !wanted.iter().any(|(n, _)| n == *name)) {
        Some(extra) => Err(Error::file(path, format!("has a tensor '{extra}' that this run does not know"))),
        None => Ok(()),
    }
}
