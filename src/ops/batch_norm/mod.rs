//! Batch norm (Ioffe and Szegedy, 2015): y = (x - mean) / sqrt(variance + eps) * weight + bias, channel by channel.
//!
//! [`BatchNorm`] takes mean and variance from the batch and moves the running statistics; [`BatchNormEval`] takes the
//! running ones as constants, which also makes it what is called frozen batch norm; [`BatchNormCounted`] is the training form for
//! tensors in which some pictures are padding. Nothing here stores state: the
//! new running statistics are outputs, and the graph writes them over the old ones.

mod counted;
pub(super) mod dispatch;
mod grad;
pub(super) mod params;

pub use counted::BatchNormCounted;

use super::{Arg, Attr, Built, Entry, Epilogue, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::Result;
use crate::gpu::Slot::{self, Input};
use crate::tensor::{DType, TensorType};

/// The registry's entry. With `training` it builds [`BatchNorm`], or [`BatchNormCounted`] if `counted` is given, else
/// [`BatchNormEval`], whose only output is y.
pub static ENTRY: Entry = Entry {
    name: "batch_norm",
    summary: "y = (x - mean) / sqrt(var + eps) * weight + bias over the channels of (N, C, H, W) or (N, C); counted: 0 for pictures to leave out",
    args: &[
        Arg::f32("x"),
        Arg::f32("weight"),
        Arg::f32("bias"),
        Arg::f32("running_mean"),
        Arg::f32("running_var"),
        Arg::optional("counted"),
    ],
    attrs: &[
        Attr { name: "training", default: "false", doc: "statistics of the batch; running ones are moved" },
        Attr { name: "momentum", default: "0.1", doc: "weight of the batch in the running statistics" },
        Attr { name: "eps", default: "1e-5", doc: "added to the variance" },
        Attr { name: "unbiased", default: "true", doc: "running_var takes the unbiased variance, as PyTorch does" },
    ],
    outputs: &["y", "mean", "rstd", "running_mean", "running_var"],
    gradient: Ok(()),
    kernels: &[
        &dispatch::MOMENTS,
        &dispatch::FINISH,
        &dispatch::NORMALISE,
        &dispatch::GRAD_SUMS,
        &dispatch::GRAD_AFFINE,
        &dispatch::GRAD_X,
        &dispatch::GRAD_X_FROZEN,
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
        Ok(match (attrs.flag("training", false)?, given[5].is_some()) {
            (true, true) => Built::images(BatchNormCounted { eps, momentum, unbiased }, 6, 5),
            (true, false) => Built::images(BatchNorm { eps, momentum, unbiased }, 5, 5),
            (false, true) => return Err(attrs.fail("training", "must be true where `counted` is given")),
            (false, false) => Built::images(BatchNormEval { eps }, 5, 1),
        })
    },
};

/// Training: (x, weight, bias, running_mean, running_var) -> (y, mean, rstd, new running_mean, new running_var).
///
/// x is (N, H, W, C) or (N, C), everything but x and y is (C). The batch is normalised by its biased variance, and
/// needs two values for each channel. running_mean and running_var may be overwritten in place.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// New running statistic = (1 - momentum) * old + momentum * the batch's.
    pub momentum: f32,
    /// The running variance takes the unbiased one, sum / (n - 1), as in PyTorch; else sum / n.
    pub unbiased: bool,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, unbiased: true }
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let x = infer(node, inputs)?;
        if x.elements() == x.shape.channels() {
            return Err(shape_error("batch_norm", node, "x", "at least two values per channel to train on", x));
        }
        let channel = TensorType::f32([x.shape.channels()]);
        Ok(vec![x.clone(), channel.clone(), channel.clone(), channel.clone(), channel])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        Ok(dispatch::training(cx, self.eps, self.momentum, self.unbiased))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        grad::training(cx)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(3, 3), (4, 4)]
    }
}

/// Evaluation: (x, weight, bias, mean, variance) -> y, with mean and variance as constants.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormEval {
    /// Added to the variance.
    pub eps: f32,
}

impl Default for BatchNormEval {
    fn default() -> Self {
        Self { eps: 1e-5 }
    }
}

impl Op for BatchNormEval {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![infer(node, inputs)?.clone()])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let sources = [Input(0), Input(1), Input(2), Input(3), Input(4)];
        Ok(Work::one(dispatch::normalise(cx, sources, Some(self.eps))))
    }

    fn stores_half(&self, tensor: Slot) -> bool {
        matches!(tensor, Slot::Input(0) | Slot::Output(0))
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        grad::evaluation(cx, self.eps)
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        Some(Epilogue::BatchNorm { eps: self.eps })
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
