//! Runs an op's cases on the device and holds them against its float64 reference: values, gradients, sentinels,
//! repeatability, and a negative control that shows the comparison can fail. Shares no code with the engine's kernels.

pub mod array;
pub mod broadcast;
pub mod check;
pub mod halves;
pub mod pointwise;
pub mod rng;

pub use array::{Array, Expected};
pub use check::{OpSpec, check, compare, refuses};
pub use halves::check_halves;
pub use pointwise::PointwiseSpec;
pub use rng::Rng;

use std::sync::OnceLock;
use wgvision::gpu::{Gpu, Options};

/// The device all kernel tests share. Without an adapter every test fails here and says what to install.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    // What someone has tuned on this machine is left out unless asked for.
    let tuned = Some(std::env::var("WGVISION_TUNED").is_ok_and(|v| v == "1"));
    GPU.get_or_init(|| Gpu::open_with(&Options { tuned, ..Default::default() }).unwrap_or_else(|e| panic!("{e}")))
}
