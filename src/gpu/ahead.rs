//! Compiling on all threads where the driver does it at a kernel's first dispatch: Mesa's llvmpipe, on the one thread of a device's queue, one kernel
//! after another. A dispatch of no workgroups sets it off. Further devices of the same adapter compile kernels of their own beside; what they
//! have made comes to this one through the driver's cache on disk. Drivers that compile when a pipeline is made are served by `pipeline`.

use super::parameters::Parameters;
use super::pipeline::{Patience, Wanted};
use super::program::{bind, record_dispatch};
use super::{Gpu, Region};
use crate::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A kernel that takes longer than this was not in the driver's cache, so that the ones after it are likely to be missing too.
const MISSING: Duration = Duration::from_millis(25);
/// Bytes that stand in for each tensor: more than one element of any binding.
const SPARE: u64 = 4096;

impl Gpu {
    /// Has llvmpipe compile each of `wanted`: one at a time while its cache has them, on all threads from the first that it lacks.
    pub(super) fn compile_ahead(&self, wanted: &[Wanted<'_>], patience: &Patience) -> Result<()> {
        if wanted.is_empty() || !self.facts().driver.contains("llvmpipe") || cache_is_off() {
            return Ok(());
        }
        let (began, next, beside) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
        // Kernels in turn; with `until_missing` the first that the cache lacks is the last.
        let compile = |gpu: &Gpu, until_missing: bool| -> Result<usize> {
            let mut done = 0;
            while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let started = Instant::now();
                gpu.run_on_nothing(one)?;
                patience.mention();
                done += 1;
                if until_missing && started.elapsed() > MISSING {
                    break;
                }
            }
            Ok(done)
        };
        compile(self, true)?;
        let left = wanted.len().saturating_sub(next.load(Ordering::Relaxed));
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(left);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where a further device does not open or fails, this one finds nothing in the cache and compiles for itself.
                scope.spawn(|| {
                    let compiled = self.open_beside().and_then(|gpu| compile(&gpu, false));
                    beside.fetch_add(compiled.unwrap_or(0), Ordering::Relaxed)
                });
            }
            compile(self, false)
        })?;
        let (all, beside, took) = (wanted.len(), beside.into_inner(), began.elapsed());
        tracing::debug!("the driver has {all} kernels after {took:.0?}, {beside} of them by further devices");
        Ok(())
    }

    /// Dispatches no workgroup of a kernel and waits for the driver to be done with it.
    fn run_on_nothing(&self, (launch, aliases): &Wanted<'_>) -> Result<()> {
        let pipeline = self.pipeline(launch, aliases)?;
        let buffer = self.allocate("what stands in for tensors", SPARE)?;
        let spare = Region { buffer, offset: 0, size: SPARE };
        let mut parameters = Parameters::new(self);
        let given = parameters.add(&launch.params, [0; 3]);
        let uniforms = parameters.upload()?;
        let read = |binding: &u32| aliases.iter().any(|(read, _)| read == binding);
        let slots = (1..=launch.slots.len() as u32).filter(|slot| !read(slot));
        let bound: Vec<_> = slots.map(|slot| (slot, &spare)).collect();
        let group = bind(self, launch, &pipeline, &uniforms, &given, &bound);
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        record_dispatch(&mut pass, &pipeline, &group, &given.immediates(), [0; 3]);
        drop(pass);
        let submission = self.0.queue.submit([encoder.finish()]);
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })
    }
}

/// Whether Mesa was told to keep nothing on disk: a kernel then serves the device alone that compiled it, in some versions one dispatch alone.
fn cache_is_off() -> bool {
    let on = |name: &str| std::env::var(name).is_ok_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
    on("MESA_SHADER_CACHE_DISABLE") || on("MESA_GLSL_CACHE_DISABLE")
}
