//! Kernels in two widths, from one WGSL text: one number at a time for any size, four at a time where sizes allow.

use crate::gpu::Kernel;

/// A kernel joined with `lanes1` and with `lanes4`.
#[derive(Debug)]
pub struct Wide {
    /// One number at a time.
    pub one: Kernel,
    /// Four numbers at a time; sizes in its uniform are counted in fours.
    pub four: Kernel,
}

impl Wide {
    /// The kernel and its width: four where `fits` (all sizes and offsets are multiples of four).
    pub fn pick(&'static self, fits: bool) -> (&'static Kernel, u32) {
        if fits { (&self.four, 4) } else { (&self.one, 1) }
    }
}

/// Declares a [`Wide`] kernel: name of the static, label, file below `shaders`, uniform struct, override sets beside the defaults.
macro_rules! wide {
    ($vis:vis $name:ident, $label:literal, $file:literal, $params:ty) => {
        $crate::ops::lanes::wide!($vis $name, $label, $file, $params, &[]);
    };
    ($vis:vis $name:ident, $label:literal, $file:literal, $params:ty, $variants:expr) => {
        $vis static $name: $crate::ops::lanes::Wide = $crate::ops::lanes::Wide {
            one: $crate::gpu::Kernel {
                label: $label,
                source: concat!(
                    "// uses: lanes1\n",
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file))
                ),
                params: <$params as $crate::gpu::Uniform>::FIELDS,
                variants: $variants,
                needs: $crate::gpu::Needs::Nothing,
            },
            four: $crate::gpu::Kernel {
                label: concat!($label, "4"),
                source: concat!(
                    "// uses: lanes4\n",
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file))
                ),
                params: <$params as $crate::gpu::Uniform>::FIELDS,
                variants: $variants,
                needs: $crate::gpu::Needs::Nothing,
            },
        };
    };
}

pub(super) use wide;
