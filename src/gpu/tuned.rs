//! Choices between kernels that were timed on this adapter and driver, kept on disk between runs.
//!
//! A small JSON file beside the compiled pipelines: problem to variant, both by names that the ops give them. It is advice: a file that
//! cannot be read, or a name that an op does not know, leaves the op to its rule. What is timed, and when, is decided elsewhere.

use super::AdapterFacts;
use super::pipeline::cache_folder;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Timed choices for one adapter and driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// Version of the program whose kernels were timed.
    version: String,
    adapter: String,
    driver: String,
    choices: BTreeMap<String, String>,
}

impl Tuned {
    /// No choices.
    pub fn none(facts: &AdapterFacts) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_string();
        Self { version, adapter: facts.name.clone(), driver: facts.driver.clone(), choices: BTreeMap::new() }
    }

    /// Given choices, for tests of what uses them.
    #[cfg(test)]
    pub(crate) fn of(choices: &[(&str, &str)]) -> Self {
        let choices = choices.iter().map(|(problem, variant)| (problem.to_string(), variant.to_string())).collect();
        Self { version: String::new(), adapter: String::new(), driver: String::new(), choices }
    }

    /// Where the choices for an adapter are kept: in the folder of compiled pipelines. `None` where the platform has no such folder.
    pub fn file(facts: &AdapterFacts) -> Option<PathBuf> {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let name = format!("{}-{}-{}.tuned.json", facts.backend, plain(&facts.name), plain(&facts.driver));
        Some(cache_folder()?.join(name))
    }

    /// The choices in a file; none where there is no file, or where it was made by another version of the program or for another
    /// device. Fails on a file that cannot be read.
    pub fn read(path: &Path, facts: &AdapterFacts) -> Result<Self> {
        let none = Self::none(facts);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(none),
            Err(e) => return Err(Error::io(path, e)),
        };
        let found: Self =
            serde_json::from_str(&text).map_err(|e| Error::file(path, format!("no tuned choices: {e}; delete it")))?;
        let same = [&found.version, &found.adapter, &found.driver] == [&none.version, &none.adapter, &none.driver];
        Ok(if same { found } else { none })
    }

    /// What is kept for an adapter. A file that cannot be read is reported and left out of account.
    pub(super) fn load(facts: &AdapterFacts) -> Self {
        let read = Self::file(facts).map(|path| Self::read(&path, facts));
        read.unwrap_or_else(|| Ok(Self::none(facts))).unwrap_or_else(|e| {
            tracing::warn!("{e}; kernels are chosen by rule");
            Self::none(facts)
        })
    }

    /// Writes beside, syncs and renames: a reader finds the old file or the new one.
    pub fn save(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut text = serde_json::to_vec_pretty(self).expect("plain data");
        text.push(b'\n');
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|e| Error::io(path, e))
    }

    /// The variant chosen for a problem.
    pub fn choice(&self, problem: &str) -> Option<&str> {
        self.choices.get(problem).map(String::as_str)
    }

    /// Keeps a choice.
    pub fn choose(&mut self, problem: String, variant: &str) {
        self.choices.insert(problem, variant.to_string());
    }

    /// Number of problems.
    pub fn len(&self) -> usize {
        self.choices.len()
    }

    /// Whether nothing was tuned.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::DeviceKind;
    use crate::gpu::adapter::{Features, Limits};

    fn facts(driver: &str) -> AdapterFacts {
        AdapterFacts {
            index: 0,
            name: "a card (rev. 2)".into(),
            backend: "vulkan".into(),
            kind: DeviceKind::Discrete,
            driver: driver.into(),
            cooperative: Vec::new(),
            limits: Limits {
                max_buffer: 0,
                max_storage_binding: 0,
                max_storage_buffers: 0,
                max_invocations: 0,
                workgroup_memory: 0,
                max_workgroups: 0,
                storage_alignment: 0,
                immediate_bytes: 0,
            },
            features: Features {
                f16: false,
                subgroups: false,
                timestamps: false,
                pipeline_cache: false,
                immediates: false,
            },
        }
    }

    #[test]
    fn choices_come_back_for_the_same_adapter_driver_and_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/a.tuned.json");
        let mine = facts("1.0");
        assert!(Tuned::read(&path, &mine).expect("no file is no error").is_empty());
        let mut tuned = Tuned::none(&mine);
        tuned.choose("a problem".into(), "lanes");
        tuned.choose("a problem".into(), "tiled");
        tuned.save(&path).expect("writes");
        let again = Tuned::read(&path, &mine).expect("reads");
        assert_eq!((again.choice("a problem"), again.choice("another"), again.len()), (Some("tiled"), None, 1));
        assert!(Tuned::read(&path, &facts("1.1")).expect("reads").is_empty());
        let older = std::fs::read_to_string(&path).expect("reads").replace(env!("CARGO_PKG_VERSION"), "0.0.0");
        std::fs::write(&path, older).expect("writes");
        assert!(Tuned::read(&path, &mine).expect("reads").is_empty());
        let names: Vec<_> = std::fs::read_dir(path.parent().expect("in a folder")).expect("reads").collect();
        assert_eq!(names.len(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("broken.tuned.json");
        let whole = serde_json::to_string(&Tuned::none(&facts(""))).expect("plain data");
        for text in ["", "[]", "{}", &whole[..whole.len() / 2], &whole.replace("choices", "chosen")] {
            std::fs::write(&path, text).expect("writes");
            let message = Tuned::read(&path, &facts("")).expect_err(text).to_string();
            assert!(message.contains("broken.tuned.json"), "{message}");
        }
    }

    #[test]
    fn adapters_and_drivers_have_files_of_their_own() {
        let [one, other] = ["1.0", "1.1"].map(|driver| Tuned::file(&facts(driver)));
        assert!(one.is_none() || one != other);
    }
}
