//! The GPU: adapter, device, pipelines, memory, recording, timing, read-back.
//!
//! This folder is the only one that names `wgpu`. Above it, work is described by [`Launch`]es over
//! [`Region`]s, which know nothing of the backend. It decides nothing about what is computed.

mod adapter;
mod ahead;
mod buffer;
mod cooperative;
mod error;
mod kernel;
mod pace;
mod parameters;
mod pipeline;
mod program;
mod shader;
mod storage;
mod timing;
mod tuned;
mod variants;

pub use adapter::{AdapterFacts, adapters};
pub use buffer::{Buffer, PendingRead, Region};
pub use cooperative::{Cooperative, PROBES};
pub use kernel::{Cost, Field, Gang, Kernel, Launch, Needs, Slot, Uniform, Variant};
pub use pace::Pace;
pub use program::{Command, HostTime, Program, Report};
pub use shader::{immediate, join, library_piece, specialise};
pub use storage::{HalfForm, halve, takes_half};
pub use timing::{COPY, LaunchTime, NodeTime};
pub use tuned::Tuned;
pub use variants::{FAMILIES, Family, Forced};

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of device runs the kernels; the static rules that choose variants look at this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares memory with the processor.
    Integrated,
    /// A software rasteriser such as llvmpipe or WARP.
    Software,
}

/// What an op may know of the device when it chooses a kernel.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Kind of device.
    pub kind: DeviceKind,
    /// Half-precision tensors are the device's own f16, not packed into words.
    pub f16: bool,
    /// Subgroup operations in shaders.
    pub subgroups: bool,
    /// Smallest subgroup the driver forms from a full workgroup; 0 without subgroups.
    pub subgroup_size: u32,
    /// Cooperative matrices that were asked for and found right.
    pub cooperative: Option<Cooperative>,
    /// Largest workgroup, in invocations.
    pub max_invocations: u32,
    /// Workgroup memory in bytes.
    pub workgroup_memory: u32,
    /// Largest storage binding in bytes.
    pub max_binding: u64,
    /// Variants that are not chosen but forced.
    pub forced: Forced,
    /// Variants that were timed; they come before any rule.
    pub tuned: Arc<Tuned>,
}

impl Profile {
    /// Whether sums and prefix sums over a workgroup go by subgroups first; else as trees. `WGVISION_VARIANT` may force trees.
    pub fn reduces_in_subgroups(&self) -> bool {
        self.subgroup_size >= 4 && self.forced.of("reduce") != Some("tree")
    }

    /// How tensors in half precision are read and written.
    pub fn half_form(&self) -> HalfForm {
        if self.f16 { HalfForm::Native } else { HalfForm::Packed }
    }
}

/// How the engine opens its device.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Part of the adapter's name, or its index in `wgvision info`. `None`: `WGVISION_ADAPTER`, else the best.
    pub adapter: Option<String>,
    /// Turn wgpu's injected bounds checks on. `WGVISION_CHECKED=1` does the same.
    pub checked: bool,
    /// Keep compiled pipelines off the disk. `WGVISION_PIPELINE_CACHE=0` does the same.
    pub no_disk_cache: bool,
    /// Whether kernels get their parameters as immediates where the device has them. `None`: `WGVISION_IMMEDIATES` (0 or 1), else by
    /// kind of device.
    pub immediates: Option<bool>,
    /// Whether half-precision tensors are f16 where the device has that type, or words of two halves. `None`: `WGVISION_F16`
    /// (0 or 1), else by kind of device.
    pub f16: Option<bool>,
    /// Whether convolutions may use cooperative matrices, an experiment of wgpu's. `None`: `WGVISION_COOPERATIVE` (0 or 1), else not.
    pub cooperative: Option<bool>,
    /// Variants of kernels that are forced where the shape allows, as [`Forced::parse`] reads them. `None`: `WGVISION_VARIANT`, else none.
    pub variants: Option<String>,
    /// Whether choices that `wgvision tune` has kept are used. `None`: `WGVISION_TUNED` (0 or 1), else yes.
    pub tuned: Option<bool>,
}

/// An open device. Clones share it.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    adapter: wgpu::Adapter,
    facts: AdapterFacts,
    profile: Profile,
    checked: bool,
    cooperative: String,
    immediate_bytes: u32,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: pipeline::Pipelines,
    faults: Arc<error::Faults>,
    counters: Counters,
}

/// How often the host talked to the device since it was opened.
#[derive(Default)]
struct Counters {
    submissions: AtomicU64,
    dispatches: AtomicU64,
    read_backs: AtomicU64,
    waits: AtomicU64,
    encoding_ns: AtomicU64,
    submitting_ns: AtomicU64,
}

impl Gpu {
    /// Opens the best adapter, or the one that `WGVISION_ADAPTER` names.
    pub fn open() -> Result<Self> {
        Self::open_with(&Options::default())
    }

    /// Opens an adapter. Fails when none answers or none matches.
    pub fn open_with(options: &Options) -> Result<Self> {
        let variants = options.variants.clone().or(std::env::var("WGVISION_VARIANT").ok());
        let forced = Forced::parse(&variants.unwrap_or_default())?;
        let (adapter, facts) = adapter::choose(options.adapter.as_deref())?;
        let wants_cooperative = options.cooperative.or(env_flag("WGVISION_COOPERATIVE")).unwrap_or(false);
        let asks = wants_cooperative && !facts.cooperative.is_empty();
        let (device, queue) = adapter::request_device(&adapter, &facts, asks)?;
        let faults = error::Faults::watch(&device);
        let limits = device.limits();
        let features = device.features();
        let env = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
        // Software devices pay for each element they load, and a word holds two.
        let usual_f16 = facts.kind != DeviceKind::Software;
        let wanted_f16 = options.f16.or(env_flag("WGVISION_F16")).unwrap_or(usual_f16);
        let with_tuned = options.tuned.or(env_flag("WGVISION_TUNED")).unwrap_or(true);
        let profile = Profile {
            kind: facts.kind,
            f16: features.contains(wgpu::Features::SHADER_F16) && wanted_f16,
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            subgroup_size: if features.contains(wgpu::Features::SUBGROUP) {
                adapter.get_info().subgroup_min_size
            } else {
                0
            },
            cooperative: None,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_binding: limits.max_storage_buffer_binding_size,
            forced,
            tuned: Arc::new(if with_tuned { Tuned::load(&facts) } else { Tuned::none(&facts) }),
        };
        let checked = options.checked || env("WGVISION_CHECKED", "1");
        let on_disk = !(options.no_disk_cache || env("WGVISION_PIPELINE_CACHE", "0"));
        let pipelines = pipeline::Pipelines::new(&device, &adapter.get_info(), on_disk);
        let immediate_bytes = parameters::immediate_bytes(&device, facts.kind, options.immediates);
        let counters = Counters::default();
        let cooperative = "not asked for (WGVISION_COOPERATIVE=1)".to_string();
        let info = adapter.get_info();
        let inner = Inner {
            adapter,
            facts,
            profile,
            checked,
            cooperative,
            immediate_bytes,
            device,
            queue,
            pipelines,
            faults,
            counters,
        };
        let mut gpu = Self(Arc::new(inner));
        if wants_cooperative {
            let one_size = info.subgroup_min_size == info.subgroup_max_size && gpu.0.profile.subgroups;
            let lanes = one_size.then_some(info.subgroup_min_size);
            let (found, note) = cooperative::probe(&gpu, &gpu.0.facts, lanes);
            let inner = Arc::get_mut(&mut gpu.0).expect("the probe has ended");
            (inner.profile.cooperative, inner.cooperative) = (found, note);
        }
        Ok(gpu)
    }

    /// Another device of the same adapter under the same settings, which keeps no pipelines on disk.
    fn open_beside(&self) -> Result<Self> {
        let first = &self.0;
        let asks = first.device.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
        let (device, queue) = adapter::request_device(&first.adapter, &first.facts, asks)?;
        Ok(Self(Arc::new(Inner {
            adapter: first.adapter.clone(),
            facts: first.facts.clone(),
            profile: first.profile.clone(),
            cooperative: first.cooperative.clone(),
            checked: first.checked,
            immediate_bytes: first.immediate_bytes,
            pipelines: pipeline::Pipelines::new(&device, &first.adapter.get_info(), false),
            faults: error::Faults::watch(&device),
            counters: Counters::default(),
            device,
            queue,
        })))
    }

    /// What became of cooperative matrices on this device, in a line.
    pub fn cooperative(&self) -> &str {
        &self.0.cooperative
    }

    /// The adapter that was chosen.
    pub fn facts(&self) -> &AdapterFacts {
        &self.0.facts
    }

    /// What ops may know of the device.
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Whether wgpu's injected bounds checks are on.
    pub fn checked(&self) -> bool {
        self.0.checked
    }

    /// Number of compute pipelines compiled so far.
    pub fn pipelines_compiled(&self) -> usize {
        self.0.pipelines.compiled()
    }

    /// Bytes that bound regions must be aligned to.
    pub fn alignment(&self) -> u64 {
        u64::from(self.0.device.limits().min_storage_buffer_offset_alignment).max(16)
    }

    /// Largest buffer in bytes.
    pub fn max_buffer(&self) -> u64 {
        self.0.device.limits().max_buffer_size
    }

    /// Waits until everything submitted has run. Counted as a wait.
    pub fn wait(&self) -> Result<()> {
        self.0.counters.waits.fetch_add(1, Ordering::Relaxed);
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Waits until one submission and what came before it have run. Counted as a wait.
    fn wait_for(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.0.counters.waits.fetch_add(1, Ordering::Relaxed);
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })
    }

    /// Lets finished read-backs and timings arrive, without blocking.
    pub fn tick(&self) -> Result<()> {
        self.poll(wgpu::PollType::Poll)
    }

    /// Fails if the device was lost or reported an error since the last call.
    pub fn check(&self) -> Result<()> {
        self.0.faults.check()
    }

    fn poll(&self, kind: wgpu::PollType) -> Result<()> {
        let polled = self.0.device.poll(kind);
        self.check()?;
        polled.map(|_| ()).map_err(|e| Error::Device(e.to_string()))
    }
}

/// An environment variable that says 0 or 1; `None` where it says neither.
fn env_flag(name: &str) -> Option<bool> {
    match std::env::var(name).ok()?.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.0.facts.name)
    }
}
