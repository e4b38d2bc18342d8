//! The training loop: step graph, asynchronous losses, validation, checkpoints, resuming, early stop.
//!
//! Knows nothing of what is trained: it is given a graph with a scalar loss, a source of feeds and a way to validate.

use super::checkpoint::{Checkpoint, TrainState};
use crate::draw::curves::curves_png;
use crate::draw::log::MetricsLog;
use crate::gpu::{Profile, Report};
use crate::graph::{Executable, Graph, Precision, Run, Variables};
use crate::ops::Value;
use crate::optim::{
    Guard, Hyper, LOSS_SCALE, Optimizer, Rate, first_scaling, follow, guard, guard_scaled, protect, scaled_gradients,
    shadow_name,
};
use crate::tensor::{Data, Tensor};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How to train. What changes the result of a step is part of a checkpoint and must agree when a run is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Steps in all.
    pub steps: u64,
    /// Optimiser and its constants.
    pub optimizer: Optimizer,
    /// Learning rate by step.
    pub rate: Rate,
    /// Gradients are scaled down to this global norm; 0 leaves them alone.
    pub clip: f32,
    /// Decay of an exponential moving average of the weights, which is then validated and saved.
    pub ema: Option<f64>,
    /// Steps between validations.
    pub validate_every: u64,
    /// Stop after this many validations without a better score.
    pub patience: Option<u64>,
    /// Seed of everything random.
    pub seed: u64,
    /// How activations and their gradients are kept.
    pub precision: TrainPrecision,
}

/// In which precision a step keeps activations and their gradients. Parameters, sums and what the optimiser keeps are f32 in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainPrecision {
    /// As they are computed.
    #[default]
    F32,
    /// Rounded to half precision where they are stored; the loss is scaled so that small gradients survive.
    Mixed,
}

impl From<Precision> for TrainPrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::Mixed,
        }
    }
}

impl std::str::FromStr for TrainPrecision {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "mixed" => Ok(Self::Mixed),
            _ => Err(format!("no precision of training is named '{text}'; there are: f32, mixed")),
        }
    }
}

/// Finite steps after which the scale of the loss is doubled, as in PyTorch.
const SCALE_GROWTH: u32 = 2000;

/// Steps in a row that may be skipped while the scale of the loss is halved. From the largest scale it takes 24 to come down to 1.
const MOST_SKIPPED: u32 = 30;

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            steps: 1000,
            optimizer: Optimizer::adam(),
            rate: Rate::constant(1e-3),
            clip: 0.0,
            ema: None,
            validate_every: 100,
            patience: None,
            seed: 1,
            precision: TrainPrecision::F32,
        }
    }
}

impl TrainSettings {
    /// Fails on constants that cannot train.
    pub fn check(&self) -> Result<()> {
        self.optimizer.check()?;
        self.rate.check()?;
        match self.ema {
            Some(decay) if !(0.0..1.0).contains(&decay) => {
                Err(Error::Usage(format!("the moving average's decay must be in [0, 1), got {decay}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether step `step`, counted from 1, is followed by a validation. The last one always is.
    pub fn validates_at(&self, step: u64) -> bool {
        step == self.steps || step.is_multiple_of(self.validate_every.max(1))
    }

    /// What the host uploads for step `step`, counted from 1.
    pub fn hyper(&self, step: u64) -> Tensor {
        let lr = self.rate.at(step - 1, self.steps);
        self.optimizer.hyper(lr, step, self.ema).tensor()
    }
}

/// A graph of one training step: forward, backward, update.
pub struct StepGraph {
    /// The graph, with its updates.
    pub graph: Graph,
    /// The scalar loss.
    pub loss: Value,
    /// Global norm of the gradients before clipping.
    pub norm: Value,
    /// Losses that the loss is the sum of, to be logged beside it.
    pub parts: Vec<(String, Value)>,
    /// In which activations and their gradients are kept.
    pub precision: TrainPrecision,
}

impl StepGraph {
    /// What is read from it: `loss`, `norm` and the parts of the loss.
    pub fn outputs(&self) -> Vec<(&str, Value)> {
        let parts = self.parts.iter().map(|(name, value)| (name.as_str(), *value));
        [("loss", self.loss), ("norm", self.norm)].into_iter().chain(parts).collect()
    }

    /// A program of it on variables, in its precision.
    pub fn compile(&self, variables: &Variables) -> Result<Executable> {
        let graph = self.stored(variables.gpu().profile())?;
        Executable::new(&graph, &self.outputs(), variables)
    }

    /// The graph in its precision; values keep their places.
    pub fn stored(&self, profile: &Profile) -> Result<Cow<'_, Graph>> {
        let outputs: Vec<Value> = self.outputs().into_iter().map(|(_, value)| value).collect();
        Ok(match self.precision {
            TrainPrecision::F32 => Cow::Borrowed(&self.graph),
            TrainPrecision::Mixed => Cow::Owned(self.graph.with_half_activations(&outputs, profile)?),
        })
    }

    /// Sets the scale of the loss that a run begins with, where there is one.
    pub fn start_scale(&self, variables: &Variables) -> Result<()> {
        match self.precision {
            TrainPrecision::F32 => Ok(()),
            TrainPrecision::Mixed => variables.set(LOSS_SCALE, &first_scaling()),
        }
    }
}

/// Adds gradients, clipping, the optimiser's updates and the moving average to a graph with a loss.
pub fn training_graph(mut graph: Graph, loss: Value, settings: &TrainSettings) -> Result<StepGraph> {
    let parameters = graph.parameters();
    let (grads, state) = match settings.precision {
        TrainPrecision::F32 => (graph.gradients(loss, &parameters)?, None),
        TrainPrecision::Mixed => {
            let (grads, state) = scaled_gradients(&mut graph, loss, &parameters)?;
            (grads, Some(state))
        }
    };
    let hyper = graph.input("hyper", Hyper::ty())?;
    let (Guard { control, norm }, scaling) = match state {
        None => (guard(&mut graph, &grads, hyper, Some(loss), settings.clip)?, None),
        Some(state) => {
            let (guard, new) = guard_scaled(&mut graph, &grads, [hyper, loss, state], settings.clip, SCALE_GROWTH)?;
            (guard, Some((state, new)))
        }
    };
    protect(&mut graph, control)?;
    // The scale moves after steps that were not finite too, so it is not protected.
    if let Some((state, new)) = scaling {
        graph.update(state, new)?;
    }
    let pairs: Vec<(Value, Value)> = parameters.iter().copied().zip(grads).collect();
    let updated = settings.optimizer.apply(&mut graph, &pairs, control)?;
    if settings.ema.is_some() {
        let pairs: Vec<(Value, Value)> = parameters.into_iter().zip(updated).collect();
        follow(&mut graph, &pairs, control)?;
    }
    Ok(StepGraph { graph, loss, norm, parts: Vec::new(), precision: settings.precision })
}

/// Tensors for one step, by input name.
pub type Feed = Vec<(String, Tensor)>;

/// Scores of a validation: the first decides which weights are best (larger is better).
pub type Scores = Vec<(String, f64)>;

/// What a person wants to see while a run goes on.
pub trait Progress {
    /// A step's loss arrived.
    fn step(&mut self, step: u64, loss: f32);
    /// A validation finished; `best` if it is the best so far.
    fn validated(&mut self, step: u64, scores: &Scores, best: bool);
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _: u64, _: f32) {}
    fn validated(&mut self, _: u64, _: &Scores, _: bool) {}
}

/// What a finished run tells.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps done in all, resumed ones included.
    pub steps: u64,
    /// Best first score and its step.
    pub best: Option<(f64, u64)>,
    /// Stopped by patience.
    pub early: bool,
    /// Time of the steps of this process, validation left out.
    pub training_time: Duration,
    /// Host and device during the last step: no read-back and no wait inside.
    pub last_report: Report,
}

/// A run in progress.
pub struct Trainer {
    /// One for each input size.
    steps: Vec<Executable>,
    variables: Variables,
    parameters: Vec<String>,
    /// Names of the losses beside the loss.
    parts: Vec<String>,
    settings: TrainSettings,
    state: TrainState,
    metadata: BTreeMap<String, String>,
    out: PathBuf,
    log: MetricsLog,
    pending: VecDeque<Pending>,
    /// Steps in a row whose gradients were not finite.
    skipped: u32,
}

/// A submitted step whose loss has not arrived. Its feed is kept to find what went wrong if it did.
struct Pending {
    step: u64,
    lr: f64,
    feed: Feed,
    run: Run,
}

/// Steps submitted before the oldest loss is waited for.
const IN_FLIGHT: usize = 2;

impl Trainer {
    /// Sets a run up in folder `out`. `graphs` has one graph for each size of input that feeds come in. With `resume`, goes on from its checkpoint, which must be of the same `metadata` (architecture and
    /// configuration) and the same settings but for the number of steps. `score_names` are the columns of validations.
    pub fn new(
        graphs: &[StepGraph],
        variables: Variables,
        settings: TrainSettings,
        metadata: BTreeMap<String, String>,
        out: &Path,
        resume: bool,
        score_names: &[&str],
    ) -> Result<Self> {
        settings.check()?;
        let StepGraph { graph, parts, .. } = graphs.first().expect("at least one graph");
        let resumed = match resume {
            // Before anything is compiled: whether the checkpoint fits is worth knowing at once.
            true => {
                variables.declare_all(graph)?;
                Some(Checkpoint::restore(&out.join(CHECKPOINT), &metadata, &settings, &variables)?)
            }
            false => None,
        };
        let steps = graphs.iter().map(|g| g.compile(&variables)).collect::<Result<Vec<_>>>()?;
        let parts: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
        variables.declare_all(graph)?;
        let losses = ["loss"].into_iter().chain(parts.iter().map(String::as_str));
        let columns: Vec<&str> = losses.chain(["grad_norm", "lr"]).chain(score_names.iter().copied()).collect();
        let csv = out.join("metrics.csv");
        let (state, log) = match resumed {
            Some(state) => {
                let log = MetricsLog::resume(&csv, &columns, state.step)?;
                (state, log)
            }
            None => {
                start_averages(graph, &variables)?;
                graphs[0].start_scale(&variables)?;
                (TrainState::default(), MetricsLog::create(&csv, &columns)?)
            }
        };
        let out = out.to_path_buf();
        let parameters = graph.parameters().iter().map(|&v| graph.name(v).to_string()).collect();
        let pending = VecDeque::new();
        Ok(Self { steps, variables, parameters, parts, settings, state, metadata, out, log, pending, skipped: 0 })
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.state.step
    }

    /// Trains to the end. `next` gives each step's tensors; `validate` is called with the weights to judge; `save` keeps them when they are the
    /// best so far.
    pub fn run(
        &mut self,
        mut next: impl FnMut() -> Result<Feed>,
        mut validate: impl FnMut(&Variables) -> Result<Scores>,
        mut save: impl FnMut(&Variables) -> Result<()>,
        progress: &mut dyn Progress,
    ) -> Result<Outcome> {
        let mut training_time = Duration::ZERO;
        let mut last_report = Report::default();
        let mut early = false;
        while self.state.step < self.settings.steps && !early {
            let started = Instant::now();
            last_report = self.submit(next()?)?;
            while self.pending.len() > IN_FLIGHT || self.oldest_has_arrived()? {
                self.collect(progress)?;
            }
            let step = self.state.step;
            if self.settings.validates_at(step) {
                while !self.pending.is_empty() {
                    self.collect(progress)?;
                }
                training_time += started.elapsed();
                early = self.validate(&mut validate, &mut save, progress)?;
            } else {
                training_time += started.elapsed();
            }
        }
        let best = self.state.best;
        Ok(Outcome { steps: self.state.step, best, early, training_time, last_report })
    }

    fn submit(&mut self, feed: Feed) -> Result<Report> {
        let lr = self.settings.rate.at(self.state.step, self.settings.steps);
        let hyper = self.settings.hyper(self.state.step + 1);
        let mut given: Vec<(&str, &Tensor)> = feed.iter().map(|(n, t)| (n.as_str(), t)).collect();
        given.push(("hyper", &hyper));
        let run = suitable(&mut self.steps, &given).run(&given)?;
        let report = run.report;
        self.state.step += 1;
        self.pending.push_back(Pending { step: self.state.step, lr, feed, run });
        Ok(report)
    }

    /// Whether there is an outstanding loss that need not be waited for.
    fn oldest_has_arrived(&mut self) -> Result<bool> {
        self.pending.front_mut().map_or(Ok(false), |oldest| oldest.run.has_arrived())
    }

    /// Takes in the oldest outstanding loss.
    fn collect(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let Pending { step, lr, feed, run } = self.pending.pop_front().expect("something is outstanding");
        let results = run.wait()?;
        let (loss, norm) = (results["loss"].scalar(), results["norm"].scalar());
        // With a scaled loss a gradient may overflow: the step was skipped, and the scale has been halved on the device.
        let skipped = self.settings.precision == TrainPrecision::Mixed && loss.is_finite() && !norm.is_finite();
        self.skipped = if skipped { self.skipped + 1 } else { 0 };
        if !(loss.is_finite() && (norm.is_finite() || skipped)) || self.skipped > MOST_SKIPPED {
            return Err(self.blame(step, &feed));
        }
        let mut row = vec![("loss", f64::from(loss))];
        row.extend(self.parts.iter().map(|name| (name.as_str(), f64::from(results[name].scalar()))));
        row.extend((!skipped).then_some(("grad_norm", f64::from(norm))));
        row.push(("lr", lr));
        if self.settings.validates_at(step) {
            self.state.last_row = row.into_iter().map(|(n, v)| (n.to_string(), v)).collect();
        } else {
            self.log.write(step, &row)?;
        }
        progress.step(step, loss);
        Ok(())
    }

    /// Validates, logs, keeps the best weights, writes the checkpoint. True when patience has run out.
    fn validate(
        &mut self,
        validate: &mut dyn FnMut(&Variables) -> Result<Scores>,
        save: &mut dyn FnMut(&Variables) -> Result<()>,
        progress: &mut dyn Progress,
    ) -> Result<bool> {
        let judged = match self.settings.ema {
            Some(_) => averaged(&self.variables)?,
            None => self.variables.clone(),
        };
        let scores = validate(&judged)?;
        let step = self.state.step;
        let mut row = std::mem::take(&mut self.state.last_row);
        row.extend(scores.iter().cloned());
        let row: Vec<(&str, f64)> = row.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        self.log.write(step, &row)?;
        let score = scores.first().map_or(f64::NEG_INFINITY, |(_, v)| *v);
        let better = self.state.best.is_none_or(|(best, _)| score > best);
        if better {
            self.state.best = Some((score, step));
            self.state.stale = 0;
            save(&judged)?;
        } else {
            self.state.stale += 1;
        }
        Checkpoint::write(&self.out.join(CHECKPOINT), &self.metadata, &self.settings, &self.state, &self.variables)?;
        curves_png(self.out.join("metrics.csv"), self.out.join("curves.png"))?;
        progress.validated(step, &scores, better);
        Ok(self.settings.patience.is_some_and(|p| self.state.stale >= p))
    }

    /// Runs the step again node by node and names the first tensor that is not finite. The guard has kept the
    /// parameters as they were before that step.
    fn blame(&mut self, step: u64, feed: &Feed) -> Error {
        match self.first_bad_tensor(step, feed) {
            Ok(name) => Error::NonFinite(format!(
                "step {step}: '{name}' is the first tensor that holds NaN or infinity; the weights are as before this step; \
                 a smaller learning rate or gradient clipping may help"
            )),
            Err(e) => e,
        }
    }

    fn first_bad_tensor(&mut self, step: u64, feed: &Feed) -> Result<String> {
        if let Some((name, _)) = feed.iter().find(|(_, t)| !finite(t)) {
            return Ok(name.clone());
        }
        for name in &self.parameters {
            if !finite(&self.variables.get(name)?) {
                return Ok(name.clone());
            }
        }
        let hyper = self.settings.hyper(step);
        let mut given: Vec<(&str, &Tensor)> = feed.iter().map(|(n, t)| (n.as_str(), t)).collect();
        given.push(("hyper", &hyper));
        let mut found = None;
        suitable(&mut self.steps, &given).run_inspecting(&given, |name, tensor| {
            if !finite(&tensor) {
                found = Some(name.to_string());
            }
            found.is_none()
        })?;
        Ok(found.unwrap_or_else(|| "loss".to_string()))
    }
}

/// The executable for tensors of these shapes; the first where none fits, whose error says what it takes.
fn suitable<'a>(steps: &'a mut [Executable], given: &[(&str, &Tensor)]) -> &'a mut Executable {
    let takes = |e: &Executable| {
        e.inputs().all(|(name, ty)| given.iter().find(|(n, _)| *n == name).is_some_and(|(_, t)| t.ty() == *ty))
    };
    let at = steps.iter().position(takes).unwrap_or(0);
    &mut steps[at]
}

/// Moving averages start where the parameters do.
fn start_averages(graph: &Graph, variables: &Variables) -> Result<()> {
    for value in graph.parameters() {
        let name = graph.name(value);
        if variables.contains(&shadow_name(name)) {
            variables.set(&shadow_name(name), &variables.get(name)?)?;
        }
    }
    Ok(())
}

/// A copy of the variables in which each parameter that has a moving average holds it.
fn averaged(variables: &Variables) -> Result<Variables> {
    let copy = Variables::new(variables.gpu());
    let all = variables.snapshot()?;
    for (name, value) in all.iter().filter(|(name, _)| !name.starts_with("optim.") && !name.starts_with("ema.")) {
        copy.set(name, all.get(&shadow_name(name)).unwrap_or(value))?;
    }
    Ok(copy)
}

/// The checkpoint's name in a run's folder.
pub const CHECKPOINT: &str = "last.safetensors";

fn finite(t: &Tensor) -> bool {
    match t.data() {
        Data::F32(v) => v.iter().all(|v| v.is_finite()),
        Data::F16(v) => v.iter().all(|v| v.is_finite()),
        Data::I32(_) | Data::U32(_) => true,
    }
}
