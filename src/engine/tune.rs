//! Times the kernels between which convolutions may choose, for the shapes that a graph has, within a number of seconds.
//!
//! What came out is the caller's to keep ([`crate::gpu::Tuned`]). Problems come in the order of their arithmetic, so that what time there
//! is goes where it counts; what it does not reach keeps to the rule, and so does a problem whose fastest way gains little.

use super::bench::{compute_in_every_run, pattern};
use crate::Result;
use crate::gpu::{Gpu, Tuned};
use crate::graph::{Executable, Graph, Kind, Plan, Variables};
use crate::ops::{LaunchCx, OpRef, Value, Ways};
use crate::tensor::{DType, Tensor, TensorType};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the fastest way must take less than, as a share of the usual one's time.
const WORTH: f64 = 0.95;
/// Runs of each way after the first, of which the fastest counts.
const RUNS: usize = 5;
/// A way whose run takes so many times as long as the fastest is not timed again.
const HOPELESS: f64 = 2.0;

/// Work between whose kernels there is a choice, and how often it occurs.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Name of the first node that has it.
    pub node: String,
    ways: Ways,
    inputs: Vec<TensorType>,
    outputs: Vec<TensorType>,
    multiply_adds: u64,
}

/// What was found for a problem.
#[derive(Clone, Debug)]
pub struct Found {
    /// Name of the first node that has it.
    pub node: String,
    /// What the rule takes.
    pub usual: &'static str,
    /// What was chosen.
    pub chosen: &'static str,
    /// Every way and its fastest run in milliseconds.
    pub times: Vec<(&'static str, f64)>,
}

impl Found {
    /// The time of a way in milliseconds.
    pub fn time(&self, way: &str) -> f64 {
        self.times.iter().find(|(name, _)| *name == way).map_or(f64::NAN, |(_, ms)| *ms)
    }
}

/// The distinct problems of what is needed for `outputs` and for the graph's updates, those with most arithmetic first. Work that can
/// be done in one way only is left out.
pub fn problems(gpu: &Gpu, graph: &Graph, outputs: &[Value]) -> Result<Vec<Problem>> {
    let plan = Plan::new(gpu, graph, outputs, Default::default())?;
    let mut found: HashMap<String, Problem> = HashMap::new();
    for index in plan.nodes() {
        let node = &graph.nodes()[index];
        let Kind::Op(op) = &node.kind else { continue };
        let inputs: Vec<TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
        let cx = LaunchCx { inputs: &inputs, outputs: &node.outputs, profile: gpu.profile() };
        let Some(ways) = op.ways(&cx).filter(|w| w.ways.len() > 1) else { continue };
        let multiply_adds = op.multiply_adds(&inputs, &node.outputs);
        let new = || Problem {
            node: node.name.clone(),
            ways: ways.clone(),
            inputs: inputs.clone(),
            outputs: node.outputs.clone(),
            multiply_adds: 0,
        };
        found.entry(ways.problem.clone()).or_insert_with(new).multiply_adds += multiply_adds;
    }
    let mut all: Vec<Problem> = found.into_values().collect();
    all.sort_by(|a, b| b.multiply_adds.cmp(&a.multiply_adds).then_with(|| a.ways.problem.cmp(&b.ways.problem)));
    Ok(all)
}

/// Times the ways of `problems` until `seconds` have passed (and the run under way then has ended) and adds what was decided to `tuned`.
/// `report` hears of every problem that was timed to the end.
pub fn tune(
    gpu: &Gpu,
    problems: &[Problem],
    seconds: f64,
    tuned: &mut Tuned,
    mut report: impl FnMut(&Found),
) -> Result<usize> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    for (done, problem) in problems.iter().enumerate() {
        let Some(times) = time_ways(gpu, problem, end)? else { return Ok(done) };
        let usual = problem.ways.usual;
        let fastest = times.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("more than one way");
        let mut found = Found { node: problem.node.clone(), usual, chosen: usual, times: times.clone() };
        if fastest.1 < WORTH * found.time(usual) {
            found.chosen = fastest.0;
        }
        tuned.choose(problem.ways.problem.clone(), found.chosen);
        report(&found);
    }
    Ok(problems.len())
}

/// The fastest run of every way in milliseconds; `None` where the time was up before.
fn time_ways(gpu: &Gpu, problem: &Problem, end: Instant) -> Result<Option<Vec<(&'static str, f64)>>> {
    let mut best = f64::INFINITY;
    let mut times = Vec::new();
    // The usual way first: what is hopeless beside it is seen after one run.
    let mut ways: Vec<&(&'static str, OpRef)> = problem.ways.ways.iter().collect();
    ways.sort_by_key(|(name, _)| *name != problem.ways.usual);
    for (name, op) in ways {
        if Instant::now() >= end {
            return Ok(None);
        }
        let mut executable = executable(gpu, problem, op)?;
        let mut run = || -> Result<f64> {
            let started = Instant::now();
            executable.start(&[])?;
            gpu.wait()?;
            Ok(started.elapsed().as_secs_f64() * 1e3)
        };
        // The first run compiles.
        run()?;
        let mut own = f64::INFINITY;
        for _ in 0..RUNS {
            if Instant::now() >= end {
                return Ok(None);
            }
            own = own.min(run()?);
            if own > HOPELESS * best {
                break;
            }
        }
        best = best.min(own);
        times.push((*name, own));
    }
    Ok(Some(times))
}

/// The op alone, on numbers without structure to speak of, its results in variables.
fn executable(gpu: &Gpu, problem: &Problem, op: &OpRef) -> Result<Executable> {
    let mut graph = Graph::new();
    let variables = Variables::new(gpu);
    let mut inputs = Vec::new();
    for (i, ty) in problem.inputs.iter().enumerate() {
        let name = format!("input {i}");
        inputs.push(graph.parameter(&name, ty.clone())?);
        let value = if ty.dtype == DType::F32 { pattern(&ty.shape) } else { Tensor::zeros(ty) };
        variables.set(&name, &value)?;
    }
    compute_in_every_run(&mut graph)?;
    let made = graph.named_all("timed", op.clone(), &inputs)?;
    for (i, (value, ty)) in made.into_iter().zip(&problem.outputs).enumerate() {
        let kept = graph.state(&format!("output {i}"), ty.clone())?;
        graph.update(kept, value)?;
    }
    Executable::new(&graph, &[], &variables)
}
