//! Parameters and states on the device, by name, shared by every executable that runs on them.

use super::build::{Graph, Kind};
use crate::gpu::{Gpu, Region};
use crate::ops::Value;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Named tensors that live on the device between runs. Clones share them.
#[derive(Clone)]
pub struct Variables(Arc<Inner>);

type Tensors = BTreeMap<String, (TensorType, Region)>;

/// A variable to be.
type Named = (String, TensorType);

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
        self.reserve(&[(name.to_string(), ty.clone())])?;
        let tensors = self.tensors();
        let (have, region) = &tensors[name];
        if have == ty {
            return Ok(region.clone());
        }
        Err(Error::Graph(format!("variable '{name}' is {have}, {ty} was asked for")))
    }

    /// Memory for those of `wanted` that do not exist, zeroed, one behind the other in as few buffers as one binding reaches: what lies
    /// together can be changed by one dispatch.
    pub fn reserve(&self, wanted: &[Named]) -> Result<()> {
        let mut tensors = self.tensors();
        let gpu = &self.0.gpu;
        let align = gpu.alignment();
        let most = gpu.profile().max_binding.min(gpu.max_buffer());
        let missing: Vec<&Named> = wanted.iter().filter(|(name, _)| !tensors.contains_key(name)).collect();
        let mut rest = &missing[..];
        while let [(first, _), ..] = rest {
            let mut end = 0u64;
            let mut offsets = Vec::new();
            for (_, ty) in rest {
                let offset = end.next_multiple_of(align);
                // A whole number of steps of four elements, which is how kernels for many tensors go.
                let next = offset + ty.bytes().max(4).next_multiple_of(16);
                if next > most && !offsets.is_empty() {
                    break;
                }
                offsets.push(offset);
                end = next;
            }
            let what = if offsets.len() == 1 {
                first.clone()
            } else {
                format!("{} variables from '{first}' on", offsets.len())
            };
            let buffer = gpu.allocate(&what, end)?;
            let (now, later) = rest.split_at(offsets.len());
            for ((name, ty), offset) in now.iter().zip(offsets) {
                let size = ty.bytes().max(4).next_multiple_of(4);
                let region = Region { buffer: buffer.clone(), offset, size };
                tensors.insert(name.clone(), (ty.clone(), region));
            }
            rest = later;
        }
        Ok(())
    }

    /// Memory for the parameters and states of a graph that are `wanted` and do not exist yet. What the same output of the same op updates
    /// lies together.
    pub(super) fn reserve_for(&self, graph: &Graph, wanted: impl Fn(Value) -> bool) -> Result<()> {
        let role = |target: Value| {
            let new = graph.updates().iter().find(|(t, _)| *t == target).map(|(_, new)| *new)?;
            let Kind::Op(op) = &graph.nodes()[new.node].kind else { return None };
            Some((op.name(), new.slot))
        };
        let mut roles: BTreeMap<Option<(&str, usize)>, Vec<Named>> = BTreeMap::new();
        for (node, n) in graph.nodes().iter().enumerate() {
            let value = Value { node, slot: 0 };
            if matches!(n.kind, Kind::Parameter | Kind::State) && wanted(value) {
                roles.entry(role(value)).or_default().push((n.name.clone(), n.outputs[0].clone()));
            }
        }
        roles.values().try_for_each(|list| self.reserve(list))
    }

    /// Declares every parameter and state of a graph that does not exist yet; those start as zeros.
    pub fn declare_all(&self, graph: &Graph) -> Result<()> {
        self.reserve_for(graph, |_| true)?;
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
