//! The graph as a table for people and as DOT for drawing programs.

use super::build::{Graph, Kind};
use super::plan::Plan;
use crate::tensor::Shape;
use std::collections::HashMap;
use std::fmt::Write;

/// One row of the layer table.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Layer {
    /// Name of the node.
    pub name: String,
    /// Name of the op.
    pub op: String,
    /// Shape of the first output, NHWC.
    #[serde(serialize_with = "as_list")]
    pub output: Shape,
    /// Elements of the parameters and states that this node is the first to read.
    pub parameters: usize,
    /// Multiply-adds of one run.
    pub multiply_adds: u64,
}

fn as_list<S: serde::Serializer>(shape: &Shape, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(shape.iter())
}

impl Graph {
    /// The layer table: one row for each op, in order.
    pub fn layers(&self) -> Vec<Layer> {
        let mut counted = vec![false; self.nodes().len()];
        let mut layers = Vec::new();
        for node in self.nodes() {
            let Kind::Op(op) = &node.kind else { continue };
            let inputs: Vec<_> = node.inputs.iter().map(|&v| self.ty(v)).collect();
            let mut parameters = 0;
            for v in &node.inputs {
                let variable = matches!(self.nodes()[v.node].kind, Kind::Parameter | Kind::State);
                if variable && !std::mem::replace(&mut counted[v.node], true) {
                    parameters += self.ty(*v).elements();
                }
            }
            layers.push(Layer {
                name: node.name.clone(),
                op: op.name().to_string(),
                output: node.outputs[0].shape.clone(),
                parameters,
                multiply_adds: op.multiply_adds(&inputs, &node.outputs),
            });
        }
        layers
    }

    /// The layer table as text, with totals.
    pub fn summary(&self) -> String {
        let layers = self.layers();
        let width = layers.iter().map(|l| l.name.len()).max().unwrap_or(4).max(4);
        let op = layers.iter().map(|l| l.op.len()).max().unwrap_or(2).max(2);
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{:width$}  {:op$}  {:>22}  {:>13}  {:>15}",
            "node", "op", "output", "stored values", "multiply-adds"
        );
        for l in &layers {
            let (p, m) = (blank_zero(l.parameters as u64), blank_zero(l.multiply_adds));
            let _ = writeln!(text, "{:width$}  {:op$}  {:>22}  {p:>13}  {m:>15}", l.name, l.op, l.output.to_string());
        }
        let stored: usize = layers.iter().map(|l| l.parameters).sum();
        let multiply_adds: u64 = layers.iter().map(|l| l.multiply_adds).sum();
        let _ = writeln!(
            text,
            "{} nodes, {} stored values, {} multiply-adds",
            layers.len(),
            thousands(stored as u64),
            thousands(multiply_adds)
        );
        text
    }

    /// The graph in Graphviz's language: `dot -Tsvg`.
    pub fn dot(&self) -> String {
        let mut text =
            String::from("digraph wgvision {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n");
        let mut names: HashMap<usize, String> = HashMap::new();
        for (i, node) in self.nodes().iter().enumerate() {
            let (label, style) = match &node.kind {
                Kind::Op(op) => (format!("{}\\n{}", node.name, op.name()), "style=rounded"),
                Kind::Input => (format!("{}\\ninput", node.name), "style=filled, fillcolor=lightblue"),
                Kind::Parameter => (node.name.clone(), "shape=ellipse, style=filled, fillcolor=lightyellow"),
                Kind::State => (node.name.clone(), "shape=ellipse, style=filled, fillcolor=lightgrey"),
                Kind::Constant(_) => (node.name.clone(), "shape=ellipse"),
            };
            let label = label.replace('"', "'");
            let _ = writeln!(text, "  n{i} [label=\"{label}\\n{}\", {style}];", node.outputs[0]);
            names.insert(i, node.name.clone());
        }
        for (i, node) in self.nodes().iter().enumerate() {
            for v in &node.inputs {
                let _ = writeln!(text, "  n{} -> n{i};", v.node);
            }
        }
        text.push_str("}\n");
        text
    }
}

impl Plan {
    /// The memory plan in a few lines: peak, lower bound, what fills the busiest moment.
    pub fn describe(&self) -> String {
        let m = &self.memory;
        let ratio = m.peak as f64 / m.lower_bound.max(1) as f64;
        let mut text = format!(
            "memory: {} resident (parameters, states, constants), {} shared by {} tensors\n\
             planned peak {} bytes, lower bound {} bytes, ratio {ratio:.3}; without sharing {} bytes\n",
            megabytes(self.resident),
            megabytes(m.peak),
            m.offsets.len(),
            m.peak,
            m.lower_bound,
            m.unshared
        );
        for (name, bytes) in self.busiest().iter().take(5) {
            let _ = writeln!(text, "  {:>10}  {name}", megabytes(*bytes));
        }
        text
    }
}

/// Bytes in MiB with one decimal.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

/// 31030658 as "31,030,658".
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}

fn blank_zero(n: u64) -> String {
    if n == 0 { String::new() } else { thousands(n) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_have_commas() {
        assert_eq!([0, 999, 1000, 31030658].map(super::thousands), ["0", "999", "1,000", "31,030,658"]);
    }
}
