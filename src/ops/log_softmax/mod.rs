//! Logarithm of the softmax along a dimension, without computing the softmax. The gradient needs the output alone.

use super::rows::rows_op;

rows_op!(
    /// y = log of softmax along a dimension, of x's shape.
    LogSoftmax,
    "log_softmax",
    "log of softmax along a dimension"
);
