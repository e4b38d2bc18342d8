//! Fastest and median of some times, and how often to run before any of them counts.

use crate::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Times of the same work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Times {
    /// The fastest, in milliseconds: the least disturbed.
    pub best_ms: f64,
    /// The median, in milliseconds: what to expect.
    pub median_ms: f64,
}

impl Times {
    /// Of some times in milliseconds. Panics if there is none.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self { best_ms: times[0], median_ms: (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0 }
    }
}

/// Least time of warming up: clocks of cards that were idle rise within it.
const WARM: Duration = Duration::from_millis(30);
/// Runs that warm up at most.
const MOST_RUNS: usize = 30;

/// Runs `work` at least once and until the device has been busy for a while. What the first run compiles is not part of this.
pub fn warm_up(mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    for _ in 0..MOST_RUNS {
        work()?;
        if started.elapsed() >= WARM {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_and_median() {
        assert_eq!(Times::of(vec![3.0, 1.0, 2.0]), Times { best_ms: 1.0, median_ms: 2.0 });
        assert_eq!(Times::of(vec![4.0, 1.0, 2.0, 3.0]), Times { best_ms: 1.0, median_ms: 2.5 });
        assert_eq!(Times::of(vec![7.0]), Times { best_ms: 7.0, median_ms: 7.0 });
    }

    #[test]
    fn warming_up_runs_once_at_least_and_ends() {
        let mut runs = 0;
        warm_up(|| {
            runs += 1;
            Ok(())
        })
        .unwrap();
        assert!((1..=MOST_RUNS).contains(&runs));
    }
}
