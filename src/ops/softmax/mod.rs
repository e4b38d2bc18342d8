//! Softmax along a dimension. The gradient needs the output alone.

use super::rows::rows_op;

rows_op!(
    /// y = exp(x) / sum of exp(x) along a dimension, of x's shape.
    Softmax,
    "softmax",
    "exp(x) / sum of exp(x) along a dimension"
);
