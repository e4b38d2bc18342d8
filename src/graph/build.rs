//! Nodes and the builder. Shapes are inferred, and wrong ones refused, when a node is added.
//!
//! Nodes are kept in the order in which they were added, which is also the order in which they run.

use crate::ops::{Emit, Op, OpRef, Value};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Given anew for every run.
    Input,
    /// Trained; lives on the device between runs.
    Parameter,
    /// Kept between runs but not trained: running statistics, moments of optimisers.
    State,
    /// Part of the graph.
    Constant(Arc<Tensor>),
    /// Computed.
    Op(OpRef),
}

/// A node of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Unique name, with the scopes it was built in: `enc1.conv`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its inputs.
    pub inputs: Vec<Value>,
    /// Types of its outputs.
    pub outputs: Vec<TensorType>,
    /// The checkpointed segment it belongs to; see [`Graph::checkpoint`].
    pub(super) segment: Option<usize>,
}

/// A static graph under construction.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_name: HashMap<String, usize>,
    updates: Vec<(Value, Value)>,
    scopes: Vec<String>,
    segment: Option<usize>,
    segments: usize,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tensor that every run is given.
    pub fn input(&mut self, name: &str, ty: TensorType) -> Result<Value> {
        self.leaf(name, Kind::Input, ty)
    }

    /// A trained tensor. Its name is prefixed by the open scopes. Fails if the name is taken.
    pub fn parameter(&mut self, name: &str, ty: TensorType) -> Result<Value> {
        self.leaf(name, Kind::Parameter, ty)
    }

    /// A tensor that is kept between runs but not trained. Its name is prefixed by the open scopes.
    pub fn state(&mut self, name: &str, ty: TensorType) -> Result<Value> {
        self.leaf(name, Kind::State, ty)
    }

    /// A tensor that is part of the graph.
    pub fn constant(&mut self, value: Tensor) -> Value {
        let name = self.fresh("constant");
        let ty = value.ty();
        self.push(name, Kind::Constant(Arc::new(value)), Vec::new(), vec![ty])
    }

    /// Adds a node of one output under a name made from the op's. Fails when the shapes do not fit.
    pub fn add(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        let name = op.name().to_string();
        self.named(&name, op, inputs)
    }

    /// Adds a node of one output under a name of one's own (made unique within the open scopes).
    pub fn named(&mut self, name: &str, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        Ok(self.named_all(name, Arc::new(op), inputs)?[0])
    }

    /// Adds a node and returns all its outputs.
    pub fn named_all(&mut self, name: &str, op: OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
        let name = self.fresh(name);
        let types: Vec<TensorType> = inputs.iter().map(|&v| self.ty(v)).collect();
        let outputs = op.infer(&name, &types)?;
        let slots = outputs.len();
        let node = self.push(name, Kind::Op(op), inputs.to_vec(), outputs).node;
        Ok((0..slots).map(|slot| Value { node, slot }).collect())
    }

    /// Runs `build` with `name` in front of the names of all nodes and variables it adds.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scopes.push(name.to_string());
        let built = build(self);
        self.scopes.pop();
        built
    }

    /// Marks what `build` adds as a segment whose inner tensors are not kept for the backward pass but
    /// computed again when it needs them: less memory for more arithmetic. Segments do not nest.
    pub fn checkpoint<T>(&mut self, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.segment.is_some() {
            return build(self);
        }
        self.segments += 1;
        self.segment = Some(self.segments);
        let built = build(self);
        self.segment = None;
        built
    }

    /// After a run, `target` (a parameter or state) holds `new`. Fails if the types differ.
    pub fn update(&mut self, target: Value, new: Value) -> Result<()> {
        let node = &self.nodes[target.node];
        if !matches!(node.kind, Kind::Parameter | Kind::State) {
            return Err(Error::Graph(format!(
                "'{}' is neither a parameter nor a state and cannot be updated",
                node.name
            )));
        }
        if self.ty(target) != self.ty(new) {
            let (want, got) = (self.ty(target), self.ty(new));
            return Err(Error::Graph(format!("the update of '{}' is {got}, it holds {want}", node.name)));
        }
        self.updates.push((target, new));
        Ok(())
    }

    /// Puts `replace(graph, target, new)` in the place of every update so far: what is added to it stands between the new value
    /// and its variable.
    pub fn replace_updates(&mut self, mut replace: impl FnMut(&mut Self, Value, Value) -> Result<Value>) -> Result<()> {
        for (target, new) in std::mem::take(&mut self.updates) {
            let new = replace(self, target, new)?;
            self.update(target, new)?;
        }
        Ok(())
    }

    /// The nodes in the order in which they run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The updates in the order in which they were added.
    pub fn updates(&self) -> &[(Value, Value)] {
        &self.updates
    }

    /// The value of a leaf or of a node's first output, by its full name.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.by_name.get(name).map(|&node| Value { node, slot: 0 })
    }

    /// Parameters in the order in which they were added.
    pub fn parameters(&self) -> Vec<Value> {
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, n)| matches!(n.kind, Kind::Parameter)).map(|(node, _)| Value { node, slot: 0 }).collect()
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> TensorType {
        self.nodes[value.node].outputs[value.slot].clone()
    }

    /// Shape of a value.
    pub fn shape(&self, value: Value) -> crate::tensor::Shape {
        self.ty(value).shape
    }

    /// Name of the node that makes a value.
    pub fn name(&self, value: Value) -> &str {
        &self.nodes[value.node].name
    }

    pub(super) fn push_node(&mut self, node: Node) -> usize {
        self.by_name.insert(node.name.clone(), self.nodes.len());
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// `name` behind the open scopes, with a number if it is taken.
    pub(super) fn fresh(&self, name: &str) -> String {
        let full = self.full(name);
        if !self.by_name.contains_key(&full) {
            return full;
        }
        let numbered = |i: &usize| !self.by_name.contains_key(&format!("{full}_{i}"));
        let i = (2..).find(numbered).expect("numbers do not run out");
        format!("{full}_{i}")
    }

    fn full(&self, name: &str) -> String {
        if self.scopes.is_empty() { name.to_string() } else { format!("{}.{name}", self.scopes.join(".")) }
    }

    fn leaf(&mut self, name: &str, kind: Kind, ty: TensorType) -> Result<Value> {
        let full = self.full(name);
        if self.by_name.contains_key(&full) {
            return Err(Error::Graph(format!("the name '{full}' is taken")));
        }
        Ok(self.push(full, kind, Vec::new(), vec![ty]))
    }

    fn push(&mut self, name: String, kind: Kind, inputs: Vec<Value>, outputs: Vec<TensorType>) -> Value {
        let segment = self.segment;
        Value { node: self.push_node(Node { name, kind, inputs, outputs, segment }), slot: 0 }
    }
}

impl Emit for Graph {
    fn emit(&mut self, op: OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
        let name = op.name().to_string();
        self.named_all(&name, op, inputs)
    }

    fn constant(&mut self, value: Tensor) -> Value {
        Graph::constant(self, value)
    }

    fn ty(&self, value: Value) -> TensorType {
        Graph::ty(self, value)
    }
}
