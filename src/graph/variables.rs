//! Parameters and states on the device, by name, shared by every executable that runs on them.

use super::build::{Graph, Kind};
use crate::gpu::{Gpu, Region};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Named tensors that live on the device between runs. Clones share them.
#[derive(Clone)]
pub struct Variables(Arc<Inner>);

type Tensors = BTreeMap<String, (TensorType, Region)>;

struct Inner {
    gpu: Gpu,
    tensors: Mutex<Tensors>,
    version: AtomicU64,
}

impl Variables {
    /// None yet.
    pub fn new(gpu: &Gpu) -> Self {
        Self(Arc::new(Inner { gpu: gpu.clone(), tensors: Mutex::default(), version: AtomicU64::new(1) }))
    }

    /// The device they live on.
    pub fn gpu(&self) -> &Gpu {
        &self.0.gpu
    }

    /// Sets or replaces a tensor. A tensor that exists must keep its type, since executables are bound to it.
    pub fn set(&self, name: &str, value: &Tensor) -> Result<()> {
        let region = self.declare(name, &value.ty())?;
        self.0.gpu.upload(&region, value.bytes());
        self.touch();
        Ok(())
    }

    /// Reads a tensor back. Waits for the device.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let found = self.tensors().get(name).cloned();
        let (ty, region) = found.ok_or_else(|| Error::Graph(format!("there is no variable '{name}'")))?;
        let bytes = self.0.gpu.read(&region, ty.bytes())?.wait()?;
        Ok(Tensor::from_bytes(ty, &bytes))
    }

    /// Names and types in alphabetical order.
    pub fn list(&self) -> Vec<(String, TensorType)> {
        self.tensors().iter().map(|(name, (ty, _))| (name.clone(), ty.clone())).collect()
    }

    /// Whether a tensor of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors().contains_key(name)
    }

    /// All tensors, read back in one go: the copies are queued first, then waited for.
    pub fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        let tensors = self.tensors().clone();
        let queued: Result<Vec<_>> = tensors
            .into_iter()
            .map(|(name, (ty, region))| Ok((name, self.0.gpu.read(&region, ty.bytes())?, ty)))
            .collect();
        queued?.into_iter().map(|(name, read, ty)| Ok((name, Tensor::from_bytes(ty, &read.wait()?)))).collect()
    }

    /// Memory for a variable, zeroed when new. Fails if it exists with another type.
    pub(super) fn declare(&self, name: &str, ty: &TensorType) -> Result<Region> {
        let mut tensors = self.tensors();
        if let Some((have, region)) = tensors.get(name) {
            if have == ty {
                return Ok(region.clone());
            }
            return Err(Error::Graph(format!("variable '{name}' is {have}, {ty} was asked for")));
        }
        let size = ty.bytes().max(4).next_multiple_of(4);
        let region = Region { buffer: self.0.gpu.allocate(name, size)?, offset: 0, size };
        tensors.insert(name.to_string(), (ty.clone(), region.clone()));
        Ok(region)
    }

    /// Declares every parameter and state of a graph that does not exist yet; those start as zeros.
    pub fn declare_all(&self, graph: &Graph) -> Result<()> {
        for node in graph.nodes() {
            if matches!(node.kind, Kind::Parameter | Kind::State) {
                self.declare(&node.name, &node.outputs[0])?;
            }
        }
        Ok(())
    }

    /// Counts changes, so that executables know when to recompute what they derived from variables.
    pub(super) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self) {
        self.0.version.fetch_add(1, Ordering::Relaxed);
    }

    fn tensors(&self) -> MutexGuard<'_, Tensors> {
        self.0.tensors.lock().expect("no panic under lock")
    }
}
