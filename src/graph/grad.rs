//! Gradients, graph to graph: walks the nodes backwards and lets each op emit the nodes of its gradient.
//!
//! Contributions to one value are added in the order of this walk, so sums repeat bit for bit. Inside checkpointed
//! segments the rules see copies of the forward nodes, emitted just before the first rule that needs them.

use super::build::{Graph, Kind, Node};
use crate::ops::add::Add;
use crate::ops::{GradCx, Value};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};

impl Graph {
    /// Gradients of the scalar `loss` with respect to each of `wrt`, in order. A value that the loss does not depend on
    /// gets zeros. Fails if the loss is not a single float, or where an op in between has no gradient.
    pub fn gradients(&mut self, loss: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        let ty = self.ty(loss);
        if ty.elements() != 1 || ty.dtype != DType::F32 {
            return Err(Error::Graph(format!("the loss '{}' is {ty}, it must be one f32", self.name(loss))));
        }
        let one = self.constant(Tensor::full(&ty.shape, 1.0));
        self.gradients_seeded(loss, one, wrt)
    }

    /// [`Graph::gradients`] of `seed` times the loss, `seed` being of the loss's type.
    pub fn gradients_seeded(&mut self, loss: Value, seed: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        let found = self.gradients_from(&[(loss, seed)], wrt)?;
        let or_zeros = |(g, &v): (Option<Value>, &Value)| g.unwrap_or_else(|| self.zeros_like(v));
        Ok(found.into_iter().zip(wrt).map(or_zeros).collect())
    }

    /// Gradients given those of some outputs: vector-Jacobian products. `None` where no path leads.
    pub fn gradients_from(&mut self, seeds: &[(Value, Value)], wrt: &[Value]) -> Result<Vec<Option<Value>>> {
        let forward = self.nodes().len();
        let wanted = self.depends_on(wrt);
        let mut arrived: HashMap<Value, Value> = HashMap::new();
        for &(value, grad) in seeds {
            self.accumulate(&mut arrived, value, grad)?;
        }
        let mut recomputed: HashMap<usize, HashMap<usize, usize>> = HashMap::new();
        for index in (0..forward).rev() {
            let node = self.nodes()[index].clone();
            let Kind::Op(op) = &node.kind else { continue };
            let grads: Vec<Option<Value>> =
                (0..node.outputs.len()).map(|slot| arrived.get(&Value { node: index, slot }).copied()).collect();
            let wants: Vec<bool> = node.inputs.iter().map(|v| wanted.contains(&v.node)).collect();
            if grads.iter().all(Option::is_none) || !wants.contains(&true) {
                continue;
            }
            let copies = self.recompute(node.segment, forward, &mut recomputed)?;
            let seen = |v: &Value| copies.get(&v.node).map_or(*v, |&node| Value { node, slot: v.slot });
            let inputs: Vec<Value> = node.inputs.iter().map(seen).collect();
            let outputs: Vec<Value> = (0..node.outputs.len()).map(|slot| seen(&Value { node: index, slot })).collect();
            let emitted = self.scope(&format!("grad({})", node.name), |graph| {
                let mut cx = GradCx {
                    node: &node.name,
                    graph,
                    inputs: &inputs,
                    outputs: &outputs,
                    grads: &grads,
                    wanted: &wants,
                };
                op.grad(&mut cx)
            })?;
            assert_eq!(emitted.len(), node.inputs.len(), "{}: one gradient for each input", op.name());
            for ((value, grad), wanted) in node.inputs.iter().zip(emitted).zip(wants) {
                if let (Some(grad), true) = (grad, wanted) {
                    assert_eq!(self.ty(grad).shape, self.ty(*value).shape, "{}: gradient of its input", op.name());
                    self.accumulate(&mut arrived, *value, grad)?;
                }
            }
        }
        Ok(wrt.iter().map(|v| arrived.get(v).copied()).collect())
    }

    fn accumulate(&mut self, arrived: &mut HashMap<Value, Value>, value: Value, grad: Value) -> Result<()> {
        let sum = match arrived.get(&value) {
            None => grad,
            Some(&before) => {
                let name = format!("sum_grad({})", self.name(value));
                self.named(&name, Add, &[before, grad])?
            }
        };
        arrived.insert(value, sum);
        Ok(())
    }

    fn zeros_like(&mut self, value: Value) -> Value {
        let ty = self.ty(value);
        self.constant(Tensor::zeros(&ty))
    }

    /// Nodes that depend on any of `wrt`, itself included, by a way on which gradients pass.
    fn depends_on(&self, wrt: &[Value]) -> HashSet<usize> {
        let mut found: HashSet<usize> = wrt.iter().map(|v| v.node).collect();
        for (index, node) in self.nodes().iter().enumerate() {
            let stops = matches!(&node.kind, Kind::Op(op) if op.stops_gradient());
            if !stops && node.inputs.iter().any(|v| found.contains(&v.node)) {
                found.insert(index);
            }
        }
        found
    }

    /// Copies of a segment's nodes that only its inside uses, made when the backward pass first enters it. What leaves the
    /// segment is kept anyway and is not computed again.
    fn recompute(
        &mut self,
        segment: Option<usize>,
        forward: usize,
        made: &mut HashMap<usize, HashMap<usize, usize>>,
    ) -> Result<HashMap<usize, usize>> {
        let Some(segment) = segment else { return Ok(HashMap::new()) };
        if let Some(copies) = made.get(&segment) {
            return Ok(copies.clone());
        }
        let members: Vec<usize> = (0..forward).filter(|&i| self.nodes()[i].segment == Some(segment)).collect();
        let leaves: HashSet<usize> = (0..forward)
            .filter(|&i| self.nodes()[i].segment != Some(segment))
            .flat_map(|i| self.nodes()[i].inputs.iter().map(|v| v.node))
            .chain(members.last().copied())
            .collect();
        let mut copies = HashMap::new();
        for index in members {
            let node = self.nodes()[index].clone();
            if leaves.contains(&index) || !matches!(node.kind, Kind::Op(_)) {
                continue;
            }
            let moved = |v: &Value| copies.get(&v.node).map_or(*v, |&node| Value { node, slot: v.slot });
            let inputs: Vec<Value> = node.inputs.iter().map(moved).collect();
            let name = self.fresh(&format!("again({})", node.name));
            copies.insert(index, self.push_node(Node { name, inputs, segment: None, ..node }));
        }
        made.insert(segment, copies.clone());
        Ok(copies)
    }
}
