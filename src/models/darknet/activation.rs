//! The activations that a cfg may name, as ops.

use crate::Result;
use crate::graph::Graph;
use crate::ops::clamp::Clamp;
use crate::ops::darknet_activation::{DarknetActivation, Kind};
use crate::ops::gelu::Gelu;
use crate::ops::leaky_relu::LeakyRelu;
use crate::ops::mish::Mish;
use crate::ops::relu::Relu;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::silu::Silu;
use crate::ops::tanh::Tanh;
use crate::ops::{self, Value};

/// Adds a function's node after a value.
type Add = fn(&mut Graph, Value) -> Result<Value>;

/// The original's functions, then those of its forks.
const TABLE: [(&str, Add); 19] = [
    ("linear", |_, x| Ok(x)),
    ("logistic", |g, x| g.named("logistic", Sigmoid, &[x])),
    ("loggy", |g, x| own(g, x, Kind::Loggy)),
    ("relu", |g, x| g.named("relu", Relu, &[x])),
    ("elu", |g, x| own(g, x, Kind::Elu)),
    ("selu", |g, x| own(g, x, Kind::Selu)),
    ("relie", |g, x| g.named("relie", LeakyRelu { slope: 0.01 }, &[x])),
    ("ramp", |g, x| own(g, x, Kind::Ramp)),
    ("tanh", |g, x| g.named("tanh", Tanh, &[x])),
    ("plse", |g, x| own(g, x, Kind::Plse)),
    ("leaky", |g, x| g.named("leaky", LeakyRelu { slope: 0.1 }, &[x])),
    ("stair", |g, x| own(g, x, Kind::Stair)),
    ("hardtan", |g, x| g.named("hardtan", Clamp { min: -1.0, max: 1.0 }, &[x])),
    ("lhtan", |g, x| own(g, x, Kind::Lhtan)),
    ("relu6", |g, x| g.named("relu6", Clamp { min: 0.0, max: 6.0 }, &[x])),
    ("swish", |g, x| g.named("swish", Silu, &[x])),
    ("mish", |g, x| g.named("mish", Mish, &[x])),
    ("hard_mish", |g, x| own(g, x, Kind::HardMish)),
    ("gelu", |g, x| g.named("gelu", Gelu { approximate: true }, &[x])),
];

fn own(graph: &mut Graph, x: Value, kind: Kind) -> Result<Value> {
    graph.named(kind.name(), DarknetActivation { kind }, &[x])
}

/// A function of each element, by Darknet's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation(usize);

impl Activation {
    /// The one of this name; `None` if Darknet has none.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().position(|(n, _)| *n == name).map(Self)
    }

    /// Darknet's name.
    pub fn name(self) -> &'static str {
        TABLE[self.0].0
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        TABLE.iter().map(|(name, _)| *name).collect()
    }

    /// As what a norm can do in its own pass, if it can.
    pub fn behind_norm(self) -> Option<ops::Activation> {
        match self.name() {
            "linear" => Some(ops::Activation::None),
            "relu" => Some(ops::Activation::Relu),
            "relie" => Some(ops::Activation::Leaky(0.01)),
            "leaky" => Some(ops::Activation::Leaky(0.1)),
            _ => None,
        }
    }

    /// Adds it after `x`; `linear` adds nothing.
    pub fn build(self, graph: &mut Graph, x: Value) -> Result<Value> {
        TABLE[self.0].1(graph, x)
    }
}
