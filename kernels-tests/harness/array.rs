//! Float64 arrays for references, and what a reference expects of the device.

use wgvision::tensor::{Data, Tensor};

/// A row-major float64 array. Integer tensors are widened, which is exact.
#[derive(Clone, Debug)]
pub struct Array {
    /// Extents.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Vec<f64>,
}

impl Array {
    /// Zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// The array whose element at each index is `element(index)`.
    pub fn from_fn(shape: &[usize], mut element: impl FnMut(&[usize]) -> f64) -> Self {
        let mut index = vec![0; shape.len()];
        let mut made = Self::zeros(shape);
        for value in &mut made.data {
            *value = element(&index);
            for d in (0..shape.len()).rev() {
                index[d] += 1;
                if index[d] < shape[d] {
                    break;
                }
                index[d] = 0;
            }
        }
        made
    }

    /// The exact values of a tensor.
    pub fn from_tensor(t: &Tensor) -> Self {
        let data = match t.data() {
            Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Data::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        };
        Self { shape: t.shape().to_vec(), data }
    }

    /// Position of an index.
    pub fn at(&self, index: &[usize]) -> usize {
        assert_eq!(index.len(), self.shape.len());
        index.iter().zip(&self.shape).fold(0, |flat, (&i, &extent)| {
            assert!(i < extent, "index {index:?} outside {:?}", self.shape);
            flat * extent + i
        })
    }

    /// The element at an index.
    pub fn get(&self, index: &[usize]) -> f64 {
        self.data[self.at(index)]
    }
}

/// What one output must be: its value, and for each element how large the terms were that made it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The exact result (integers for integer outputs).
    pub value: Array,
    /// Sum of the absolute terms of each element; rounding is relative to this, not to the result.
    pub magnitude: Vec<f64>,
    /// Number of roundings on the longest path: the length of the sum, plus what transcendentals add.
    pub terms: f64,
}

impl Expected {
    /// A result of one or two roundings: the magnitude is the value's.
    pub fn exact(value: Array) -> Self {
        let magnitude = value.data.iter().map(|v| v.abs()).collect();
        Self { value, magnitude, terms: 0.0 }
    }

    /// A sum of `terms` products whose absolute values add up to `magnitude`.
    pub fn sum(value: Array, magnitude: Vec<f64>, terms: usize) -> Self {
        Self { value, magnitude, terms: terms as f64 }
    }

    /// Widens the bound by `roundings` more, for transcendental functions.
    pub fn wider(mut self, roundings: f64) -> Self {
        self.terms += roundings;
        self
    }

    /// Allowed absolute error of element `i`: (K + 8) * 2^-24 * sum of |terms|.
    pub fn bound(&self, i: usize) -> f64 {
        (self.terms + 8.0) * 2f64.powi(-24) * self.magnitude[i] + f64::from(f32::MIN_POSITIVE)
    }
}
