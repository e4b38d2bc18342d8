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

/// Declares [`Halves`]: name of the static, label, file in `shaders/conv2d`, override sets, what f32 and native f16 weights need.
macro_rules! halves {
    ($name:ident, $label:literal, $file:literal, $variants:expr, $needs:expr, $native:expr) => {
        pub(super) static $name: $crate::ops::conv2d::halves::Halves = $crate::ops::conv2d::halves::Halves {
    full: halves!(@form $label, "// uses: weight_f32\n", $file, $variants, $needs),
    native: halves!(@form concat!($label, ".f16"), "// uses: weight_f16\n", $file, $variants, $native),
    packed: halves!(@form concat!($label, ".packed"), "// uses: weight_packed\n", $file, $variants, $needs),
        };
    };
    (@form $label:expr, $uses:literal, $file:literal, $variants:expr, $needs:expr) => {
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
