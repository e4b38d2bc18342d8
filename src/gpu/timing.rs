//! Time per node by timestamp queries, where the device has them.

use super::{Cost, Gpu};
use crate::Result;

/// How long the device spent on one node of a program.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NodeTime {
    /// The node's name.
    pub node: String,
    /// What it launched, one entry for each kernel, in order.
    pub launches: Vec<LaunchTime>,
}

/// How long the device spent on a node's launches of one kernel.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct LaunchTime {
    /// The kernel's label, or [`COPY`].
    pub kernel: &'static str,
    /// Time on the device.
    pub ms: f64,
    /// What the op says it does.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What copies are called among kernels.
pub const COPY: &str = "copy";

impl NodeTime {
    /// Time on the device.
    pub fn ms(&self) -> f64 {
        self.launches.iter().map(|l| l.ms).sum()
    }

    /// Labels of its kernels.
    pub fn kernels(&self) -> Vec<&'static str> {
        self.launches.iter().map(|l| l.kernel).collect()
    }

    /// Counts one more launch, or a piece of one.
    pub(super) fn add(&mut self, kernel: &'static str, ms: f64, cost: Cost) {
        match self.launches.iter_mut().find(|l| l.kernel == kernel) {
            Some(launch) => {
                launch.ms += ms;
                launch.cost = launch.cost + cost;
            }
            None => self.launches.push(LaunchTime { kernel, ms, cost }),
        }
    }
}

/// A pair of timestamps for each of `count` steps, in query sets small enough for every backend.
pub(super) struct Stopwatch {
    sets: Vec<wgpu::QuerySet>,
    count: usize,
}

/// Steps for each query set; WebGPU allows 4096 queries in one.
const STEPS_PER_SET: usize = 2048;

impl Stopwatch {
    /// `None` where the device has no timestamps.
    pub fn new(gpu: &Gpu, count: usize) -> Option<Self> {
        gpu.0.device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let sets = (0..count.div_ceil(STEPS_PER_SET)).map(|i| {
                let steps = (count - i * STEPS_PER_SET).min(STEPS_PER_SET);
                gpu.0.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("node times"),
                    ty: wgpu::QueryType::Timestamp,
                    count: 2 * steps as u32,
                })
            });
            Self { sets: sets.collect(), count }
        })
    }

    /// Where the pass of step `i` writes its begin and end.
    pub fn writes(&self, i: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let at = 2 * (i % STEPS_PER_SET) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[i / STEPS_PER_SET],
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        }
    }

    /// A pass that does nothing but mark where step `i` begins, for steps that are no passes themselves.
    pub fn mark_begin(&self, encoder: &mut wgpu::CommandEncoder, i: usize) {
        let writes = wgpu::ComputePassTimestampWrites { end_of_pass_write_index: None, ..self.writes(i) };
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) });
    }

    /// The same for its end.
    pub fn mark_end(&self, encoder: &mut wgpu::CommandEncoder, i: usize) {
        let writes = wgpu::ComputePassTimestampWrites { beginning_of_pass_write_index: None, ..self.writes(i) };
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) });
    }

    /// Milliseconds per step. Waits for the device.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::STORAGE;
        let bytes = 16 * STEPS_PER_SET as u64;
        let period = f64::from(gpu.0.queue.get_timestamp_period());
        let mut times = Vec::with_capacity(self.count);
        for (i, set) in self.sets.iter().enumerate() {
            let steps = (self.count - i * STEPS_PER_SET).min(STEPS_PER_SET);
            let raw = std::sync::Arc::new(gpu.create("node times", bytes, usage)?);
            let mut encoder = gpu.0.device.create_command_encoder(&Default::default());
            encoder.resolve_query_set(set, 0..2 * steps as u32, &raw, 0);
            gpu.0.queue.submit([encoder.finish()]);
            let region = super::Region { buffer: super::Buffer { raw }, offset: 0, size: bytes };
            let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&gpu.read(&region, 16 * steps as u64)?.wait()?);
            times.extend(stamps.chunks(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * period * 1e-6));
        }
        Ok(times)
    }
}
