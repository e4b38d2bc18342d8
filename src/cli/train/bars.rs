//! Progress bars for people who watch: on stderr, and nothing but a line for each validation when it is no terminal.

use crate::engine::train::{Progress, Scores};
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on stderr; nothing when stderr is no terminal.
pub fn bar(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg} [{elapsed} < {eta}]").expect("valid template");
    ProgressBar::new(length).with_style(style).with_message(what.to_string())
}

/// The bar of a training run, with the smoothed loss and the last score.
pub struct Bars {
    bar: ProgressBar,
    loss: Option<f32>,
    score: String,
}

impl Bars {
    /// A bar of `steps`.
    pub fn new(steps: u64) -> Self {
        Self { bar: bar(steps, ""), loss: None, score: String::new() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        self.bar.set_message(format!("loss {:.4} {}", self.loss.unwrap_or(0.0), self.score));
    }
}

impl Progress for Bars {
    fn step(&mut self, step: u64, loss: f32) {
        self.loss = Some(self.loss.map_or(loss, |before| 0.95 * before + 0.05 * loss));
        self.bar.set_position(step);
        self.show();
    }

    fn validated(&mut self, step: u64, scores: &Scores, best: bool) {
        let text: Vec<String> = scores.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
        self.score = text.join(" ");
        let line = format!(
            "step {step:>6}  loss {:.4}  {}{}",
            self.loss.unwrap_or(0.0),
            self.score,
            if best { "  best" } else { "" }
        );
        // Without a terminal the bar shows nothing; the line is worth having in a log.
        if self.bar.is_hidden() {
            eprintln!("{line}")
        } else {
            self.bar.println(line)
        }
        self.show();
    }
}
