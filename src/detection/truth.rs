//! What a two-stage detector or RetinaNet is trained on, and what its random choices depend on.

use crate::ops::Value;

/// True objects of a batch on the device; see the table in `detection/mod.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// f32 (N, T, 4): corners in pixels of the network's input, zeros where there is no box.
    pub boxes: Value,
    /// i32 (N, T): 1 and up, -1 where there is no box.
    pub labels: Value,
    /// u32 (N, T, H, ceil(W / 32)): bit x % 32 of word x / 32 is pixel (y, x) of the object's mask.
    pub masks: Option<Value>,
}

/// Where random choices of a step come from: a pure function of both, so that a resumed run chooses alike.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// The run's seed.
    pub seed: u32,
    /// u32 (1): the number of the step.
    pub step: Value,
}

/// Scalars by torchvision's names, in its order; the loss to minimise is their sum.
pub type NamedLosses = Vec<(&'static str, Value)>;
