//! What a device reaches when nothing but arithmetic, or nothing but moving, is asked of it through the same road as any kernel. Measured anew
//! each time, so that shares are of this device, driver and moment, and never of a data sheet.
//!
//! A kernel may exceed the second: its bytes may come from a cache, the copy's do not.

use super::stats::Times;
use crate::gpu::{Cost, DeviceKind, Gpu};
use crate::graph::{Executable, Graph, Variables};
use crate::ops::Value;
use crate::ops::ceiling::{CHAINS, Copy, MultiplyAdd, STEPS};
use crate::ops::reduce_sum::ReduceSum;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use serde::Serialize;
use std::time::Instant;

/// Rates that no kernel is expected to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ceilings {
    /// Billions of floating-point operations a second (a multiply-add is two), in f32, out of registers.
    pub gflops: f64,
    /// Billions of bytes a second, read and written, between buffers that are larger than caches.
    pub gbytes: f64,
}

/// What of a device some work uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// Billions of bytes a second.
    pub gbytes: f64,
    /// Share of the arithmetic ceiling, 0 to 1.
    pub of_arithmetic: f64,
    /// Share of the bandwidth ceiling. Above 1 where caches hold what is read.
    pub of_bandwidth: f64,
}

impl Share {
    /// The larger of both shares, and the name of what it is a share of: what would bind a perfect kernel.
    pub fn binding(&self) -> (f64, &'static str) {
        match self.of_arithmetic >= self.of_bandwidth {
            true => (self.of_arithmetic, "arithmetic"),
            false => (self.of_bandwidth, "bandwidth"),
        }
    }
}

/// The two factors of the recurrences.
const FACTORS: [f32; 2] = [0.999, 0.25];
/// Runs that are timed; the fastest counts, since a ceiling is what can be reached.
const RUNS: usize = 5;
/// Copies in a row, for devices whose only clock is the host's.
const COPIES: usize = 4;

impl Ceilings {
    /// Measures both, in about a second. Fails where the arithmetic came out wrong, or the device refuses.
    pub fn measure(gpu: &Gpu) -> Result<Self> {
        Ok(Self { gflops: gflops(gpu)?, gbytes: gbytes(gpu)? })
    }

    /// What work of `cost` that took `ms` milliseconds uses.
    pub fn share(&self, cost: Cost, ms: f64) -> Share {
        let rate = |amount: u64| if ms > 0.0 { amount as f64 / ms * 1e-6 } else { 0.0 };
        let (gflops, gbytes) = (rate(cost.flops), rate(cost.bytes));
        Share { gflops, gbytes, of_arithmetic: gflops / self.gflops, of_bandwidth: gbytes / self.gbytes }
    }
}

fn gflops(gpu: &Gpu) -> Result<f64> {
    let software = gpu.profile().kind == DeviceKind::Software;
    let (n, enough_ms) = if software { (1 << 16, 40.0) } else { (1 << 20, 15.0) };
    let mut rounds = 8;
    loop {
        let op = MultiplyAdd { n, rounds };
        let (ms, mean) = fastest(gpu, "multiply_add", |graph, factors| {
            let y = graph.named("multiply_add", op, &[factors])?;
            Ok((y, 1))
        })?;
        check_mean(n, rounds, mean)?;
        if ms >= enough_ms || rounds >= 1 << 20 {
            return Ok(2.0 * f64::from(STEPS * CHAINS) * f64::from(rounds) * n as f64 / ms * 1e-6);
        }
        // The next one is long enough, or at most sixteen times this one: the first guess may be of a device that was asleep.
        let wanted = (1.3 * enough_ms / ms.max(1e-3)).clamp(2.0, 16.0);
        rounds = (f64::from(rounds) * wanted).ceil() as u32;
    }
}

/// The mean of what the recurrences give, by their closed form: work that was left out would show.
fn check_mean(n: usize, rounds: u32, mean: f64) -> Result<()> {
    let [a, b] = FACTORS.map(f64::from);
    let decay = a.powi((STEPS * rounds) as i32);
    let start = (0..n).map(|i| (i % 1024) as f64 / 1024.0).sum::<f64>() / n as f64;
    let chains = f64::from(CHAINS);
    let want = decay * (chains * start + chains * (chains - 1.0) / 2.0) + chains * b * (1.0 - decay) / (1.0 - a);
    match (mean - want).abs() <= 1e-2 * want {
        true => Ok(()),
        false => Err(Error::Device(format!("multiply-adds for measuring came out as {mean}, not {want}"))),
    }
}

fn gbytes(gpu: &Gpu) -> Result<f64> {
    let wanted: u64 = if gpu.profile().kind == DeviceKind::Software { 64 << 20 } else { 256 << 20 };
    let bytes = wanted.min(gpu.profile().max_binding).min(gpu.max_buffer() / 4) / 4096 * 4096;
    let n = (bytes / 4) as usize;
    let (ms, _) = fastest(gpu, "copy", |graph, factors| {
        // Numbers that differ, made on the device.
        let mut x = graph.named("numbers", MultiplyAdd { n, rounds: 0 }, &[factors])?;
        for i in 0..COPIES {
            x = graph.named(&format!("copy {i}"), Copy, &[x])?;
        }
        Ok((x, COPIES))
    })?;
    Ok(2.0 * bytes as f64 / ms * 1e-6)
}

/// The fastest run of the nodes whose name begins with `name`, of which `build` says how many there are, in milliseconds each, and the mean of the result:
/// time on the device, or of the whole run where it keeps none.
fn fastest(
    gpu: &Gpu,
    name: &str,
    build: impl FnOnce(&mut Graph, Value) -> Result<(Value, usize)>,
) -> Result<(f64, f64)> {
    let mut graph = Graph::new();
    let factors = graph.input("factors", TensorType::f32([2]))?;
    let (y, count) = build(&mut graph, factors)?;
    let mean = graph.add(ReduceSum { mean: true, ..ReduceSum::all(1) }, &[y])?;
    let mut executable = Executable::new(&graph, &[("mean", mean)], &Variables::new(gpu))?;
    let given = Tensor::f32([2], FACTORS.to_vec());
    let inputs = [("factors", &given)];
    let mean = f64::from(executable.run(&inputs)?.wait_for("mean")?.as_f32()[0]);
    let mut wall = Vec::new();
    let mut device = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        executable.run(&inputs)?.wait()?;
        wall.push(started.elapsed().as_secs_f64() * 1e3);
        if let Some(nodes) = executable.time(&inputs)? {
            device.push(nodes.iter().filter(|n| n.node.starts_with(name)).map(|n| n.ms()).sum());
        }
    }
    let times = if device.is_empty() { wall } else { device };
    Ok((Times::of(times).best_ms / count as f64, mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_ceilings_and_the_larger_binds() {
        let ceilings = Ceilings { gflops: 100.0, gbytes: 10.0 };
        let share = ceilings.share(Cost { flops: 50_000_000, bytes: 1_000_000 }, 1.0);
        assert_eq!(share, Share { gflops: 50.0, gbytes: 1.0, of_arithmetic: 0.5, of_bandwidth: 0.1 });
        assert_eq!(share.binding(), (0.5, "arithmetic"));
        assert_eq!(ceilings.share(Cost { flops: 0, bytes: 4_000_000 }, 1.0).binding(), (0.4, "bandwidth"));
        assert_eq!(ceilings.share(Cost { flops: 1, bytes: 1 }, 0.0), Share::default());
    }

    #[test]
    fn the_closed_form_refuses_other_work() {
        let [a, b] = FACTORS.map(f64::from);
        let one = |start: f64| (0..STEPS * 2).fold(start, |s, _| a * s + b);
        let whole: f64 =
            (0..2048).map(|i| (0..12).map(|c| one(f64::from(i % 1024) / 1024.0 + f64::from(c))).sum::<f64>()).sum();
        assert!(check_mean(2048, 2, whole / 2048.0).is_ok());
        assert!(check_mean(2048, 4, whole / 2048.0).is_err());
    }
}
