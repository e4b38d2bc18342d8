//! For inference: inputs that depend on parameters alone, brought once into the form in which their op reads them fastest.
//!
//! A new graph is built in which such an input passes through an op of the reader's choice ([`Op::prepare`](crate::ops::Op::prepare)), which the plan's
//! prologue runs when parameters change. Which op wants what, and on which device, is the op's own affair.

use super::build::{Graph, Kind, Node};
use crate::Result;
use crate::gpu::Profile;
use crate::ops::Value;
use crate::tensor::TensorType;
use std::collections::HashMap;

impl Graph {
    /// The same computation with prepared inputs, and where each of `outputs` is in it. The names of variables stay.
    pub fn with_prepared_inputs(&self, outputs: &[Value], profile: &Profile) -> Result<(Graph, Vec<Value>)> {
        let fixed = self.fixed_nodes();
        let mut new = Graph::new();
        let mut moved: HashMap<Value, Value> = HashMap::new();
        // By value and preparing op, whose attributes are all that tells two of them apart.
        let mut made: HashMap<(Value, String), Value> = HashMap::new();
        for (index, node) in self.nodes().iter().enumerate() {
            let mut inputs: Vec<Value> = node.inputs.iter().map(|v| moved[v]).collect();
            let mut kind = node.kind.clone();
            if let Kind::Op(op) = &node.kind
                && !fixed.contains(&index)
            {
                let types: Vec<TensorType> = node.inputs.iter().map(|&v| self.ty(v)).collect();
                if let Some(wish) = op.prepare(&types, &node.outputs, profile)
                    && fixed.contains(&node.inputs[wish.input].node)
                {
                    let from = node.inputs[wish.input];
                    let key = (from, format!("{:?}", wish.by));
                    inputs[wish.input] = match made.get(&key) {
                        Some(&value) => value,
                        None => {
                            let name = format!("prepared({})", self.name(from));
                            new.named_all(&name, wish.by, &[inputs[wish.input]])?[0]
                        }
                    };
                    made.insert(key, inputs[wish.input]);
                    kind = Kind::Op(wish.op);
                }
            }
            let copy = new.push_node(Node { inputs, kind, ..node.clone() });
            for slot in 0..node.outputs.len() {
                moved.insert(Value { node: index, slot }, Value { node: copy, slot });
            }
        }
        for (target, value) in self.updates() {
            new.update(moved[target], moved[value])?;
        }
        Ok((new, outputs.iter().map(|v| moved[v]).collect()))
    }
}
