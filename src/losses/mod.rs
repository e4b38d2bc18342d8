//! Losses by name, as configurations have them: each adds the nodes of one number to a graph. The formulas are ops; what is trained with which is
//! the trainer's business.

mod segmentation;

pub use segmentation::SegmentationLoss;

use crate::Result;
use crate::graph::Graph;
use crate::ops::Value;
use crate::ops::weighted_sum::{MOST, WeightedSum};

/// Sum of w * x over named scalars; any number of them. Fails when one is not a scalar, or there is none.
pub fn total(graph: &mut Graph, losses: &[(f32, Value)]) -> Result<Value> {
    let mut terms = losses.to_vec();
    while terms.len() > MOST {
        let first: Vec<(f32, Value)> = terms.drain(..MOST).collect();
        let sum = total(graph, &first)?;
        terms.insert(0, (1.0, sum));
    }
    let (weights, values): (Vec<f32>, Vec<Value>) = terms.into_iter().unzip();
    graph.add(WeightedSum { weights }, &values)
}
