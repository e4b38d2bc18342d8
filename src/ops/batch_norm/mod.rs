//! Batch norm (Ioffe and Szegedy, 2015): y = (x - mean) / sqrt(variance + eps) * weight + bias, channel by channel.
//!
//! [`BatchNorm`] takes mean and variance from the batch and moves the running statistics; [`BatchNormEval`] takes the
//! running ones as constants, which also makes it what is called frozen batch norm; [`BatchNormCounted`] is the training form for
//! tensors in which some pictures are padding. The first two may add a residual and rectify before they store their result, which saves the
//! passes that apart would read and write it again. Nothing here stores state: the
//! new running statistics are outputs, and the graph writes them over the old ones.

mod counted;
pub(super) mod dispatch;
mod grad;
pub(super) mod params;

pub use counted::BatchNormCounted;

use super::{Activation, Arg, Attr, Built, Entry, Epilogue, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::Slot::{self, Input};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};

/// The registry's entry. With `training` it builds [`BatchNorm`], or [`BatchNormCounted`] if `counted` is given, else
/// [`BatchNormEval`], whose only output is y.
pub static ENTRY: Entry = Entry {
    name: "batch_norm",
    summary: "y = activation((x - mean) / sqrt(var + eps) * weight + bias + residual) over the channels of (N, C, H, W) or (N, C); counted: 0 for pictures to leave out",
    args: &[
        Arg::f32("x"),
        Arg::f32("weight"),
        Arg::f32("bias"),
        Arg::f32("running_mean"),
        Arg::f32("running_var"),
        Arg::optional("counted"),
        Arg::optional("residual"),
    ],
    attrs: &[
        Attr { name: "training", default: "false", doc: "statistics of the batch; running ones are moved" },
        Attr { name: "momentum", default: "0.1", doc: "weight of the batch in the running statistics" },
        Attr { name: "eps", default: "1e-5", doc: "added to the variance" },
        Attr { name: "unbiased", default: "true", doc: "running_var takes the unbiased variance, as PyTorch does" },
        Attr { name: "activation", default: "\"none\"", doc: "none, relu or leaky_relu" },
        Attr { name: "negative_slope", default: "0.01", doc: "of leaky_relu" },
    ],
    outputs: &["y", "mean", "rstd", "running_mean", "running_var"],
    gradient: Ok(()),
    kernels: &[
        &dispatch::FINISH,
        &dispatch::GRAD_AFFINE,
        &dispatch::MOMENTS.one,
        &dispatch::MOMENTS.four,
        &dispatch::NORMALISE.one,
        &dispatch::NORMALISE.four,
        &dispatch::GRAD_SUMS.one,
        &dispatch::GRAD_SUMS.four,
        &dispatch::GRAD_SUMS_KEPT.one,
        &dispatch::GRAD_SUMS_KEPT.four,
        &dispatch::GRAD_X.one,
        &dispatch::GRAD_X.four,
        &dispatch::GRAD_X_FROZEN.one,
        &dispatch::GRAD_X_FROZEN.four,
        &counted::MOMENTS,
        &counted::FINISH,
        &counted::NORMALISE,
        &counted::GRAD_SUMS,
        &counted::GRAD_LINE,
        &counted::GRAD_X,
    ],
    build: |attrs, given| {
        let eps = attrs.float("eps", 1e-5)?;
        let (momentum, unbiased) = (attrs.float("momentum", 0.1)?, attrs.flag("unbiased", true)?);
        let (activation, residual) = (attrs.activation()?, given[6].is_some());
        let inputs = if residual { 6 } else { 5 };
        Ok(match (attrs.flag("training", false)?, given[5].is_some()) {
            (true, true) if residual || activation != Activation::None => {
                return Err(attrs.fail("activation", "and `residual` are not offered where `counted` is given"));
            }
            (true, true) => Built::images(BatchNormCounted { eps, momentum, unbiased }, 6, 5),
            (true, false) => Built::images(BatchNorm { eps, momentum, unbiased, activation, residual }, inputs, 5),
            (false, true) => return Err(attrs.fail("training", "must be true where `counted` is given")),
            (false, false) => Built::images(BatchNormEval { eps, activation, residual }, inputs, 1),
        })
    },
};

/// Training: (x, weight, bias, running_mean, running_var, [residual]) -> (y, mean, rstd, new running_mean, new running_var), with
/// y = activation(norm(x) + residual).
///
/// x, residual and y are (N, H, W, C) or (N, C), all others (C). The activation is none, ReLU or leaky ReLU of a positive slope. The batch is normalised by its biased variance, and
/// needs two values for each channel. running_mean and running_var may be overwritten in place.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// New running statistic = (1 - momentum) * old + momentum * the batch's.
    pub momentum: f32,
    /// The running variance takes the unbiased one, sum / (n - 1), as in PyTorch; else sum / n.
    pub unbiased: bool,
    /// Applied last.
    pub activation: Activation,
    /// Whether a sixth input is added before the activation.
    pub residual: bool,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, unbiased: true, activation: Activation::None, residual: false }
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let x = infer_added(node, inputs, self.residual, self.activation)?;
        if x.elements() == x.shape.channels() {
            return Err(shape_error("batch_norm", node, "x", "at least two values per channel to train on", x));
        }
        let channel = TensorType::f32([x.shape.channels()]);
        Ok(vec![x.clone(), channel.clone(), channel.clone(), channel.clone(), channel])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(dispatch::training(cx, self.eps, self.momentum, self.unbiased, slope(self.activation)))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        grad::training(cx, self.activation, self.residual)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(3, 3), (4, 4)]
    }
}

/// Evaluation: (x, weight, bias, mean, variance, [residual]) -> y = activation(norm(x) + residual), with mean and variance as
/// constants. The activation is none, ReLU or leaky ReLU of a positive slope.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormEval {
    /// Added to the variance.
    pub eps: f32,
    /// Applied last.
    pub activation: Activation,
    /// Whether a sixth input is added before the activation.
    pub residual: bool,
}

impl Default for BatchNormEval {
    fn default() -> Self {
        Self { eps: 1e-5, activation: Activation::None, residual: false }
    }
}

impl Op for BatchNormEval {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![infer_added(node, inputs, self.residual, self.activation)?.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sources = [Input(0), Input(1), Input(2), Input(3), Input(4)];
        let of = dispatch::Use { leak: slope(self.activation), eps: Some(self.eps) };
        Ok(Work::one(dispatch::normalise(cx, sources, of)))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        grad::evaluation(cx, self)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        if self.residual { &[(0, 0), (5, 0)] } else { &[(0, 0)] }
    }

    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        let plain = !self.residual && self.activation == Activation::None;
        plain.then_some(Epilogue::BatchNorm { eps: self.eps })
    }
}

/// The slope below zero of an activation that [`check_activation`] let pass; 1 for none.
pub(super) fn slope(activation: Activation) -> f32 {
    activation.slope_below_zero().unwrap_or(1.0)
}

/// Refuses what a norm cannot apply.
pub(super) fn check_activation(op: &str, node: &str, activation: Activation) -> Result<()> {
    match activation.slope_below_zero() {
        Some(_) => Ok(()),
        None => {
            let message = format!("'{node}': activation must be none, ReLU or leaky ReLU of a positive slope");
            Err(Error::Attribute { op: op.into(), message })
        }
    }
}

/// [`infer`] for the forms that may add a residual and rectify.
fn infer_added<'a>(
    node: &str,
    inputs: &'a [TensorType],
    residual: bool,
    activation: Activation,
) -> Result<&'a TensorType> {
    check_activation("batch_norm", node, activation)?;
    let (norm, added) = inputs.split_at(inputs.len().min(5));
    let x = infer(node, norm)?;
    match added {
        [] if !residual => Ok(x),
        [one] if residual && one == x => Ok(x),
        [one] if residual => Err(shape_error("batch_norm", node, "residual", x, one)),
        _ => Err(shape_error("batch_norm", node, "inputs", 5 + usize::from(residual), inputs.len())),
    }
}

/// The type of x, once all five inputs fit together.
fn infer<'a>(node: &str, inputs: &'a [TensorType]) -> Result<&'a TensorType> {
    let names = ["x", "weight", "bias", "running_mean", "running_var"];
    let [x, vectors @ ..] = inputs else { return Err(shape_error("batch_norm", node, "inputs", 5, 0)) };
    if vectors.len() != 4 {
        return Err(shape_error("batch_norm", node, "inputs", names.join(", "), inputs.len()));
    }
    if x.dtype != DType::F32 || !matches!(x.shape.rank(), 2 | 4) || x.elements() == 0 {
        return Err(shape_error("batch_norm", node, "x", "f32(N, H, W, C) or f32(N, C)", x));
    }
    let channel = TensorType::f32([x.shape.channels()]);
    match vectors.iter().zip(&names[1..]).find(|(v, _)| **v != channel) {
        Some((v, name)) => Err(shape_error("batch_norm", node, *name, &channel, v)),
        None => Ok(x),
    }
}
