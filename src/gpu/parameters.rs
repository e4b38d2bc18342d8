//! How a kernel gets its parameters: as immediates, recorded with the commands, where the device has them and the struct fits;
//! else from one uniform buffer for each program, written once. The kernels' files say `var<uniform>`; [`super::shader`] changes that
//! one line. What the parameters are, or which pieces a launch is cut into, is decided elsewhere.

use super::{DeviceKind, Gpu};
use crate::Result;

/// Largest struct that is recorded: what wgpu's own checks can follow, whatever the device allows.
const MOST: u32 = 256;

/// Bytes of a struct that the device takes with the commands; 0: all structs go through uniform buffers. `wanted` (options or
/// `WGVISION_IMMEDIATES`) wins where the device can.
pub(super) fn immediate_bytes(device: &wgpu::Device, kind: DeviceKind, wanted: Option<bool>) -> u32 {
    let wanted = wanted.or(super::env_flag("WGVISION_IMMEDIATES"));
    match device.features().contains(wgpu::Features::IMMEDIATES) && wanted.unwrap_or(usual(kind)) {
        true => device.limits().max_immediate_size.min(MOST),
        false => 0,
    }
}

/// Whether devices of this kind use immediates unless told otherwise: on software devices they cost a little and gain nothing
/// (`docs/decisions/0006`).
fn usual(kind: DeviceKind) -> bool {
    kind != DeviceKind::Software
}

/// Where the struct of one dispatch is.
pub(super) enum Given {
    /// Recorded before the dispatch.
    Immediates(Box<[u8]>),
    /// In the program's buffer.
    Uniform { offset: u64, size: u64 },
}

impl Given {
    /// What is recorded; nothing for a uniform.
    pub fn immediates(self) -> Box<[u8]> {
        match self {
            Self::Immediates(bytes) => bytes,
            Self::Uniform { .. } => Box::default(),
        }
    }
}

/// The structs of a program while it is made.
pub(super) struct Parameters<'a> {
    gpu: &'a Gpu,
    bytes: Vec<u8>,
    stride: usize,
}

impl<'a> Parameters<'a> {
    pub fn new(gpu: &'a Gpu) -> Self {
        let stride = gpu.0.device.limits().min_uniform_buffer_offset_alignment.max(16) as usize;
        Self { gpu, bytes: Vec::new(), stride }
    }

    /// Takes in the struct of a dispatch that starts at workgroup `origin`.
    pub fn add(&mut self, params: &[u8], origin: [u32; 3]) -> Given {
        let mut params: Box<[u8]> = params.into();
        params[..12].copy_from_slice(bytemuck::cast_slice(&origin));
        if self.gpu.records_parameters(params.len()) {
            return Given::Immediates(params);
        }
        let (offset, size) = (self.bytes.len() as u64, params.len() as u64);
        self.bytes.extend_from_slice(&params);
        self.bytes.resize(self.bytes.len().next_multiple_of(self.stride), 0);
        Given::Uniform { offset, size }
    }

    /// Writes the structs that are not recorded into their buffer.
    pub fn upload(self) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.gpu.create("parameters of the kernels", self.bytes.len().max(16) as u64, usage)?;
        self.gpu.0.queue.write_buffer(&buffer, 0, &self.bytes);
        Ok(buffer)
    }
}

impl Gpu {
    /// Largest parameter struct, in bytes, that is recorded with the commands; 0 where all go through uniform buffers.
    pub fn immediate_bytes(&self) -> u32 {
        self.0.immediate_bytes
    }

    /// Whether a kernel with a struct of this size takes it as immediates.
    pub(super) fn records_parameters(&self, bytes: usize) -> bool {
        bytes <= self.0.immediate_bytes as usize
    }
}
