//! [`Op`], the one trait through which the graph, the planner and the executor know ops.

use crate::gpu::{Cost, Launch, Profile, Slot};
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::fmt::Debug;
use std::sync::Arc;

/// A shared op: nodes of a graph and its copies refer to the same attributes.
pub type OpRef = Arc<dyn Op>;

/// A tensor in a graph: output `slot` of node `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// Index of the node that makes it.
    pub node: usize,
    /// Which of the node's outputs.
    pub slot: usize,
}

/// An operation on tensors: its attributes are the fields of the type that implements this.
pub trait Op: Debug + Send + Sync {
    /// The registry's name, e.g. `conv2d`.
    fn name(&self) -> &'static str;

    /// Types of the outputs, or what is wrong with the inputs (`node` is the node's name for the message).
    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>>;

    /// The kernels to run, in order, and the scratch they need. Decided from types and device alone. Empty for views.
    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work>;

    /// Emits the nodes that compute the gradients of the inputs, one entry for each input (`None`: not wanted,
    /// or no gradient flows there). Ops without a gradient return [`Error::NotDifferentiable`] with the reason.
    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>>;

    /// Pairs (input, output) that may share memory: every kernel reads an element of the input only in the invocation
    /// that writes the same element of the output, and both bindings have one WGSL type.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[]
    }

    /// The output is the first input under another shape; no kernel runs.
    fn is_view(&self) -> bool {
        false
    }

    /// No gradient passes through it: what depends on a parameter through it alone does not depend on it.
    fn stops_gradient(&self) -> bool {
        false
    }

    /// Whether an input or output may lie in memory as f16 while it is computed in f32 ([`super::Stored`]): tensors of activations and of
    /// their gradients. Where the kernels at hand cannot read or write one so, it stays f32. A view's input and output go together.
    fn stores_half(&self, _tensor: Slot) -> bool {
        false
    }

    /// Inputs that may also be f16: weights, which the op widens to f32 as it reads them.
    fn half_inputs(&self) -> &'static [usize] {
        &[]
    }

    /// For inference: an input that this op would rather have in another form on this device, should it depend on parameters alone.
    fn prepare(&self, _inputs: &[TensorType], _outputs: &[TensorType], _profile: &Profile) -> Option<Prepared> {
        None
    }

    /// Multiply-adds of one run, for `summary`. Zero where there are none worth counting.
    fn multiply_adds(&self, _inputs: &[TensorType], _outputs: &[TensorType]) -> u64 {
        0
    }

    /// The same op with `epilogue` applied to its result before it is stored, or `None` if it cannot. Bias, scale and
    /// residual arrive as further inputs, appended after the present ones in the order of absorption.
    fn absorb(&self, _epilogue: &Epilogue) -> Option<OpRef> {
        None
    }

    /// For ops with a weight and perhaps a bias as inputs 1 and 2: the op that folds a following evaluation-mode batch norm into
    /// them, (weight, [bias], bn weight, bn bias, mean, variance) -> (weight, bias), and this op with a bias.
    fn fold_batch_norm(&self, _eps: f32) -> Option<(OpRef, OpRef)> {
        None
    }

    /// The ways to do this work between which timing may choose. `None`: there is one.
    fn ways(&self, _cx: &LaunchCx<'_>) -> Option<Ways> {
        None
    }

    /// What this op is to the one before it, if that one can absorb it.
    fn as_epilogue(&self, _inputs: &[TensorType]) -> Option<Epilogue> {
        None
    }
}

/// An input in another form, and who reads it then.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Index of the input.
    pub input: usize,
    /// Makes its other form.
    pub by: OpRef,
    /// Stands in for the op, with the other form in the input's place.
    pub op: OpRef,
}

/// Something a convolution can do to its result before storing it.
#[derive(Clone, Debug, PartialEq)]
pub enum Epilogue {
    /// Evaluation-mode batch norm over the channels: inputs are (x, weight, bias, mean, variance).
    BatchNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// Adds a vector over the channels.
    Bias,
    /// Adds a tensor of the result's shape.
    Residual,
    /// Applies a function to each element.
    Activation(Activation),
}

/// Elementwise functions that kernels can apply to their result; `shaders/lib/activation.wgsl` has the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// Leaves the value alone.
    #[default]
    None,
    /// max(v, 0).
    Relu,
    /// v where positive, slope * v elsewhere.
    Leaky(f32),
    /// v * sigmoid(v).
    Silu,
    /// 1 / (1 + exp(-v)).
    Sigmoid,
}

impl Activation {
    /// The code and the slope that the WGSL side takes.
    pub fn code(self) -> (u32, f32) {
        match self {
            Self::None => (0, 0.0),
            Self::Relu => (1, 0.0),
            Self::Leaky(slope) => (2, slope),
            Self::Silu => (3, 0.0),
            Self::Sigmoid => (4, 0.0),
        }
    }

    /// The slope below zero of those that norms can apply, whose sign says which side of the kink its argument was on: 1 for none.
    pub fn slope_below_zero(self) -> Option<f32> {
        match self {
            Self::None => Some(1.0),
            Self::Relu => Some(0.0),
            Self::Leaky(slope) if slope > 0.0 && slope.is_finite() => Some(slope),
            _ => None,
        }
    }
}

/// Ways to do the work of an op: see [`Op::ways`].
#[derive(Clone, Debug)]
pub struct Ways {
    /// What the work is, whoever does it: the name under which `Profile::tuned` has the choice.
    pub problem: String,
    /// The way that the rule takes.
    pub usual: &'static str,
    /// Every way that takes the shape: its name, and the op bound to it.
    pub ways: Vec<(&'static str, OpRef)>,
}

/// What [`Op::launches`] may look at.
pub struct LaunchCx<'a> {
    /// Types of the inputs.
    pub inputs: &'a [TensorType],
    /// Types of the outputs, as [`Op::infer`] gave them.
    pub outputs: &'a [TensorType],
    /// The device.
    pub profile: &'a Profile,
}

/// The kernels of one node.
#[derive(Debug, Default)]
pub struct Work {
    /// Launches, in order.
    pub launches: Vec<Launch>,
    /// Bytes of each scratch tensor the launches name.
    pub scratch: Vec<u64>,
}

impl Work {
    /// One launch, no scratch.
    pub fn one(launch: Launch) -> Self {
        Self { launches: vec![launch], scratch: Vec::new() }
    }
}

impl LaunchCx<'_> {
    /// Bytes read and written at least once by a node that touches everything: all inputs and outputs.
    pub fn traffic(&self) -> u64 {
        self.inputs.iter().chain(self.outputs).map(TensorType::bytes).sum()
    }

    /// Cost of an elementwise node: `per_element` operations on each element of the first output.
    pub fn elementwise(&self, per_element: u64) -> Cost {
        Cost { flops: per_element * self.outputs[0].elements() as u64, bytes: self.traffic() }
    }
}

/// Where gradient rules put their nodes. The graph implements it.
pub trait Emit {
    /// Adds a node and returns its outputs.
    fn emit(&mut self, op: OpRef, inputs: &[Value]) -> Result<Vec<Value>>;
    /// Adds a constant tensor.
    fn constant(&mut self, value: Tensor) -> Value;
    /// Type of a value.
    fn ty(&self, value: Value) -> TensorType;
}

/// What [`Op::grad`] works with: the node's inputs and outputs, and the gradients that arrived at the outputs.
pub struct GradCx<'a> {
    /// Name of the node, for errors.
    pub node: &'a str,
    /// Where the new nodes go.
    pub graph: &'a mut dyn Emit,
    /// Inputs of the node.
    pub inputs: &'a [Value],
    /// Outputs of the node.
    pub outputs: &'a [Value],
    /// Gradients with respect to the outputs; `None` where nothing depends on an output.
    pub grads: &'a [Option<Value>],
    /// Whether the gradient of each input is wanted.
    pub wanted: &'a [bool],
}

impl GradCx<'_> {
    /// Adds a node with one output.
    pub fn emit(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        Ok(self.graph.emit(Arc::new(op), inputs)?[0])
    }

    /// Adds a node and returns all its outputs.
    pub fn emit_all(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Vec<Value>> {
        self.graph.emit(Arc::new(op), inputs)
    }

    /// The gradient of the first output. Panics if there is none: rules are only called when some gradient arrived,
    /// so this is for ops of one differentiable output.
    pub fn grad(&self) -> Value {
        self.grads[0].expect("a gradient arrived at the output")
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> TensorType {
        self.graph.ty(value)
    }

    /// The error of an op that has no gradient.
    pub fn not_differentiable<T>(&self, op: &str, why: &str) -> Result<T> {
        Err(Error::NotDifferentiable { op: op.into(), node: self.node.into(), why: why.into() })
    }
}

/// A shape error that names op, node and input: `relu 'act': x: expected f32, got u32(3, 4)`.
pub fn shape_error(
    op: &str,
    node: &str,
    what: impl Into<String>,
    expected: impl ToString,
    got: impl ToString,
) -> Error {
    Error::Shape {
        op: op.into(),
        node: node.into(),
        what: what.into(),
        expected: expected.to_string(),
        got: got.to_string(),
    }
}
