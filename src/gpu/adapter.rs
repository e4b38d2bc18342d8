//! Which adapter is used and what it can do. Every optional feature is asked for when present, none is required.

use super::DeviceKind;
use crate::{Error, Result};
use serde::Serialize;

/// What a person or a program wants to know of an adapter; `wgvision info` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterFacts {
    /// Position in the list, in the order of preference.
    pub index: usize,
    /// The driver's name of the device.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Discrete, integrated or software.
    pub kind: DeviceKind,
    /// Driver and version.
    pub driver: String,
    /// Limits the engine works within.
    pub limits: Limits,
    /// Optional features that the adapter offers; the engine uses those listed in [`Features`].
    pub features: Features,
    /// Cooperative matrices with f32 sums that the adapter offers, as in `8x8 f32`; used only where asked for.
    pub cooperative: Vec<String>,
}

/// The adapter's real limits, in bytes or counts.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Largest buffer.
    pub max_buffer: u64,
    /// Largest storage binding.
    pub max_storage_binding: u64,
    /// Storage buffers in one kernel.
    pub max_storage_buffers: u32,
    /// Invocations in one workgroup.
    pub max_invocations: u32,
    /// Workgroup memory.
    pub workgroup_memory: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Alignment of storage bindings.
    pub storage_alignment: u32,
    /// Parameters that can be recorded with a dispatch; 0 without immediates.
    pub immediate_bytes: u32,
}

/// Optional features, true when present.
#[derive(Clone, Debug, Serialize)]
pub struct Features {
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Subgroup operations.
    pub subgroups: bool,
    /// Timestamp queries: times per node.
    pub timestamps: bool,
    /// Compiled pipelines can be kept on disk.
    pub pipeline_cache: bool,
    /// Small constants recorded with the commands.
    pub immediates: bool,
}

/// All adapters, best first: discrete, integrated, software.
pub fn adapters() -> Vec<AdapterFacts> {
    ranked().into_iter().map(|(_, facts)| facts).collect()
}

/// The adapter named by `wanted`, by `WGVISION_ADAPTER`, or else the best.
pub(super) fn choose(wanted: Option<&str>) -> Result<(wgpu::Adapter, AdapterFacts)> {
    let env = std::env::var("WGVISION_ADAPTER").ok().filter(|v| !v.is_empty());
    let wanted = wanted.map(str::to_string).or(env);
    let all = ranked();
    if all.is_empty() {
        return Err(Error::NoAdapter(NO_ADAPTER_CURE.into()));
    }
    let names: Vec<String> = all.iter().map(|(_, f)| format!("{}: {}", f.index, f.name)).collect();
    let found = all.into_iter().find(|(_, facts)| match &wanted {
        None => true,
        Some(w) => match w.parse::<usize>() {
            Ok(index) => facts.index == index,
            Err(_) => facts.name.to_lowercase().contains(&w.to_lowercase()),
        },
    });
    found.ok_or_else(|| {
        Error::NoAdapter(format!("none matches '{}'; there are: {}", wanted.unwrap_or_default(), names.join(", ")))
    })
}

const NO_ADAPTER_CURE: &str = "install a Vulkan driver (on Debian and Ubuntu: apt-get install mesa-vulkan-drivers, \
                               which includes the software driver llvmpipe), then run `wgvision info`";

fn ranked() -> Vec<(wgpu::Adapter, AdapterFacts)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Validation layers and debug labels belong to WGVISION_CHECKED runs; they cost time at every call.
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor.with_env());
    let mut found: Vec<(wgpu::Adapter, AdapterFacts)> =
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
            .into_iter()
            .map(|a| {
                let facts = facts(&a);
                (a, facts)
            })
            .collect();
    found.sort_by_key(|(_, facts)| facts.kind);
    for (i, (_, facts)) in found.iter_mut().enumerate() {
        facts.index = i;
    }
    found
}

fn facts(adapter: &wgpu::Adapter) -> AdapterFacts {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    AdapterFacts {
        index: 0,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
            wgpu::DeviceType::Cpu => DeviceKind::Software,
            _ => DeviceKind::Integrated,
        },
        name: info.name,
        backend: format!("{:?}", info.backend).to_lowercase(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        limits: Limits {
            max_buffer: limits.max_buffer_size,
            max_storage_binding: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            storage_alignment: limits.min_storage_buffer_offset_alignment,
            immediate_bytes: limits.max_immediate_size,
        },
        features: Features {
            f16: features.contains(wgpu::Features::SHADER_F16),
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            pipeline_cache: features.contains(wgpu::Features::PIPELINE_CACHE),
            immediates: features.contains(wgpu::Features::IMMEDIATES),
        },
        cooperative: match features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            true => adapter.cooperative_matrix_properties().iter().filter_map(matrices).collect(),
            false => Vec::new(),
        },
    }
}

/// The name of square matrices of floats that are added up as f32.
fn matrices(p: &wgpu::CooperativeMatrixProperties) -> Option<String> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let number = match p.ab_type {
        F32 => "f32",
        F16 => "f16",
        _ => return None,
    };
    let usable = p.m_size == p.n_size && p.m_size == p.k_size && p.cr_type == F32 && !p.saturating_accumulation;
    usable.then(|| format!("{}x{} {number}", p.m_size, p.n_size))
}

/// A device with the adapter's real limits and whatever optional features it has; cooperative matrices only if `cooperative`.
pub(super) fn request_device(
    adapter: &wgpu::Adapter,
    facts: &AdapterFacts,
    cooperative: bool,
) -> Result<(wgpu::Device, wgpu::Queue)> {
    let experiment = match cooperative {
        true => wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
        false => wgpu::Features::empty(),
    };
    // SAFETY: wgpu asks those who use its experiments to know that they may have undefined behaviour. This one is on only where the user
    // asked for it, in kernels that load and store whole matrices within their own workgroup memory.
    let consent = unsafe { wgpu::ExperimentalFeatures::enabled() };
    let experimental_features = if cooperative { consent } else { wgpu::ExperimentalFeatures::disabled() };
    let optional = experiment
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP
        | wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::PIPELINE_CACHE
        | wgpu::Features::IMMEDIATES;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("wgvision"),
        required_features: adapter.features() & optional,
        required_limits: adapter.limits(),
        experimental_features,
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|e| Error::NoAdapter(format!("{} did not open: {e}", facts.name)))
}
