//! Adds optimisers to a graph: the guard over all gradients, one node for each parameter, moving averages.

use super::{Hyper, ema_decay};
use crate::graph::Graph;
use crate::ops::adam::Adam;
use crate::ops::clip_guard::{ClipGuard, SCALING};
use crate::ops::ema::Ema;
use crate::ops::keep_finite::KeepFinite;
use crate::ops::reshape::Reshape;
use crate::ops::rmsprop::RmsProp;
use crate::ops::sgd::Sgd;
use crate::ops::slice::Slice;
use crate::ops::square_sum::{SquareSum, slots};
use crate::ops::{OpRef, Value};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An optimiser and its constants, by PyTorch's names and with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Gradient descent, with momentum or without.
    Sgd {
        /// Share of the buffer that is kept.
        #[serde(default)]
        momentum: f32,
        /// Look ahead by one step of momentum.
        #[serde(default)]
        nesterov: bool,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f32,
    },
    /// Kingma, Ba, 2015.
    Adam {
        /// Decays of the moments.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the denominator.
        #[serde(default = "eps")]
        eps: f32,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f32,
    },
    /// Loshchilov, Hutter, 2019.
    #[serde(rename = "adamw")]
    AdamW {
        /// Decays of the moments.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the denominator.
        #[serde(default = "eps")]
        eps: f32,
        /// Times the rate, taken off the parameter.
        #[serde(default = "decoupled_decay")]
        weight_decay: f32,
    },
    /// Hinton, 2012.
    #[serde(rename = "rmsprop")]
    RmsProp {
        /// Decay of the mean square.
        #[serde(default = "alpha")]
        alpha: f64,
        /// Added to the denominator.
        #[serde(default = "eps")]
        eps: f32,
        /// Share of the buffer that is kept.
        #[serde(default)]
        momentum: f32,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f32,
    },
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f32 {
    1e-8
}

fn alpha() -> f64 {
    0.99
}

fn decoupled_decay() -> f32 {
    0.01
}

impl Optimizer {
    /// Adam with its defaults.
    pub fn adam() -> Self {
        Self::Adam { betas: betas(), eps: eps(), weight_decay: 0.0 }
    }

    /// SGD with momentum and weight decay.
    pub fn sgd(momentum: f32, weight_decay: f32) -> Self {
        Self::Sgd { momentum, nesterov: false, weight_decay }
    }

    /// Fails on constants that cannot train, by name.
    pub fn check(&self) -> Result<()> {
        let (below_one, not_negative): (Vec<f64>, Vec<f32>) = match *self {
            Self::Sgd { momentum, weight_decay, .. } => (vec![momentum.into()], vec![weight_decay]),
            Self::Adam { betas, eps, weight_decay } | Self::AdamW { betas, eps, weight_decay } => {
                (betas.to_vec(), vec![eps, weight_decay])
            }
            Self::RmsProp { alpha, eps, momentum, weight_decay } => {
                (vec![alpha, momentum.into()], vec![eps, weight_decay])
            }
        };
        let decays = below_one.iter().all(|v| (0.0..1.0).contains(v));
        let sizes = not_negative.iter().all(|v| *v >= 0.0 && v.is_finite());
        if decays && sizes {
            return Ok(());
        }
        let rule = "momentum, betas and alpha must be in [0, 1), eps and weight_decay must not be negative";
        Err(Error::Usage(format!("optimizer {self:?}: {rule}")))
    }

    /// What the host uploads for step `t`, counted from 1. `ema` is the moving averages' decay, where there are any.
    pub fn hyper(&self, lr: f64, t: u64, ema: Option<f64>) -> Hyper {
        let betas = match *self {
            Self::Adam { betas, .. } | Self::AdamW { betas, .. } => betas,
            _ => [0.0; 2],
        };
        Hyper::new(lr, betas, t, ema.map_or(0.0, |decay| ema_decay(decay, t)))
    }

    /// Updates each parameter with its gradient and returns the new values in order. Moments become states named
    /// `optim.<parameter>.m` and so on, zero at first. `control` is [`guard`]'s.
    pub fn apply(&self, graph: &mut Graph, pairs: &[(Value, Value)], control: Value) -> Result<Vec<Value>> {
        let (op, moments) = self.op();
        pairs.iter().map(|&(param, grad)| step(graph, &op, moments, param, grad, control)).collect()
    }

    /// The op, and the names of its moments.
    fn op(&self) -> (OpRef, &'static [&'static str]) {
        match *self {
            Self::Sgd { momentum, nesterov, weight_decay } => {
                let op = Arc::new(Sgd { momentum, nesterov, weight_decay });
                (op, if momentum == 0.0 { &[] } else { &["buffer"] })
            }
            Self::Adam { betas: [beta1, beta2], eps, weight_decay } => {
                (Arc::new(Adam { beta1, beta2, eps, weight_decay, decoupled: false }), &["m", "v"])
            }
            Self::AdamW { betas: [beta1, beta2], eps, weight_decay } => {
                (Arc::new(Adam { beta1, beta2, eps, weight_decay, decoupled: true }), &["m", "v"])
            }
            Self::RmsProp { alpha, eps, momentum, weight_decay } => {
                (Arc::new(RmsProp { alpha, eps, momentum, weight_decay }), &["square", "buffer"])
            }
        }
    }
}

fn step(graph: &mut Graph, op: &OpRef, moments: &[&str], param: Value, grad: Value, control: Value) -> Result<Value> {
    let name = graph.name(param).to_string();
    let ty = graph.ty(param);
    let mut inputs = vec![param, grad];
    for moment in moments {
        inputs.push(graph.state(&format!("optim.{name}.{moment}"), ty.clone())?);
    }
    inputs.push(control);
    let new = graph.named_all(&format!("optim.{name}"), op.clone(), &inputs)?;
    graph.update(param, new[0])?;
    for (i, &value) in new.iter().enumerate().skip(1) {
        graph.update(inputs[i + 1], value)?;
    }
    Ok(new[0])
}

/// What [`guard`] adds to a graph.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Clip factor, finite (1 or 0), and the step's rates: f32(8), the optimisers' last input.
    pub control: Value,
    /// The global norm of the gradients before clipping; NaN if any element, or the loss, is not finite.
    pub norm: Value,
}

/// Measures all gradients, in order, with one dispatch for each: their norm, whether they and `loss` are finite, and the factor
/// that brings the norm down to `max_norm` (0: no clipping). `hyper` is an input of type [`Hyper::ty`]. Fails on an empty list.
pub fn guard(graph: &mut Graph, grads: &[Value], hyper: Value, loss: Option<Value>, max_norm: f32) -> Result<Guard> {
    let inputs: Vec<Value> = [hyper].into_iter().chain(loss).collect();
    let out = measure(graph, grads, &inputs, ClipGuard { max_norm, growth: 0 })?;
    Ok(Guard { control: out[0], norm: out[1] })
}

/// Name of the state of loss scaling: (scale, finite steps since it last changed).
pub const LOSS_SCALE: &str = "optim.loss_scale";

/// What [`LOSS_SCALE`] starts with, as in PyTorch: a scale of 2^16.
pub fn first_scaling() -> Tensor {
    Tensor::f32([SCALING], vec![65536.0, 0.0])
}

/// Gradients of `loss` times the scale in the state [`LOSS_SCALE`], with respect to each of `parameters`: scaled so that they are far from the
/// smallest half. Returns them and the state, both for [`guard_scaled`].
pub fn scaled_gradients(graph: &mut Graph, loss: Value, parameters: &[Value]) -> Result<(Vec<Value>, Value)> {
    let state = graph.state(LOSS_SCALE, TensorType::f32([SCALING]))?;
    let scale = graph.add(Slice::along(1, 0, 0, 1), &[state])?;
    let shape = graph.shape(loss);
    let seed = graph.add(Reshape { shape }, &[scale])?;
    Ok((graph.gradients_seeded(loss, seed, parameters)?, state))
}

/// [`guard`] for scaled gradients. Optimisers divide the scale out by way of `control`. The scale is halved after a step that is not finite and
/// doubled after `growth` that are, on the device: the host need not know.
pub fn guard_scaled(
    graph: &mut Graph,
    grads: &[Value],
    [hyper, loss, state]: [Value; 3],
    max_norm: f32,
    growth: u32,
) -> Result<(Guard, Value)> {
    let out = measure(graph, grads, &[hyper, loss, state], ClipGuard { max_norm, growth })?;
    Ok((Guard { control: out[0], norm: out[1] }, out[2]))
}

fn measure(graph: &mut Graph, grads: &[Value], others: &[Value], op: ClipGuard) -> Result<Vec<Value>> {
    let total: usize = grads.iter().map(|&g| slots(graph.ty(g).elements())).sum();
    if total == 0 {
        return Err(Error::Graph("there are no gradients to measure".into()));
    }
    let mut sums = graph.constant(Tensor::full([total], 0.0));
    let mut first = 0;
    for &grad in grads {
        sums = graph.add(SquareSum { first }, &[sums, grad])?;
        first += slots(graph.ty(grad).elements());
    }
    let inputs: Vec<Value> = [sums].into_iter().chain(others.iter().copied()).collect();
    graph.named_all("clip_guard", Arc::new(op), &inputs)
}

/// Makes every update that the graph has so far (running statistics) wait for [`guard`]'s verdict: after a step that was not
/// finite, the variables hold what they held before. Call it before the optimiser, whose updates look at `control` themselves.
pub fn protect(graph: &mut Graph, control: Value) -> Result<()> {
    graph.replace_updates(|graph, target, new| graph.named("keep_finite", KeepFinite, &[target, new, control]))
}

/// Name of a parameter's moving average.
pub fn shadow_name(parameter: &str) -> String {
    format!("ema.{parameter}")
}

/// Keeps a moving average of each (parameter, new value) in the state [`shadow_name`]. The states start at zero like all
/// states: set them to the parameters before the first step.
pub fn follow(graph: &mut Graph, pairs: &[(Value, Value)], control: Value) -> Result<()> {
    for &(param, new) in pairs {
        let name = shadow_name(graph.name(param));
        let shadow = graph.state(&name, graph.ty(param))?;
        let next = graph.named("ema", Ema, &[shadow, new, control])?;
        graph.update(shadow, next)?;
    }
    Ok(())
}
