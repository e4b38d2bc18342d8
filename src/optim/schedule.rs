//! Learning rates: pure functions of the step, so that a resumed run needs nothing but its number.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the rate falls after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// It does not.
    #[default]
    Constant,
    /// Times `gamma` from each milestone on.
    Step {
        /// Steps, ascending.
        milestones: Vec<u64>,
        /// Factor at each.
        gamma: f64,
    },
    /// Half a cosine from 1 to `floor` at the last step. Loshchilov, Hutter, "SGDR", 2017.
    Cosine {
        /// Factor at the end.
        #[serde(default)]
        floor: f64,
    },
    /// (1 - step / total)^power, as DeepLab trains.
    Polynomial {
        /// Exponent; 1 is a straight line.
        power: f64,
    },
}

/// A straight rise at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Steps it takes; 0 for none.
    pub steps: u64,
    /// Factor at step 0.
    #[serde(default)]
    pub start: f64,
}

/// A learning rate over a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The rate that the factors multiply.
    pub base: f64,
    /// The rise at the start.
    #[serde(default)]
    pub warmup: Warmup,
    /// The fall after it. Its steps count from the start of the run; the warm-up only multiplies.
    #[serde(default)]
    pub schedule: Schedule,
}

impl Rate {
    /// The same rate at every step.
    pub fn constant(base: f64) -> Self {
        Self { base, warmup: Warmup::default(), schedule: Schedule::Constant }
    }

    /// Fails on rates and constants that cannot train.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, value: f64| Err(Error::Usage(format!("learning rate: {what}, got {value}")));
        if !(self.base > 0.0 && self.base.is_finite()) {
            return wrong("base must be positive", self.base);
        }
        if !(0.0..=1.0).contains(&self.warmup.start) {
            return wrong("the warm-up starts at a factor between 0 and 1", self.warmup.start);
        }
        match &self.schedule {
            Schedule::Step { gamma, .. } if !(*gamma > 0.0 && gamma.is_finite()) => {
                wrong("gamma must be positive", *gamma)
            }
            Schedule::Step { milestones, .. } if !milestones.is_sorted() => {
                Err(Error::Usage(format!("learning rate: milestones must ascend, got {milestones:?}")))
            }
            Schedule::Cosine { floor } if !(0.0..=1.0).contains(floor) => {
                wrong("floor must be between 0 and 1", *floor)
            }
            Schedule::Polynomial { power } if !(*power > 0.0 && power.is_finite()) => {
                wrong("power must be positive", *power)
            }
            _ => Ok(()),
        }
    }

    /// The rate at `step`, counted from 0, of a run of `total` steps. Beyond the end it stays where it ended.
    pub fn at(&self, step: u64, total: u64) -> f64 {
        self.base * self.warmup.factor(step) * self.schedule.factor(step, total)
    }
}

impl Warmup {
    fn factor(self, step: u64) -> f64 {
        if step >= self.steps {
            return 1.0;
        }
        self.start + (1.0 - self.start) * (step as f64 / self.steps as f64)
    }
}

impl Schedule {
    fn factor(&self, step: u64, total: u64) -> f64 {
        let done = step.min(total) as f64 / total.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Step { milestones, gamma } => gamma.powi(milestones.iter().filter(|&&m| m <= step).count() as i32),
            Self::Cosine { floor } => floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Self::Polynomial { power } => (1.0 - done).powf(*power),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(schedule: Schedule) -> Rate {
        Rate { base: 0.5, warmup: Warmup::default(), schedule }
    }

    #[test]
    fn schedules_pass_through_their_marks() {
        let step = rate(Schedule::Step { milestones: vec![10, 20], gamma: 0.1 });
        for (at, expected) in [(0, 0.5), (9, 0.5), (10, 0.05), (19, 0.05), (20, 0.005), (1000, 0.005)] {
            assert!((step.at(at, 30) - expected).abs() < 1e-15, "{at}");
        }
        let cosine = rate(Schedule::Cosine { floor: 0.1 });
        for (at, expected) in [(0, 0.5), (50, 0.275), (100, 0.05), (130, 0.05)] {
            assert!((cosine.at(at, 100) - expected).abs() < 1e-15, "{at}");
        }
        let polynomial = rate(Schedule::Polynomial { power: 2.0 });
        for (at, expected) in [(0, 0.5), (50, 0.125), (100, 0.0)] {
            assert!((polynomial.at(at, 100) - expected).abs() < 1e-15, "{at}");
        }
    }

    #[test]
    fn the_warm_up_rises_in_a_straight_line() {
        let rate = Rate { warmup: Warmup { steps: 4, start: 0.2 }, ..rate(Schedule::Constant) };
        let found: Vec<f64> = (0..6).map(|step| rate.at(step, 100)).collect();
        for (got, want) in found.iter().zip([0.1, 0.2, 0.3, 0.4, 0.5, 0.5]) {
            assert!((got - want).abs() < 1e-15, "{found:?}");
        }
    }

    #[test]
    fn wrong_constants_are_refused_by_name() {
        let bad = [
            (Rate::constant(-1.0), "base"),
            (rate(Schedule::Cosine { floor: 2.0 }), "floor"),
            (rate(Schedule::Polynomial { power: 0.0 }), "power"),
            (rate(Schedule::Step { milestones: vec![3, 2], gamma: 0.1 }), "milestones"),
        ];
        for (rate, word) in bad {
            let why = rate.check().expect_err("refused").to_string();
            assert!(why.contains(word), "{why}");
        }
        let parsed: Rate = serde_json::from_str(r#"{"base": 0.1, "schedule": {"kind": "cosine"}}"#).expect("parses");
        assert_eq!(parsed.schedule, Schedule::Cosine { floor: 0.0 });
        parsed.check().expect("fine");
    }
}
