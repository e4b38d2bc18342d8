//! Gathering kernels in three forms, from one WGSL text: weights in f32, in f16, and in f16 where the device does not have that type.

use crate::gpu::{Kernel, Profile};
use crate::tensor::DType;

/// A kernel joined with each of the pieces `weight_f32`, `weight_f16` and `weight_packed`.
pub(crate) struct Halves {
    pub full: Kernel,
    pub native: Kernel,
    pub packed: Kernel,
}

impl Halves {
    /// The form for weights of a type.
    pub fn pick(&'static self, weight: DType, profile: &Profile) -> &'static Kernel {
        match weight {
            DType::F16 if profile.f16 => &self.native,
            DType::F16 => &self.packed,
            _ => &self.full,
        }
    }
}

/// Declares [`Halves`]: name of the static, label, perhaps a line that brings in a piece more, file in `shaders/conv2d`, override sets, what
/// f32 and native f16 weights need.
macro_rules! halves {
    ($name:ident, $label:literal, $file:literal, $variants:expr, $needs:expr, $native:expr) => {
        halves!($name, $label, "", $file, $variants, $needs, $native);
    };
    ($name:ident, $label:literal, $columns:literal, $file:literal, $variants:expr, $needs:expr, $native:expr) => {
        pub(super) static $name: $crate::ops::conv2d::halves::Halves = $crate::ops::conv2d::halves::Halves {
    full: halves!(@form $label, concat!("// uses: weight_f32\n", $columns), $file, $variants, $needs),
    native: halves!(@form concat!($label, ".f16"), concat!("// uses: weight_f16\n", $columns), $file, $variants, $native),
    packed: halves!(@form concat!($label, ".packed"), concat!("// uses: weight_packed\n", $columns), $file, $variants, $needs),
        };
    };
    (@form $label:expr, $uses:expr, $file:literal, $variants:expr, $needs:expr) => {
        $crate::gpu::Kernel {
            label: $label,
            source: concat!($uses, include_str!(concat!("../../../shaders/conv2d/", $file))),
            params: <GatherParams as $crate::gpu::Uniform>::FIELDS,
            variants: $variants,
            needs: $needs,
        }
    };
}

pub(super) use halves;
