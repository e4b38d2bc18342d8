//! Half precision: weights and activations of networks that only run, activations and their gradients of networks that train. Numbers
//! are computed in f32 as before; what is halved is the memory that they are read from and written to.
//!
//! A new graph is built each time. In one, every weight that an op can take as f16 passes through a conversion; it depends on parameters
//! alone, so the plan's prologue runs it once, when parameters change. In the other, ops are wrapped ([`Stored`]) and the types of what they
//! pass on are f16; nothing is converted. Biases, statistics, and what the optimiser works with stay f32.

use super::build::{Graph, Kind, Node};
use super::{Executable, Variables};
use crate::Result;
use crate::gpu::{Profile, Slot};
use crate::ops::to_half::ToHalf;
use crate::ops::{LaunchCx, Stored, Value, refused};
use crate::tensor::{DType, TensorType};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// In which precision a network that only runs keeps its weights and activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they were trained and are computed.
    #[default]
    F32,
    /// Rounded to half precision: half the bytes, errors of up to 2^-11 of each weight and activation.
    F16,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

impl std::str::FromStr for Precision {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            _ => Err(format!("no precision is named '{text}'; there are: f32, f16")),
        }
    }
}

impl Executable {
    /// An executable that only runs forward: batch norm folded, epilogues fused, weights and activations in `precision`, weights in the form
    /// that the device wants.
    pub fn for_inference(
        graph: &Graph,
        outputs: &[(&str, Value)],
        variables: &Variables,
        precision: Precision,
    ) -> Result<Self> {
        let values: Vec<Value> = outputs.iter().map(|&(_, v)| v).collect();
        let (graph, values) = graph.for_inference(&values, precision, variables.gpu().profile())?;
        let named: Vec<(&str, Value)> = outputs.iter().zip(values).map(|(&(name, _), v)| (name, v)).collect();
        Self::new(&graph, &named, variables)
    }
}

impl Graph {
    /// What only runs forward, and where each of `outputs` is in it: see [`Executable::for_inference`].
    pub fn for_inference(
        &self,
        outputs: &[Value],
        precision: Precision,
        profile: &Profile,
    ) -> Result<(Graph, Vec<Value>)> {
        let (mut graph, mut values) = self.fused(outputs)?;
        if precision == Precision::F16 {
            (graph, values) = graph.with_half_weights(&values)?;
            graph = graph.with_half_activations(&values, profile)?;
        }
        graph.with_prepared_inputs(&values, profile)
    }

    /// The same computation with f16 weights where ops take them, and where each of `outputs` is in it. The names of variables stay.
    pub fn with_half_weights(&self, outputs: &[Value]) -> Result<(Graph, Vec<Value>)> {
        let fixed = self.fixed_nodes();
        let mut new = Graph::new();
        let mut moved: HashMap<Value, Value> = HashMap::new();
        let mut halves: HashMap<Value, Value> = HashMap::new();
        for (index, node) in self.nodes().iter().enumerate() {
            let mut inputs: Vec<Value> = node.inputs.iter().map(|v| moved[v]).collect();
            if let Kind::Op(op) = &node.kind {
                for &i in op.half_inputs() {
                    let (from, to) = (node.inputs[i], inputs[i]);
                    if !fixed.contains(&from.node) || self.ty(from).dtype != DType::F32 {
                        continue;
                    }
                    inputs[i] = match halves.get(&from) {
                        Some(&half) => half,
                        None => new.named(&format!("half({})", self.name(from)), ToHalf, &[to])?,
                    };
                    halves.insert(from, inputs[i]);
                }
            }
            let copy = new.push_node(Node { inputs, ..node.clone() });
            for slot in 0..node.outputs.len() {
                moved.insert(Value { node: index, slot }, Value { node: copy, slot });
            }
        }
        for (target, value) in self.updates() {
            new.update(moved[target], moved[value])?;
        }
        Ok((new, outputs.iter().map(|v| moved[v]).collect()))
    }

    /// The same computation with activations and their gradients stored as f16 where all ops that read or write them can. `outputs` stay f32.
    /// Arithmetic stays f32, as does all that depends on variables alone. Values keep their places.
    pub fn with_half_activations(&self, outputs: &[Value], profile: &Profile) -> Result<Graph> {
        let halves = self.halves(outputs, profile)?;
        let mut new = Graph::new();
        for node in self.nodes() {
            let index = new.nodes().len();
            let mut copy = node.clone();
            if let Kind::Op(op) = &node.kind {
                let is_half = |slot: Slot| value(node, index, slot).is_some_and(|v| halves.contains(&v));
                let op = Stored::new(op, node.inputs.len(), node.outputs.len(), is_half);
                if op.is_needed() {
                    for (slot, ty) in copy.outputs.iter_mut().enumerate() {
                        if is_half(Slot::Output(slot)) {
                            ty.dtype = DType::F16;
                        }
                    }
                    copy.kind = Kind::Op(Arc::new(op));
                }
            }
            new.push_node(copy);
        }
        for &(target, value) in self.updates() {
            new.update(target, value)?;
        }
        Ok(new)
    }

    /// The values that can be stored in half precision.
    fn halves(&self, outputs: &[Value], profile: &Profile) -> Result<HashSet<Value>> {
        let fixed = self.fixed_nodes();
        let mut halves = HashSet::new();
        for (index, node) in self.nodes().iter().enumerate() {
            let Kind::Op(op) = &node.kind else { continue };
            for (slot, ty) in node.outputs.iter().enumerate() {
                if ty.dtype == DType::F32 && !fixed.contains(&index) && op.stores_half(Slot::Output(slot)) {
                    halves.insert(Value { node: index, slot });
                }
            }
            let reads_wide = |&(i, _): &(usize, &Value)| !op.stores_half(Slot::Input(i));
            node.inputs.iter().enumerate().filter(reads_wide).for_each(|(_, v)| {
                halves.remove(v);
            });
        }
        for v in outputs.iter().chain(self.updates().iter().map(|(_, new)| new)) {
            halves.remove(v);
        }
        // What a kernel refuses, and what shares memory with it, stays f32.
        for (index, node) in self.nodes().iter().enumerate() {
            let Kind::Op(op) = &node.kind else { continue };
            let is_half = |slot: Slot| value(node, index, slot).is_some_and(|v| halves.contains(&v));
            if op.is_view() || !slots(node).any(is_half) {
                continue;
            }
            let inputs: Vec<TensorType> = node.inputs.iter().map(|&v| self.ty(v)).collect();
            let work = op.launches(&LaunchCx { inputs: &inputs, outputs: &node.outputs, profile })?;
            for slot in refused(&work.launches, is_half) {
                halves.remove(&value(node, index, slot).expect("no scratch"));
            }
        }
        let views = || self.nodes().iter().enumerate().filter(|(_, n)| matches!(&n.kind, Kind::Op(op) if op.is_view()));
        let pairs: Vec<[Value; 2]> = views().map(|(node, n)| [n.inputs[0], Value { node, slot: 0 }]).collect();
        for [a, b] in pairs.iter().chain(pairs.iter().rev()) {
            if !(halves.contains(a) && halves.contains(b)) {
                halves.remove(a);
                halves.remove(b);
            }
        }
        Ok(halves)
    }

    /// Nodes that depend on variables and constants alone.
    pub(super) fn fixed_nodes(&self) -> HashSet<usize> {
        let mut fixed = HashSet::new();
        for (index, node) in self.nodes().iter().enumerate() {
            let derived = matches!(node.kind, Kind::Op(_)) && node.inputs.iter().all(|v| fixed.contains(&v.node));
            if derived || matches!(node.kind, Kind::Parameter | Kind::State | Kind::Constant(_)) {
                fixed.insert(index);
            }
        }
        fixed
    }
}

/// All inputs and outputs of a node.
fn slots(node: &Node) -> impl Iterator<Item = Slot> {
    (0..node.inputs.len()).map(Slot::Input).chain((0..node.outputs.len()).map(Slot::Output))
}

/// The value at a slot of node `index`; none for scratch.
fn value(node: &Node, index: usize, slot: Slot) -> Option<Value> {
    match slot {
        Slot::Input(i) => Some(node.inputs[i]),
        Slot::Output(slot) => Some(Value { node: index, slot }),
        Slot::Scratch(_) => None,
    }
}
