//! Compiled compute pipelines, each made once per device and, where the backend can, kept on disk between runs.

use super::{Gpu, Launch};
use super::{shader, storage};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

/// What tells two pipelines apart on one adapter.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    label: &'static str,
    overrides: Vec<(&'static str, u64)>,
    aliases: Vec<(u32, u32)>,
    halves: Vec<u32>,
}

impl Key {
    fn of(launch: &Launch, aliases: &[(u32, u32)]) -> Self {
        let overrides = launch.overrides.iter().map(|&(name, value)| (name, value.to_bits())).collect();
        Self { label: launch.kernel.label, overrides, aliases: aliases.to_vec(), halves: launch.halves.clone() }
    }
}

/// How long compiling may take before it is mentioned.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says once that kernels are being compiled, when that takes long.
pub(super) struct Patience {
    kernels: usize,
    since: Instant,
    told: Once,
}

impl Patience {
    pub fn mention(&self) {
        if self.since.elapsed() > PATIENCE {
            self.told.call_once(|| tracing::info!("compiling {} kernels for this device", self.kernels));
        }
    }
}

/// A launch whose pipeline is needed, and the pairs of its slots `(read, written)` that share memory.
pub(super) type Wanted<'a> = (&'a Launch, Vec<(u32, u32)>);

/// A pipeline and the layout of its one bind group.
pub(super) struct Pipeline {
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// The device's pipelines and their store on disk.
pub(super) struct Pipelines {
    made: Mutex<HashMap<Key, Arc<Pipeline>>>,
    store: Option<Store>,
    compiled: AtomicUsize,
}

struct Store {
    cache: wgpu::PipelineCache,
    file: PathBuf,
}

impl Pipelines {
    pub fn new(device: &wgpu::Device, info: &wgpu::AdapterInfo, on_disk: bool) -> Self {
        let store = if on_disk { Store::open(device, info) } else { None };
        Self { made: Mutex::default(), store, compiled: AtomicUsize::new(0) }
    }

    pub fn compiled(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }
}

impl Store {
    /// The adapter's file of compiled pipelines, if the backend can keep one. A file that is missing or of
    /// another driver only means that everything is compiled anew.
    fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(info)?;
        let driver: String = info.driver_info.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let file = cache_folder()?.join(format!("{key}-{driver}.pipelines"));
        let data = std::fs::read(&file).ok();
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("wgvision"), data: data.as_deref(), fallback: true };
        // SAFETY: the file was written by `save` from this adapter's own data, under its cache key and driver version,
        // with an atomic rename; with `fallback` the driver checks the header again and starts empty if it disagrees.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, file })
    }

    /// Writes beside and renames, so that a killed process leaves a whole file. Failing to save costs only time.
    fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let beside = self.file.with_extension(format!("{}.tmp", std::process::id()));
        let written = std::fs::create_dir_all(self.file.parent().expect("file in a folder"))
            .and_then(|()| std::fs::write(&beside, &data))
            .and_then(|()| std::fs::rename(&beside, &self.file));
        if let Err(e) = written {
            tracing::debug!("pipeline cache {}: {e}", self.file.display());
        }
    }
}

/// `WGVISION_CACHE`, else the platform's cache folder.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    env("WGVISION_CACHE").or_else(|| {
        env("XDG_CACHE_HOME")
            .or_else(|| env("LOCALAPPDATA"))
            .or_else(|| env("HOME").map(|home| home.join(".cache")))
            .map(|folder| folder.join("wgvision"))
    })
}

impl Gpu {
    /// The pipeline for a launch whose slots `(read, written)` of `aliases` share memory.
    pub(super) fn pipeline(&self, launch: &Launch, aliases: &[(u32, u32)]) -> Result<Arc<Pipeline>> {
        let key = Key::of(launch, aliases);
        let pipelines = &self.0.pipelines;
        if let Some(found) = pipelines.made.lock().expect("no panic under lock").get(&key) {
            return Ok(found.clone());
        }
        let made = Arc::new(self.compile(launch, aliases)?);
        pipelines.compiled.fetch_add(1, Ordering::Relaxed);
        pipelines.made.lock().expect("no panic under lock").insert(key, made.clone());
        Ok(made)
    }

    /// Makes those of `wanted` that do not exist yet, several at a time: a driver that compiles when a pipeline is made takes its time for
    /// each. Fails with the first of them, in their order, that does not compile.
    pub(super) fn make_pipelines(&self, wanted: Vec<Wanted<'_>>) -> Result<()> {
        let mut seen = HashSet::new();
        let missing: Vec<_> = {
            let made = self.0.pipelines.made.lock().expect("no panic under lock");
            let new = |(launch, aliases): &Wanted<'_>| {
                let key = Key::of(launch, aliases);
                !made.contains_key(&key) && seen.insert(key)
            };
            wanted.into_iter().filter(new).collect()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        let next = AtomicUsize::new(0);
        let patience = Patience { kernels: missing.len(), since: Instant::now(), told: Once::new() };
        let failed: Mutex<Vec<(usize, Error)>> = Mutex::default();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((launch, aliases)) = missing.get(at) else { break };
                if let Err(e) = self.pipeline(launch, aliases) {
                    failed.lock().expect("no panic under lock").push((at, e));
                }
                patience.mention();
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
        let mut failed = failed.into_inner().expect("no panic under lock");
        failed.sort_by_key(|(at, _)| *at);
        failed.into_iter().next().map_or(Ok(()), |(_, e)| Err(e))?;
        self.compile_ahead(&missing, &patience)
    }

    /// Keeps what has been compiled so far for the next run.
    pub fn save_pipelines(&self) {
        if let Some(store) = &self.0.pipelines.store {
            store.save();
        }
    }

    fn compile(&self, launch: &Launch, aliases: &[(u32, u32)]) -> Result<Pipeline> {
        let Launch { kernel, overrides, slots, params, .. } = launch;
        let recorded = self.records_parameters(params.len());
        let started = Instant::now();
        let device = &self.0.device;
        let text = shader::specialise(&shader::join(kernel.source, self.profile().reduces_in_subgroups()), aliases);
        let stays = |binding: &u32| !aliases.iter().any(|(read, _)| read == binding);
        let halves: Vec<u32> = launch.halves.iter().copied().filter(stays).collect();
        let text = match halves.is_empty() {
            true => text,
            false => storage::halve(&text, &halves, self.profile().half_form()).expect("whoever made the launch asked"),
        };
        let text = if recorded { shader::immediate(&text) } else { text };
        let checks = if self.0.checked { wgpu::ShaderRuntimeChecks::checked() } else { unchecked() };
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(kernel.label), source: wgpu::ShaderSource::Wgsl(text.into()) };
        // SAFETY: the text is one of this crate's own kernels. Each guards its own edges, holds no unbounded loop and
        // reads no workgroup memory before writing it; `WGVISION_CHECKED=1` runs the tests with the checks on.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let bound = |binding: u32| !aliases.iter().any(|&(read, _)| read == binding);
        let entries: Vec<_> =
            (u32::from(recorded)..=slots.len() as u32).filter(|&b| bound(b)).map(layout_entry).collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.label),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: if recorded { params.len() as u32 } else { 0 },
        });
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: overrides,
                zero_initialize_workgroup_memory: self.0.checked,
            },
            cache: self.0.pipelines.store.as_ref().map(|s| &s.cache),
        });
        if let Some(e) = pollster::block_on(scope.pop()) {
            let message = e.to_string();
            return Err(Error::Device(format!("kernel {}: {}\n{message}", kernel.label, shader::first_line(&message))));
        }
        tracing::debug!("compiled {} {overrides:?} in {:.0?}", kernel.label, started.elapsed());
        Ok(Pipeline { compute, layout })
    }
}

fn unchecked() -> wgpu::ShaderRuntimeChecks {
    wgpu::ShaderRuntimeChecks::unchecked()
}

/// Binding 0 is the uniform, where there is one, the others are storage.
fn layout_entry(binding: u32) -> wgpu::BindGroupLayoutEntry {
    let ty = match binding {
        0 => wgpu::BufferBindingType::Uniform,
        _ => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}
