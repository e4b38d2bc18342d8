//! A compiled list of commands: pipelines, bind groups and parameters made once, then recorded for every run.
//!
//! A run is only recorded and submitted. It is cut into submissions by time (see [`Pace`]); a dispatch that is
//! larger than the budget or than the device's grid is split over ranges of workgroups.

use super::parameters::{Given, Parameters};
use super::pipeline::Pipeline;
use super::timing::{COPY, Stopwatch};
use super::{Cost, Gpu, Launch, NodeTime, Pace, Region};
use crate::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One thing the device does.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all commands are launches")]
pub enum Command {
    /// Runs a kernel. `regions[i]` is bound to the launch's slot `i`.
    Launch {
        /// The node it belongs to.
        node: usize,
        /// What to run.
        launch: Launch,
        /// Its memory.
        regions: Vec<Region>,
    },
    /// Copies one region over another.
    Copy {
        /// The node it belongs to.
        node: usize,
        /// Source.
        from: Region,
        /// Destination, of the same size.
        to: Region,
    },
}

/// What happened between the host and the device during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Command buffers handed in.
    pub submissions: u64,
    /// Kernels launched, pieces counted singly.
    pub dispatches: u64,
    /// Copies to the host that were started.
    pub read_backs: u64,
    /// Times the host blocked on the device.
    pub waits: u64,
}

impl std::ops::Sub for Report {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self {
            submissions: self.submissions - before.submissions,
            dispatches: self.dispatches - before.dispatches,
            read_backs: self.read_backs - before.read_backs,
            waits: self.waits - before.waits,
        }
    }
}

/// What the host spent on handing in work since the device was opened; the difference of two is that of what happened between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTime {
    /// Recording commands.
    pub encoding: Duration,
    /// Handing recorded commands to the driver. Drivers that run work on the thread that hands it in spend the work's time here.
    pub submitting: Duration,
}

impl std::ops::Sub for HostTime {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self { encoding: self.encoding - before.encoding, submitting: self.submitting - before.submitting }
    }
}

/// Commands ready to be recorded.
pub struct Program {
    gpu: Gpu,
    steps: Vec<Step>,
    names: Vec<String>,
}

struct Step {
    node: usize,
    cost: Cost,
    work: Work,
}

enum Work {
    Dispatch {
        label: &'static str,
        pipeline: Arc<Pipeline>,
        group: wgpu::BindGroup,
        immediates: Box<[u8]>,
        count: [u32; 3],
    },
    Copy {
        from: Region,
        to: Region,
    },
}

/// A piece of a launch: its first workgroup and how many there are in each dimension.
type Piece = ([u32; 3], [u32; 3]);

impl Program {
    /// Compiles `commands`. `names[node]` labels nodes in timings. Fails when a kernel does not compile or memory is exhausted.
    pub fn new(gpu: &Gpu, commands: Vec<Command>, names: Vec<String>, pace: &Pace) -> Result<Self> {
        let most = gpu.0.device.limits().max_compute_workgroups_per_dimension;
        let mut parameters = Parameters::new(gpu);
        let mut cut = |command: &Command| match command {
            Command::Copy { .. } => Vec::new(),
            Command::Launch { launch, .. } => pieces(launch, pace, most)
                .into_iter()
                .map(|(first, count)| (count, parameters.add(&launch.params, first)))
                .collect::<Vec<_>>(),
        };
        let parts: Vec<Vec<([u32; 3], Given)>> = commands.iter().map(&mut cut).collect();
        let uniforms = parameters.upload()?;
        let launches = commands.iter().filter_map(|command| match command {
            Command::Launch { launch, regions, .. } => Some((launch, resolve_aliases(launch, regions).0)),
            Command::Copy { .. } => None,
        });
        gpu.make_pipelines(launches.collect())?;
        let mut steps = Vec::new();
        for (command, parts) in commands.into_iter().zip(parts) {
            match command {
                Command::Copy { node, from, to } => {
                    let cost = Cost { flops: 0, bytes: 2 * from.size };
                    steps.push(Step { node, cost, work: Work::Copy { from, to } });
                }
                Command::Launch { node, launch, regions } => {
                    let (aliases, bound) = resolve_aliases(&launch, &regions);
                    let pipeline = gpu.pipeline(&launch, &aliases)?;
                    let total: u64 = launch.groups.iter().map(|&g| u64::from(g)).product();
                    // Pieces that differ in recorded parameters alone have one bind group.
                    let mut group = None;
                    for (count, given) in parts {
                        if let (Given::Uniform { .. }, _) | (_, None) = (&given, &group) {
                            group = Some(bind(gpu, &launch, &pipeline, &uniforms, &given, &bound));
                        }
                        let part: u64 = count.iter().map(|&g| u64::from(g)).product();
                        let share = |v: u64| (v as u128 * part as u128 / total as u128) as u64;
                        let cost = Cost { flops: share(launch.cost.flops), bytes: share(launch.cost.bytes) };
                        let (label, pipeline, immediates) = (launch.kernel.label, pipeline.clone(), given.immediates());
                        let group = group.clone().expect("made above");
                        let work = Work::Dispatch { label, pipeline, group, immediates, count };
                        steps.push(Step { node, cost, work });
                    }
                }
            }
        }
        gpu.check()?;
        Ok(Self { gpu: gpu.clone(), steps, names })
    }

    /// Submits the whole program. Returns at once; results are ordered before whatever is submitted later.
    pub fn submit(&self, pace: &Pace) -> Result<()> {
        let mut first = 0;
        while first < self.steps.len() {
            let (last, raw) = self.cut(first, pace);
            self.submit_range(first..last, pace, raw);
            first = last;
        }
        self.gpu.check()
    }

    /// Where the submission that begins with step `first` ends, and its estimated time before correction.
    fn cut(&self, first: usize, pace: &Pace) -> (usize, f64) {
        let budget = pace.budget_ms();
        let mut last = first;
        let (mut expected, mut raw, mut nodes) = (0.0, 0.0, 0);
        while last < self.steps.len() {
            let step = &self.steps[last];
            let next = expected + pace.estimate_ms(step.cost);
            let new_node = last == first || step.node != self.steps[last - 1].node;
            if last > first && (next > budget || (new_node && nodes >= pace.max_steps)) {
                break;
            }
            nodes += usize::from(new_node);
            expected = next;
            raw += pace.uncorrected_ms(step.cost);
            last += 1;
        }
        (last, raw)
    }

    /// Like [`Program::submit`], calling `after(node)` when all commands of a node have been submitted, so that a
    /// checker can queue work of its own there. Used to find the first tensor that went wrong.
    pub fn submit_each(&self, mut after: impl FnMut(usize) -> Result<()>) -> Result<()> {
        let pace = Pace::new(&self.gpu);
        let mut first = 0;
        while first < self.steps.len() {
            let node = self.steps[first].node;
            let last = first + self.steps[first..].iter().take_while(|s| s.node == node).count();
            self.submit_range(first..last, &pace, 0.0);
            after(node)?;
            first = last;
        }
        self.gpu.check()
    }

    /// Runs once, in the submissions of a run, and measures every step. `None` where the device has no timestamps.
    pub fn time(&self, pace: &Pace) -> Result<Option<Vec<NodeTime>>> {
        let Some(watch) = Stopwatch::new(&self.gpu, self.steps.len()) else { return Ok(None) };
        let mut first = 0;
        while first < self.steps.len() {
            let (last, _) = self.cut(first, pace);
            let mut encoder = self.gpu.0.device.create_command_encoder(&Default::default());
            for (i, step) in self.steps.iter().enumerate().take(last).skip(first) {
                if let Work::Copy { from, to } = &step.work {
                    watch.mark_begin(&mut encoder, i);
                    record_copy(&mut encoder, from, to);
                    watch.mark_end(&mut encoder, i);
                    continue;
                }
                let timestamp_writes = Some(watch.writes(i));
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
                step.record(&mut pass);
            }
            self.gpu.0.queue.submit([encoder.finish()]);
            first = last;
        }
        let mut times: Vec<NodeTime> = Vec::new();
        let mut previous = None;
        for (step, ms) in self.steps.iter().zip(watch.read(&self.gpu)?) {
            if previous != Some(step.node) {
                times.push(NodeTime { node: self.names[step.node].clone(), launches: Vec::new() });
                previous = Some(step.node);
            }
            let kernel = if let Work::Dispatch { label, .. } = step.work { label } else { COPY };
            times.last_mut().expect("pushed above").add(kernel, ms, step.cost);
        }
        Ok(Some(times))
    }

    /// Number of dispatches and copies in one run.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn submit_range(&self, range: std::ops::Range<usize>, pace: &Pace, raw_ms: f64) {
        let inner = &self.gpu.0;
        let began = Instant::now();
        let mut encoder = inner.device.create_command_encoder(&Default::default());
        let mut dispatches = 0;
        let mut at = range.start;
        while at < range.end {
            if let Work::Copy { from, to } = &self.steps[at].work {
                record_copy(&mut encoder, from, to);
                at += 1;
                continue;
            }
            let mut pass = encoder.begin_compute_pass(&Default::default());
            while at < range.end && matches!(self.steps[at].work, Work::Dispatch { .. }) {
                self.steps[at].record(&mut pass);
                dispatches += 1;
                at += 1;
            }
        }
        let commands = encoder.finish();
        let submitted = Instant::now();
        inner.queue.submit([commands]);
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        inner.counters.encoding_ns.fetch_add(nanoseconds(submitted - began), Ordering::Relaxed);
        inner.counters.submitting_ns.fetch_add(nanoseconds(submitted.elapsed()), Ordering::Relaxed);
        inner.counters.submissions.fetch_add(1, Ordering::Relaxed);
        inner.counters.dispatches.fetch_add(dispatches, Ordering::Relaxed);
        if raw_ms > 0.0 {
            let pace = pace.clone();
            inner.queue.on_submitted_work_done(move || pace.learn(raw_ms, submitted));
        }
    }
}

impl Step {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        if let Work::Dispatch { pipeline, group, immediates, count, .. } = &self.work {
            record_dispatch(pass, pipeline, group, immediates, *count);
        }
    }
}

pub(super) fn record_dispatch(
    pass: &mut wgpu::ComputePass<'_>,
    pipeline: &Pipeline,
    group: &wgpu::BindGroup,
    immediates: &[u8],
    [x, y, z]: [u32; 3],
) {
    pass.set_pipeline(&pipeline.compute);
    pass.set_bind_group(0, group, &[]);
    if !immediates.is_empty() {
        pass.set_immediates(0, immediates);
    }
    pass.dispatch_workgroups(x, y, z);
}

fn record_copy(encoder: &mut wgpu::CommandEncoder, from: &Region, to: &Region) {
    encoder.copy_buffer_to_buffer(&from.buffer.raw, from.offset, &to.buffer.raw, to.offset, from.size);
}

impl Gpu {
    /// The counts so far; the difference of two is the report of what happened between.
    pub fn report(&self) -> Report {
        let c = &self.0.counters;
        let get = |v: &std::sync::atomic::AtomicU64| v.load(Ordering::Relaxed);
        Report {
            submissions: get(&c.submissions),
            dispatches: get(&c.dispatches),
            read_backs: get(&c.read_backs),
            waits: get(&c.waits),
        }
    }

    /// What the host has spent on handing in programs so far.
    pub fn host_time(&self) -> HostTime {
        let get = |v: &std::sync::atomic::AtomicU64| Duration::from_nanos(v.load(Ordering::Relaxed));
        HostTime { encoding: get(&self.0.counters.encoding_ns), submitting: get(&self.0.counters.submitting_ns) }
    }
}

/// A binding's number and its memory.
type Bound<'a> = (u32, &'a Region);

/// Pairs of bindings that are the same bytes (an op working in place), and the bindings that remain.
fn resolve_aliases<'a>(launch: &Launch, regions: &'a [Region]) -> (Vec<(u32, u32)>, Vec<Bound<'a>>) {
    assert_eq!(launch.slots.len(), regions.len(), "{}: a region for every slot", launch.kernel.label);
    let mut aliases: Vec<(u32, u32)> = Vec::new();
    for (i, a) in regions.iter().enumerate() {
        let twin = regions.iter().enumerate().skip(i + 1).find(|(_, b)| a.same_as(b));
        if let Some((j, _)) = twin {
            aliases.push((i as u32 + 1, j as u32 + 1));
        }
    }
    let kept = |binding: u32| !aliases.iter().any(|&(from, _)| from == binding);
    let bound = regions.iter().enumerate().map(|(i, r)| (i as u32 + 1, r)).filter(|&(b, _)| kept(b)).collect();
    (aliases, bound)
}

pub(super) fn bind(
    gpu: &Gpu,
    launch: &Launch,
    pipeline: &Pipeline,
    uniforms: &wgpu::Buffer,
    given: &Given,
    bound: &[Bound<'_>],
) -> wgpu::BindGroup {
    let mut entries = Vec::new();
    if let Given::Uniform { offset, size } = *given {
        let uniform = wgpu::BufferBinding { buffer: uniforms, offset, size: wgpu::BufferSize::new(size) };
        entries.push(wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) });
    }
    for &(binding, region) in bound {
        let size = wgpu::BufferSize::new(region.size);
        let resource = wgpu::BufferBinding { buffer: &region.buffer.raw, offset: region.offset, size };
        entries.push(wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(resource) });
    }
    gpu.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(launch.kernel.label),
        layout: &pipeline.layout,
        entries: &entries,
    })
}

/// Cuts a grid so that no piece exceeds the device's grid or, as estimated, the time budget.
fn pieces(launch: &Launch, pace: &Pace, max_groups: u32) -> Vec<Piece> {
    let mut wanted = (pace.estimate_ms(launch.cost) / pace.budget_ms()).ceil().max(1.0) as u64;
    let mut parts = [1u32; 3];
    // Outer dimensions first: a piece then covers a contiguous range of the output.
    for d in [2, 1, 0] {
        let groups = launch.groups[d];
        let for_time = wanted.min(u64::from(groups.max(1))) as u32;
        parts[d] = groups.div_ceil(max_groups).max(for_time).max(1);
        wanted = wanted.div_ceil(u64::from(parts[d]));
    }
    let range = |d: usize, i: u32| {
        let step = launch.groups[d].div_ceil(parts[d]);
        let first = (i * step).min(launch.groups[d]);
        (first, step.min(launch.groups[d] - first))
    };
    let mut all = Vec::new();
    for z in 0..parts[2] {
        for y in 0..parts[1] {
            for x in 0..parts[0] {
                let (x, y, z) = (range(0, x), range(1, y), range(2, z));
                if x.1 * y.1 * z.1 > 0 {
                    all.push(([x.0, y.0, z.0], [x.1, y.1, z.1]));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Kernel, Needs};

    static KERNEL: Kernel = Kernel { label: "none", source: "", params: &[], variants: &[], needs: Needs::Nothing };

    #[test]
    fn pieces_cover_the_grid_once() {
        let Ok(gpu) = Gpu::open() else { panic!("this test needs an adapter: see docs/testing.md") };
        let pace = Pace::new(&gpu);
        for (groups, flops) in [([7, 1, 1], 0), ([70000, 3, 1], 0), ([5, 4, 3], 400_000_000_000), ([0, 1, 1], 0)] {
            let cost = Cost { flops, bytes: 0 };
            let (overrides, params, slots, halves) = (vec![], vec![0; 16], vec![], vec![]);
            let launch = Launch { kernel: &KERNEL, overrides, params, slots, halves, groups, cost, gang: None };
            let all = pieces(&launch, &pace, 65535);
            let covered: u64 = all.iter().map(|(_, c)| c.iter().map(|&v| u64::from(v)).product::<u64>()).sum();
            assert_eq!(covered, groups.iter().map(|&v| u64::from(v)).product::<u64>());
            assert!(all.iter().all(|(_, c)| c.iter().all(|&v| v <= 65535)));
            if flops > 0 {
                assert_eq!(all.len(), 60, "as fine as the grid allows");
            }
        }
    }
}
