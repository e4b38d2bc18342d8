//! Device memory: allocation that reports exhaustion, upload, copies to the host that do not block.

use super::{Gpu, error};
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

/// A storage buffer on the device. Clones share it.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(super) raw: Arc<wgpu::Buffer>,
}

/// A range of a buffer, in bytes.
#[derive(Clone, Debug)]
pub struct Region {
    /// Where it lies.
    pub buffer: Buffer,
    /// First byte.
    pub offset: u64,
    /// Length; at least four, since no binding may be empty.
    pub size: u64,
}

impl Buffer {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.raw.size()
    }

    /// Whether both are the same memory.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.raw, &other.raw)
    }
}

impl Region {
    /// Whether both are the very same bytes.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.buffer.raw, &other.buffer.raw) && self.offset == other.offset && self.size == other.size
    }
}

/// Bytes on their way back from the device.
#[derive(Debug)]
pub struct PendingRead {
    gpu: Gpu,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    size: u64,
    arrival: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    arrived: Option<Result<(), wgpu::BufferAsyncError>>,
}

impl Gpu {
    /// Zeroed storage of at least `bytes`. `what` names it in the error when memory is exhausted.
    pub fn allocate(&self, what: &str, bytes: u64) -> Result<Buffer> {
        let size = bytes.max(4).next_multiple_of(4);
        if size > self.max_buffer() {
            let cure = "use a smaller batch or picture".to_string();
            return Err(Error::DoesNotFit { what: what.into(), need: size, limit: self.max_buffer(), cure });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let raw = self.create(what, size, usage)?;
        Ok(Buffer { raw: Arc::new(raw) })
    }

    pub(super) fn create(&self, what: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let device = &self.0.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let descriptor = wgpu::BufferDescriptor { label: Some(what), size, usage, mapped_at_creation: false };
        let buffer = device.create_buffer(&descriptor);
        match pollster::block_on(memory.pop()) {
            None => Ok(buffer),
            Some(e) => Err(match error::from_wgpu(e) {
                Error::OutOfMemory(why) => Error::OutOfMemory(format!("{size} bytes for {what}: {why}")),
                other => other,
            }),
        }
    }

    /// Writes `bytes` at the start of the region, ordered after everything submitted so far. Does not wait.
    pub fn upload(&self, region: &Region, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= region.size, "upload of {} bytes into {}", bytes.len(), region.size);
        // The queue writes whole words; an odd number of halves leaves one half behind.
        let (words, rest) = bytes.split_at(bytes.len() / 4 * 4);
        if !words.is_empty() {
            self.0.queue.write_buffer(&region.buffer.raw, region.offset, words);
        }
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            self.0.queue.write_buffer(&region.buffer.raw, region.offset + words.len() as u64, &word);
        }
    }

    /// Starts copying `bytes` of the region to the host, ordered after everything submitted so far. Does not wait.
    pub fn read(&self, region: &Region, bytes: u64) -> Result<PendingRead> {
        let size = bytes.max(4).next_multiple_of(4);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.create("read-back", size, usage)?;
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&region.buffer.raw, region.offset, &staging, 0, size.min(region.size));
        let submission = self.submit_one(encoder);
        self.0.counters.read_backs.fetch_add(1, Ordering::Relaxed);
        let (done, arrival) = mpsc::channel();
        // The receiver may be gone when the result is no longer wanted; that is no error.
        staging.map_async(wgpu::MapMode::Read, .., move |result| drop(done.send(result)));
        Ok(PendingRead { gpu: self.clone(), staging, submission, size: bytes, arrival, arrived: None })
    }

    /// Copies one region over another on the device.
    pub fn copy(&self, from: &Region, to: &Region) {
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&from.buffer.raw, from.offset, &to.buffer.raw, to.offset, from.size.min(to.size));
        self.submit_one(encoder);
    }

    fn submit_one(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.0.counters.submissions.fetch_add(1, Ordering::Relaxed);
        self.0.queue.submit([encoder.finish()])
    }
}

impl PendingRead {
    /// Whether the bytes have arrived, without blocking.
    pub fn has_arrived(&mut self) -> Result<bool> {
        if self.arrived.is_none() {
            self.gpu.tick()?;
            match self.arrival.try_recv() {
                Ok(result) => self.arrived = Some(result),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return Err(never_arrived()),
            }
        }
        Ok(self.arrived.is_some())
    }

    /// Blocks until the bytes are there; what was submitted after them may still be under way. Counted as a wait.
    pub fn wait(mut self) -> Result<Vec<u8>> {
        if !self.has_arrived()? {
            self.gpu.wait_for(self.submission.clone())?;
            self.arrived = Some(self.arrival.recv().map_err(|_| never_arrived())?);
        }
        self.gpu.check()?;
        let result = self.arrived.take().expect("seen above");
        result.map_err(|e| Error::Device(format!("read-back: {e}")))?;
        let view = self.staging.get_mapped_range(..).map_err(|e| Error::Device(format!("read-back: {e}")))?;
        Ok(view[..self.size as usize].to_vec())
    }
}

fn never_arrived() -> Error {
    Error::DeviceLost("a read-back never arrived".into())
}
