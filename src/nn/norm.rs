//! Batch norm with its parameters, in the three ways in which networks use it.

use super::init::{Init, Net};
use crate::Result;
use crate::ops::add::Add;
use crate::ops::batch_norm::{BatchNorm, BatchNormCounted, BatchNormEval};
use crate::ops::leaky_relu::LeakyRelu;
use crate::ops::relu::Relu;
use crate::ops::{Activation, OpRef, Value};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Batch norm over the channels: which statistics it divides by, and what of it is trained. In every way it has `weight`, `bias`,
/// `running_mean` and `running_var` of (C).
///
/// In configurations: `{"frozen": {}}`, `{"eval": {}}`, `{"train": {}}`, with `eps` and `momentum` where they differ from PyTorch's
/// 1e-5 and 0.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Norm {
    /// Running statistics, and nothing is trained: torchvision's `FrozenBatchNorm2d`.
    Frozen {
        /// Added to the variance.
        #[serde(default = "eps")]
        eps: f32,
    },
    /// Running statistics as constants; weight and bias are trained.
    Eval {
        /// Added to the variance.
        #[serde(default = "eps")]
        eps: f32,
    },
    /// The batch's statistics in training, which move the running ones; running ones otherwise.
    Train {
        /// Added to the variance.
        #[serde(default = "eps")]
        eps: f32,
        /// Weight of the batch in the running statistics.
        #[serde(default = "momentum")]
        momentum: f32,
    },
}

fn eps() -> f32 {
    1e-5
}

fn momentum() -> f32 {
    0.1
}

impl Norm {
    /// Frozen, with torchvision's eps. COCO_V1 files that torchvision published want 0 instead: `Norm::Frozen { eps: 0.0 }`.
    pub const FROZEN: Self = Self::Frozen { eps: 1e-5 };
    /// PyTorch's `BatchNorm2d` with its defaults.
    pub const TRAIN: Self = Self::Train { eps: 1e-5, momentum: 0.1 };

    /// Adds the norm as `name`: (N, H, W, C) or (N, C) to the same.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        self.build_then(net, name, x, After::default())
    }

    /// As [`Norm::build`], and what comes `after`. In training the norm does that in its own pass over memory; otherwise nodes of their
    /// own do, which [`crate::graph::Graph::fused`] lets the convolution before the norm take in with it.
    pub fn build_then(&self, net: &mut Net<'_>, name: &str, x: Value, after: After) -> Result<Value> {
        // The kernels over some of the pictures have no such forms.
        let taken_in = net.training && after.counted.is_none();
        let within = if taken_in { after } else { After { counted: after.counted, ..Default::default() } };
        let y = net.scope(name, |net| self.build_here(net, x, within))?;
        if taken_in { Ok(y) } else { after.apart(net, y) }
    }

    fn build_here(&self, net: &mut Net<'_>, x: Value, after: After) -> Result<Value> {
        let ty = TensorType::f32([net.graph.shape(x).channels()]);
        let mut affine = |name: &str, first: f32| match self {
            Self::Frozen { .. } => net.state(name, ty.clone(), Init::Constant(first)),
            _ => net.parameter(name, ty.clone(), Init::Constant(first), Layout::Plain),
        };
        let (weight, bias) = (affine("weight", 1.0)?, affine("bias", 0.0)?);
        let mean = net.state("running_mean", ty.clone(), Init::Constant(0.0))?;
        let variance = net.state("running_var", ty, Init::Constant(1.0))?;
        net.specs.last_mut().expect("just added").counts_batches = !matches!(self, Self::Frozen { .. });
        let mut inputs = vec![x, weight, bias, mean, variance];
        let After { counted, residual, activation } = after;
        match *self {
            Self::Train { eps, momentum } if net.training => {
                inputs.extend(counted.or(residual));
                let residual = residual.is_some();
                let op: OpRef = match counted {
                    Some(_) => Arc::new(BatchNormCounted { eps, momentum, ..Default::default() }),
                    None => Arc::new(BatchNorm { eps, momentum, activation, residual, ..Default::default() }),
                };
                let outputs = net.graph.named_all("batch_norm", op, &inputs)?;
                net.graph.update(mean, outputs[3])?;
                net.graph.update(variance, outputs[4])?;
                Ok(outputs[0])
            }
            Self::Frozen { eps } | Self::Eval { eps } | Self::Train { eps, .. } => {
                inputs.extend(residual);
                let op = BatchNormEval { eps, activation, residual: residual.is_some() };
                net.graph.named("batch_norm", op, &inputs)
            }
        }
    }
}

/// What follows a norm: y = activation(norm(x) + residual).
#[derive(Clone, Copy, Debug, Default)]
pub struct After {
    /// Where given, f32 (N): the statistics that [`Norm::Train`] takes of a batch are of the pictures n with counted[n] > 0 alone, and
    /// the norms of the others are 0.
    pub counted: Option<Value>,
    /// Added to the norm; of x's type.
    pub residual: Option<Value>,
    /// None, ReLU or leaky ReLU of a positive slope.
    pub activation: Activation,
}

impl After {
    /// ReLU.
    pub const RELU: Self = Self { counted: None, residual: None, activation: Activation::Relu };

    /// As nodes behind the norm `y`.
    fn apart(&self, net: &mut Net<'_>, mut y: Value) -> Result<Value> {
        if let Some(residual) = self.residual {
            y = net.graph.named("add", Add, &[y, residual])?;
        }
        match self.activation {
            Activation::None => Ok(y),
            Activation::Relu => net.graph.named("relu", Relu, &[y]),
            Activation::Leaky(slope) => net.graph.named("leaky", LeakyRelu { slope }, &[y]),
            other => unreachable!("{other:?} behind a norm: none, ReLU or leaky ReLU"),
        }
    }
}

/// Batch norm over the channels, with batch statistics in training and running ones otherwise: [`Norm::Train`].
#[derive(Clone, Copy, Debug)]
pub struct BatchNormLayer {
    /// Weight of the new statistics.
    pub momentum: f32,
    /// Added to the variance.
    pub eps: f32,
}

impl Default for BatchNormLayer {
    fn default() -> Self {
        Self { momentum: momentum(), eps: eps() }
    }
}

impl BatchNormLayer {
    /// Adds the layer as `name`.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        self.build_then(net, name, x, After::default())
    }

    /// Adds the layer as `name` and what comes `after`: [`Norm::build_then`].
    pub fn build_then(&self, net: &mut Net<'_>, name: &str, x: Value, after: After) -> Result<Value> {
        Norm::Train { eps: self.eps, momentum: self.momentum }.build_then(net, name, x, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    #[test]
    fn only_what_is_trained_is_a_parameter() {
        let names = |norm: Norm| {
            let mut graph = Graph::new();
            let x = graph.input("x", TensorType::f32([2, 1, 1, 3])).unwrap();
            let mut net = Net::new(&mut graph, true);
            norm.build(&mut net, "bn", x).unwrap();
            assert_eq!(net.specs.len(), 4);
            let counted: Vec<bool> = net.specs.iter().map(|s| s.counts_batches).collect();
            assert_eq!(counted, [false, false, false, norm != Norm::FROZEN]);
            let trained: Vec<String> = graph.parameters().into_iter().map(|v| graph.name(v).to_string()).collect();
            (trained, graph.updates().len())
        };
        assert_eq!(names(Norm::FROZEN), (vec![], 0));
        let affine = vec!["bn.weight".to_string(), "bn.bias".to_string()];
        assert_eq!(names(Norm::Eval { eps: 1e-5 }), (affine.clone(), 0));
        assert_eq!(names(Norm::TRAIN), (affine, 2));
    }

    #[test]
    fn only_statistics_of_a_batch_ask_what_counts() {
        let inputs = |norm: Norm, training: bool| {
            let mut graph = Graph::new();
            let x = graph.input("x", TensorType::f32([2, 1, 1, 3])).unwrap();
            let counted = graph.input("counted", TensorType::f32([2])).unwrap();
            let y = {
                let after = After { counted: Some(counted), ..Default::default() };
                norm.build_then(&mut Net::new(&mut graph, training), "bn", x, after).unwrap()
            };
            graph.nodes()[y.node].inputs.len()
        };
        assert_eq!(inputs(Norm::TRAIN, true), 6);
        assert_eq!(inputs(Norm::TRAIN, false), 5);
        assert_eq!(inputs(Norm::FROZEN, true), 5);
    }

    #[test]
    fn in_training_the_norm_adds_and_rectifies() {
        let nodes = |norm: Norm, training: bool| {
            let mut graph = Graph::new();
            let x = graph.input("x", TensorType::f32([2, 1, 1, 3])).unwrap();
            let after = After { residual: Some(x), ..After::RELU };
            norm.build_then(&mut Net::new(&mut graph, training), "bn", x, after).unwrap();
            let ops: Vec<String> =
                graph.nodes().iter().filter(|n| !n.inputs.is_empty()).map(|n| n.name.clone()).collect();
            ops.join(" ")
        };
        for norm in [Norm::FROZEN, Norm::TRAIN] {
            assert_eq!(nodes(norm, true), "bn.batch_norm");
            assert_eq!(nodes(norm, false), "bn.batch_norm add relu");
        }
    }

    #[test]
    fn configurations_may_leave_out_what_is_pytorchs() {
        let read = |text: &str| serde_json::from_str::<Norm>(text);
        assert_eq!(read(r#"{"frozen":{}}"#).unwrap(), Norm::FROZEN);
        assert_eq!(read(r#"{"train":{"momentum":0.03}}"#).unwrap(), Norm::Train { eps: 1e-5, momentum: 0.03 });
        assert!(read(r#"{"eval":{"momentum":0.1}}"#).is_err(), "eval has no momentum");
        let written = serde_json::to_string(&Norm::FROZEN).unwrap();
        assert_eq!(read(&written).unwrap(), Norm::FROZEN);
    }
}
