//! Shapes, element types and tensors in host memory. Knows nothing of GPUs or graphs.
//!
//! Pictures are NHWC and convolution weights HWIO throughout; [`layout`] converts to and from the
//! NCHW and OIHW of files and of the Python world.

pub mod layout;
mod shape;

pub use shape::{DType, Shape, TensorType};

use crate::{Error, Result};
use half::f16;

/// The elements of a [`Tensor`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
}

/// A dense row-major tensor in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

impl Tensor {
    /// A tensor of `shape` from its elements in row-major order. Fails if the counts differ.
    pub fn new(shape: impl Into<Shape>, data: Data) -> Result<Self> {
        let shape = shape.into();
        let len = match &data {
            Data::F32(v) => v.len(),
            Data::F16(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::U32(v) => v.len(),
        };
        if len != shape.elements() {
            return Err(Error::Usage(format!(
                "a tensor of shape {shape} has {} elements, {len} were given",
                shape.elements()
            )));
        }
        Ok(Self { shape, data })
    }

    /// A float tensor. Panics if `data` does not fill `shape`: for shapes computed beside the data.
    pub fn f32(shape: impl Into<Shape>, data: Vec<f32>) -> Self {
        Self::new(shape, Data::F32(data)).expect("data fills the shape")
    }

    /// A half-precision tensor. Panics if `data` does not fill `shape`.
    pub fn f16(shape: impl Into<Shape>, data: Vec<f16>) -> Self {
        Self::new(shape, Data::F16(data)).expect("data fills the shape")
    }

    /// An i32 tensor. Panics if `data` does not fill `shape`.
    pub fn i32(shape: impl Into<Shape>, data: Vec<i32>) -> Self {
        Self::new(shape, Data::I32(data)).expect("data fills the shape")
    }

    /// A u32 tensor. Panics if `data` does not fill `shape`.
    pub fn u32(shape: impl Into<Shape>, data: Vec<u32>) -> Self {
        Self::new(shape, Data::U32(data)).expect("data fills the shape")
    }

    /// A float tensor with one value everywhere.
    pub fn full(shape: impl Into<Shape>, value: f32) -> Self {
        let shape = shape.into();
        let n = shape.elements();
        Self::f32(shape, vec![value; n])
    }

    /// All zero bits, of any element type.
    pub fn zeros(ty: &TensorType) -> Self {
        Self::from_bytes(ty.clone(), &vec![0; ty.bytes() as usize])
    }

    /// A tensor from the little-endian bytes of its elements. Panics if the length is wrong.
    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Self {
        assert_eq!(bytes.len() as u64, ty.bytes(), "bytes fill {ty}");
        let data = match ty.dtype {
            DType::F32 => Data::F32(bytemuck::pod_collect_to_vec(bytes)),
            DType::F16 => Data::F16(bytemuck::pod_collect_to_vec(bytes)),
            DType::I32 => Data::I32(bytemuck::pod_collect_to_vec(bytes)),
            DType::U32 => Data::U32(bytemuck::pod_collect_to_vec(bytes)),
        };
        Self { shape: ty.shape, data }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::F16(_) => DType::F16,
            Data::I32(_) => DType::I32,
            Data::U32(_) => DType::U32,
        }
    }

    /// Shape and element type together.
    pub fn ty(&self) -> TensorType {
        TensorType { shape: self.shape.clone(), dtype: self.dtype() }
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements as bytes, little-endian, as the GPU sees them.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(v) => bytemuck::cast_slice(v),
            Data::F16(v) => bytemuck::cast_slice(v),
            Data::I32(v) => bytemuck::cast_slice(v),
            Data::U32(v) => bytemuck::cast_slice(v),
        }
    }

    /// The elements as floats. Panics if they are not: the element type is known where it is called.
    pub fn as_f32(&self) -> &[f32] {
        match &self.data {
            Data::F32(v) => v,
            other => panic!("expected f32 elements, found {other:?}"),
        }
    }

    /// The elements as i32. Panics if they are not.
    pub fn as_i32(&self) -> &[i32] {
        match &self.data {
            Data::I32(v) => v,
            other => panic!("expected i32 elements, found {other:?}"),
        }
    }

    /// The elements as u32. Panics if they are not.
    pub fn as_u32(&self) -> &[u32] {
        match &self.data {
            Data::U32(v) => v,
            other => panic!("expected u32 elements, found {other:?}"),
        }
    }

    /// The same elements under another shape. Fails if the counts differ.
    pub fn reshaped(self, shape: impl Into<Shape>) -> Result<Self> {
        Self::new(shape, self.data)
    }

    /// The only element of a float tensor of one element. Panics otherwise.
    pub fn scalar(&self) -> f32 {
        let v = self.as_f32();
        assert_eq!(v.len(), 1, "scalar of shape {}", self.shape);
        v[0]
    }
}
