//! How much work goes into one submission. Drivers kill work that holds the GPU for seconds and a desktop stutters
//! well before, so a run is cut by estimated time, and the estimate follows what was measured.

use super::{Cost, DeviceKind, Gpu};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Time budget of a submission and the current estimate of the device's speed.
#[derive(Clone, Debug)]
pub struct Pace {
    budget: Duration,
    /// Dispatches recorded into one submission at most; tests set one.
    pub max_steps: usize,
    kind: DeviceKind,
    measured: Arc<Mutex<Measured>>,
}

#[derive(Debug)]
struct Measured {
    /// Measured time over estimated time, smoothed.
    correction: f64,
    last_done: Option<Instant>,
}

impl Pace {
    /// The default budget: 100 ms, on software devices a second, since they hold up no desktop and no driver watches over them.
    pub fn new(gpu: &Gpu) -> Self {
        let software = gpu.profile().kind == DeviceKind::Software;
        Self::with_budget(gpu, Duration::from_millis(if software { 1000 } else { 100 }))
    }

    /// A budget of one's own.
    pub fn with_budget(gpu: &Gpu, budget: Duration) -> Self {
        let measured = Arc::new(Mutex::new(Measured { correction: 1.0, last_done: None }));
        Self { budget, max_steps: usize::MAX, kind: gpu.profile().kind, measured }
    }

    /// One node for each submission, whatever it costs.
    pub fn one_by_one(gpu: &Gpu) -> Self {
        Self { max_steps: 1, ..Self::new(gpu) }
    }

    /// The budget in milliseconds.
    pub fn budget_ms(&self) -> f64 {
        self.budget.as_secs_f64() * 1e3
    }

    /// Expected time of some work in milliseconds.
    pub fn estimate_ms(&self, cost: Cost) -> f64 {
        self.raw_ms(cost) * self.measured.lock().expect("no panic under lock").correction
    }

    /// Before correction: what a weak device of this kind does.
    fn raw_ms(&self, cost: Cost) -> f64 {
        let (gflops, gbytes) = match self.kind {
            DeviceKind::Software => (8.0, 4.0),
            DeviceKind::Integrated => (200.0, 20.0),
            DeviceKind::Discrete => (2000.0, 200.0),
        };
        (cost.flops as f64 / (gflops * 1e6)).max(cost.bytes as f64 / (gbytes * 1e6)) + 0.005
    }

    /// Called when a submission of estimated `cost`, handed in at `submitted`, has finished.
    pub(super) fn learn(&self, cost_ms: f64, submitted: Instant) {
        let mut m = self.measured.lock().expect("no panic under lock");
        let now = Instant::now();
        // The device works in order: this submission started when it was handed in or when the one before ended.
        let started = m.last_done.map_or(submitted, |done| done.max(submitted));
        m.last_done = Some(now);
        let took = now.saturating_duration_since(started).as_secs_f64() * 1e3;
        if cost_ms > 1.0 {
            let ratio = (took / cost_ms).clamp(0.01, 100.0);
            m.correction = 0.8 * m.correction + 0.2 * ratio;
        }
    }

    /// The estimate without the learned correction, which is what [`Pace::learn`] is told.
    pub(super) fn uncorrected_ms(&self, cost: Cost) -> f64 {
        self.raw_ms(cost)
    }
}
