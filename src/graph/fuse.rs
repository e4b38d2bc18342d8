//! For inference: folds evaluation-mode batch norm into the op before it, and lets that op apply bias, residual and
//! activation to its result before storing it.
//!
//! A new graph is built; the ops that were absorbed lose their readers and the planner drops them. What is computed from
//! parameters alone (folded weights) runs once, when parameters change, not in every run.

use super::build::{Graph, Kind, Node};
use crate::Result;
use crate::ops::{Epilogue, OpRef, Value};
use crate::tensor::TensorType;
use std::collections::HashMap;

impl Graph {
    /// The same computation with epilogues fused, and where each of `outputs` is in it. The names of variables stay.
    pub fn fused(&self, outputs: &[Value]) -> Result<(Graph, Vec<Value>)> {
        let mut pass =
            Fusion { old: self, new: Graph::new(), moved: HashMap::new(), readers: self.count_readers(outputs) };
        for index in 0..self.nodes().len() {
            pass.take(index)?;
        }
        let Fusion { mut new, moved, .. } = pass;
        for (target, value) in self.updates() {
            new.update(moved[target], moved[value])?;
        }
        Ok((new, outputs.iter().map(|v| moved[v]).collect()))
    }

    fn count_readers(&self, outputs: &[Value]) -> HashMap<Value, usize> {
        let mut readers = HashMap::new();
        let updates = self.updates().iter().map(|(_, new)| new);
        for v in self.nodes().iter().flat_map(|n| &n.inputs).chain(outputs).chain(updates) {
            *readers.entry(*v).or_insert(0) += 1;
        }
        readers
    }
}

struct Fusion<'a> {
    old: &'a Graph,
    new: Graph,
    moved: HashMap<Value, Value>,
    readers: HashMap<Value, usize>,
}

/// An op that takes an epilogue in, and all its inputs then.
type Absorbed = (OpRef, Vec<Value>);

impl Fusion<'_> {
    fn take(&mut self, index: usize) -> Result<()> {
        let node = &self.old.nodes()[index];
        if let Kind::Op(op) = &node.kind
            && let Some((op, inputs)) = self.absorb(op, node)?
        {
            let fused = self.new.named_all(&node.name, op, &inputs)?;
            self.moved.insert(Value { node: index, slot: 0 }, fused[0]);
            return Ok(());
        }
        let inputs = node.inputs.iter().map(|v| self.moved[v]).collect();
        let copy = self.new.push_node(Node { inputs, ..node.clone() });
        for slot in 0..node.outputs.len() {
            self.moved.insert(Value { node: index, slot }, Value { node: copy, slot });
        }
        Ok(())
    }

    fn absorb(&mut self, op: &OpRef, node: &Node) -> Result<Option<Absorbed>> {
        let types: Vec<TensorType> = node.inputs.iter().map(|&v| self.old.ty(v)).collect();
        let Some(epilogue) = op.as_epilogue(&types) else { return Ok(None) };
        // A sum may be absorbed by either side.
        let sides = if epilogue == Epilogue::Residual { 0..2 } else { 0..1 };
        for main in sides {
            let from = node.inputs[main];
            let producer = self.moved[&from];
            let Kind::Op(before) = &self.new.nodes()[producer.node].kind else { continue };
            let before = before.clone();
            if self.readers[&from] != 1 || producer.slot != 0 {
                continue;
            }
            let mut inputs = self.new.nodes()[producer.node].inputs.clone();
            let others = node.inputs.iter().enumerate().filter(|(i, _)| *i != main);
            let others: Vec<Value> = others.map(|(_, v)| self.moved[v]).collect();
            if let Epilogue::BatchNorm { eps } = epilogue {
                let Some((fold, folded)) = before.fold_batch_norm(eps) else { continue };
                // (weight, [bias]) of the op before, then the statistics.
                let parameters: Vec<Value> = inputs[1..].iter().copied().chain(others).collect();
                let made = self.new.named_all(&format!("fold({})", node.name), fold, &parameters)?;
                return Ok(Some((folded, vec![inputs[0], made[0], made[1]])));
            }
            if let Some(absorbed) = before.absorb(&epilogue) {
                inputs.extend(others);
                return Ok(Some((absorbed, inputs)));
            }
        }
        Ok(None)
    }
}
