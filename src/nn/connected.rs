//! A fully connected layer whose weight may be larger than what a device binds at once.

use super::init::{Init, Net};
use crate::Result;
use crate::ops::Value;
use crate::ops::add::Add;
use crate::ops::concat::Concat;
use crate::ops::linear::Linear;
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

/// Bytes that every WebGPU device binds at once. A larger weight is cut by this on every device, so that a
/// checkpoint made on one can be read on any other.
pub const BINDING: usize = 128 << 20;

/// A fully connected layer: (N, in) -> (N, out). A weight of more than 128 MiB is several parameters, `weight.0`, `weight.1`, ...,
/// with the next outputs each; every op then works on one range at a time.
#[derive(Clone, Copy, Debug)]
pub struct Connected {
    /// Number of outputs.
    pub out: usize,
    /// Whether a bias is added; left out before batch norm.
    pub bias: bool,
    /// Height and width of the picture that x is, flattened: files order its weights by channel first.
    pub flattened: Option<[usize; 2]>,
    /// First values of the weights.
    pub init: WeightInit,
}

/// How weights start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightInit {
    /// See [`Init::He`].
    He,
    /// Normal with this standard deviation.
    Normal(f32),
}

impl WeightInit {
    /// The first value of weights that sum over `fan_in` inputs.
    pub fn of(self, fan_in: usize) -> Init {
        match self {
            Self::He => Init::He { fan_in },
            Self::Normal(deviation) => Init::Normal { deviation },
        }
    }
}

impl Connected {
    /// A layer with a bias, for ReLU after it.
    pub fn new(out: usize) -> Self {
        Self { out, bias: true, flattened: None, init: WeightInit::He }
    }

    /// Adds the layer as `name`.
    pub fn build(&self, net: &mut Net<'_>, name: &str, x: Value) -> Result<Value> {
        let inputs = net.graph.shape(x).channels();
        net.scope(name, |net| {
            let whole = self.shards(inputs).len() == 1;
            let mut parts = Vec::new();
            for (weight, out) in self.weights(inputs).zip(self.shards(inputs)) {
                let ty = TensorType::f32([inputs, out]);
                let mut operands = vec![x, net.parameter(&weight, ty, self.init.of(inputs), self.layout())?];
                if whole && self.bias {
                    operands.push(self.bias(net)?);
                }
                let op = Linear { bias: whole && self.bias, variant: None };
                parts.push(net.graph.named("linear", op, &operands)?);
            }
            if whole {
                return Ok(parts[0]);
            }
            let dim = net.graph.shape(x).rank() - 1;
            let y = net.graph.named("joined", Concat { dim }, &parts)?;
            if !self.bias {
                return Ok(y);
            }
            let bias = self.bias(net)?;
            net.graph.named("bias_add", Add, &[y, bias])
        })
    }

    /// Names of the weights under the layer's, for `inputs` inputs.
    pub fn weights(&self, inputs: usize) -> impl Iterator<Item = String> {
        let n = self.shards(inputs).len();
        (0..n).map(move |i| if n == 1 { "weight".to_string() } else { format!("weight.{i}") })
    }

    /// Outputs of each weight: as many as fit, and the rest.
    fn shards(&self, inputs: usize) -> Vec<usize> {
        let most = (BINDING / (4 * inputs.max(1))).max(1);
        (0..self.out).step_by(most).map(|first| most.min(self.out - first)).collect()
    }

    fn layout(&self) -> Layout {
        match self.flattened {
            Some([height, width]) => Layout::FlattenedWeight { height, width },
            None => Layout::LinearWeight,
        }
    }

    fn bias(&self, net: &mut Net<'_>) -> Result<Value> {
        net.parameter("bias", TensorType::f32([self.out]), Init::Constant(0.0), Layout::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_weight_is_cut_and_a_small_one_is_not() {
        let yolov1 = Connected::new(4096);
        let shards = yolov1.shards(7 * 7 * 1024);
        assert_eq!(shards.iter().sum::<usize>(), 4096);
        assert!(shards.len() == 7 && shards.iter().all(|out| 4 * out * 7 * 7 * 1024 <= BINDING), "{shards:?}");
        assert_eq!(yolov1.shards(4096), [4096]);
        assert_eq!(yolov1.weights(4096).collect::<Vec<_>>(), ["weight"]);
        assert_eq!(yolov1.weights(7 * 7 * 1024).last().unwrap(), "weight.6");
    }
}
