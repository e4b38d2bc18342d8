//! For inference: weights in half precision. Numbers are computed in f32 as before; what is halved is the memory that weights are read from.
//!
//! A new graph is built in which every weight that an op can take as f16 passes through a conversion. It depends on parameters
//! alone, so the plan's prologue runs it once, when parameters change. Activations, biases and statistics stay f32.

use super::build::{Graph, Kind, Node};
use super::{Executable, Variables};
use crate::Result;
use crate::ops::Value;
use crate::ops::to_half::ToHalf;
use crate::tensor::DType;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// In which precision a network that only runs keeps its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they were trained.
    #[default]
    F32,
    /// Rounded to half precision: half the bytes to read, errors of up to 2^-11 of each weight.
    F16,
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
    /// An executable that only runs forward: batch norm folded, epilogues fused, weights in `precision` and in the form that the device wants.
    pub fn for_inference(
        graph: &Graph,
        outputs: &[(&str, Value)],
        variables: &Variables,
        precision: Precision,
    ) -> Result<Self> {
        let values: Vec<Value> = outputs.iter().map(|&(_, v)| v).collect();
        let (mut graph, mut values) = graph.fused(&values)?;
        if precision == Precision::F16 {
            (graph, values) = graph.with_half_weights(&values)?;
        }
        (graph, values) = graph.with_prepared_inputs(&values, variables.gpu().profile())?;
        let named: Vec<(&str, Value)> = outputs.iter().zip(values).map(|(&(name, _), v)| (name, v)).collect();
        Self::new(&graph, &named, variables)
    }
}

impl Graph {
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
