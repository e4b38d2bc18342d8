//! Runs a plan: memory, uploads, recorded commands, read-backs.

use super::build::{Graph, Kind};
use super::gang;
use super::plan::{Options, Place, Plan};
use super::variables::Variables;
use crate::gpu::{Command, Gpu, NodeTime, Pace, PendingRead, Program, Region, Report, Slot};
use crate::ops::Value;
use crate::tensor::{Tensor, TensorType};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};

/// A graph compiled for one device, ready to run again and again.
pub struct Executable {
    gpu: Gpu,
    plan: Plan,
    variables: Variables,
    arena: Vec<Region>,
    prologue: Program,
    main: Program,
    inputs: Vec<(String, TensorType, Option<Region>)>,
    outputs: Vec<(String, TensorType, Region)>,
    names: Vec<String>,
    regions: HashMap<Value, Region>,
    types: HashMap<Value, TensorType>,
    seen: u64,
    pace: Pace,
}

/// The results of a run, on their way to the host.
#[derive(Debug)]
pub struct Run {
    /// What happened between host and device while the run was submitted; reading back is not part of it.
    pub report: Report,
    outputs: Vec<(String, TensorType, PendingRead)>,
}

impl Run {
    /// Waits for all outputs.
    pub fn wait(self) -> Result<BTreeMap<String, Tensor>> {
        let arrived = |(name, ty, read): (String, TensorType, PendingRead)| -> Result<_> {
            Ok((name, Tensor::from_bytes(ty, &read.wait()?)))
        };
        self.outputs.into_iter().map(arrived).collect()
    }

    /// Waits for one output and drops the others. Panics if the graph has none of this name.
    pub fn wait_for(self, name: &str) -> Result<Tensor> {
        let found = self.outputs.into_iter().find(|(n, ..)| n == name);
        let (_, ty, read) = found.unwrap_or_else(|| panic!("no output named '{name}' was asked for"));
        Ok(Tensor::from_bytes(ty, &read.wait()?))
    }

    /// Whether all outputs have arrived, so that waiting for them does not block.
    pub fn has_arrived(&mut self) -> Result<bool> {
        for (_, _, read) in &mut self.outputs {
            if !read.has_arrived()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Executable {
    /// Plans, allocates and compiles what the named `outputs` and the graph's updates need. Variables that the graph names and
    /// `variables` lacks are created as zeros.
    pub fn new(graph: &Graph, outputs: &[(&str, Value)], variables: &Variables) -> Result<Self> {
        Self::with(graph, outputs, variables, Options::default(), Pace::new(variables.gpu()))
    }

    /// Like [`Executable::new`], with planning options and a pace of one's own.
    pub fn with(
        graph: &Graph,
        outputs: &[(&str, Value)],
        variables: &Variables,
        options: Options,
        pace: Pace,
    ) -> Result<Self> {
        let gpu = variables.gpu().clone();
        let values: Vec<Value> = outputs.iter().map(|&(_, v)| v).collect();
        let plan = Plan::new(&gpu, graph, &values, options)?;
        let arena = allocate_arena(&gpu, &plan)?;
        variables.reserve_for(graph, |value| plan.places.contains_key(&value))?;
        let mut regions = HashMap::new();
        let mut types = HashMap::new();
        for (&value, place) in &plan.places {
            let ty = graph.ty(value);
            let region = match place {
                Place::Shared(block) => shared(&plan, &arena, *block, ty.bytes()),
                Place::Variable(name) => variables.declare(name, &ty)?,
                Place::Constant(node) => {
                    let Kind::Constant(tensor) = &graph.nodes()[*node].kind else { unreachable!("placed as constant") };
                    constant(&gpu, &graph.nodes()[*node].name, tensor)?
                }
            };
            regions.insert(value, region);
            types.insert(value, ty);
        }
        // Values that view a constant share its upload.
        for (&value, place) in &plan.places {
            if let Place::Constant(node) = place {
                regions.insert(value, regions[&Value { node: *node, slot: 0 }].clone());
            }
        }
        let names: Vec<String> = graph.nodes().iter().map(|n| n.name.clone()).collect();
        let mut commands = commands(&plan, graph, &arena, &regions);
        if !options.no_gangs {
            commands = gang::merge(&gpu, commands)?;
        }
        let tail = commands.split_off(commands.iter().take_while(|(at, _)| *at < plan.prologue).count());
        let only = |list: Vec<(usize, Command)>| list.into_iter().map(|(_, c)| c).collect::<Vec<_>>();
        let mut main = only(tail);
        for (new, name) in &plan.copies {
            let to = variables.declare(name, &graph.ty(*new))?;
            main.push(Command::Copy { node: new.node, from: regions[new].clone(), to });
        }
        let prologue = Program::new(&gpu, only(commands), names.clone(), &pace)?;
        let main = Program::new(&gpu, main, names.clone(), &pace)?;
        let inputs = graph.nodes().iter().enumerate().filter(|(_, n)| matches!(n.kind, Kind::Input));
        let inputs = inputs
            .map(|(node, n)| (n.name.clone(), n.outputs[0].clone(), regions.get(&Value { node, slot: 0 }).cloned()))
            .collect();
        let outputs = outputs.iter().map(|&(name, v)| (name.to_string(), graph.ty(v), regions[&v].clone())).collect();
        gpu.save_pipelines();
        let variables = variables.clone();
        let mut made =
            Self { gpu, plan, variables, arena, prologue, main, inputs, outputs, names, regions, types, seen: 0, pace };
        made.poison()?;
        Ok(made)
    }

    /// Uploads the inputs, submits one run and returns without waiting. Fails when an input is missing, unknown or of another type.
    pub fn start(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Report> {
        self.upload(inputs)?;
        let before = self.gpu.report();
        self.main.submit(&self.pace)?;
        Ok(self.gpu.report() - before)
    }

    /// Starts a run and the read-back of every output.
    pub fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Run> {
        let report = self.start(inputs)?;
        let reads = self
            .outputs
            .iter()
            .map(|(name, ty, region)| Ok((name.clone(), ty.clone(), self.gpu.read(region, ty.bytes())?)));
        Ok(Run { report, outputs: reads.collect::<Result<_>>()? })
    }

    /// Runs node by node and calls `inspect(name, tensor)` on every output of every node while it is still there, until it
    /// returns false. Outputs that are written straight into variables are passed over. Slow; for finding where
    /// something went wrong.
    pub fn run_inspecting(
        &mut self,
        inputs: &[(&str, &Tensor)],
        mut inspect: impl FnMut(&str, Tensor) -> bool,
    ) -> Result<()> {
        self.upload(inputs)?;
        let mut going = true;
        self.main.submit_each(|node| {
            for slot in 0.. {
                let value = Value { node, slot };
                let (Some(region), true) = (self.regions.get(&value), going) else { break };
                if matches!(self.plan.places[&value], Place::Variable(_)) {
                    continue;
                }
                let ty = self.types[&value].clone();
                let bytes = self.gpu.read(region, ty.bytes())?.wait()?;
                going = inspect(&self.names[node], Tensor::from_bytes(ty, &bytes));
            }
            Ok(())
        })
    }

    /// Runs once and measures every node on the device. `None` where it has no timestamps.
    pub fn time(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Option<Vec<NodeTime>>> {
        self.upload(inputs)?;
        self.main.time(&self.pace)
    }

    /// The plan it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Dispatches and copies in one run.
    pub fn commands(&self) -> usize {
        self.main.len()
    }

    /// Names and types of the inputs.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &TensorType)> {
        self.inputs.iter().map(|(name, ty, _)| (name.as_str(), ty))
    }

    /// Whether every guard around the planned tensors is untouched; the name of a damaged tensor if not. Only with
    /// [`Options::sentinels`].
    pub fn damaged_sentinel(&self) -> Result<Option<String>> {
        assert!(self.plan.guard > 0, "planned without sentinels");
        let chunks: Vec<Vec<u8>> =
            self.arena.iter().map(|r| self.gpu.read(r, r.size)?.wait()).collect::<Result<_>>()?;
        for (i, &offset) in self.plan.memory.offsets.iter().enumerate() {
            let (chunk, at) = ((offset / self.plan.chunk) as usize, (offset % self.plan.chunk) as usize);
            let guard = self.plan.guard as usize;
            let block = &chunks[chunk][at..at + self.plan.blocks[i].bytes as usize];
            // Blocks that share memory hold one another's bodies, so only a block nobody overlaps is a fair witness.
            let alone = (0..self.plan.blocks.len()).filter(|&j| self.overlap(i, j)).count() == 1;
            let bytes = self.plan.owners[i].1.max(4) as usize;
            let (front, back) = (&block[..guard], &block[(guard + bytes).next_multiple_of(4)..]);
            if alone && !front.iter().chain(back).all(|&b| b == POISON) {
                return Ok(Some(self.plan.owners[i].0.clone()));
            }
        }
        Ok(None)
    }

    fn overlap(&self, i: usize, j: usize) -> bool {
        let (m, b) = (&self.plan.memory, &self.plan.blocks);
        m.offsets[i] < m.offsets[j] + b[j].bytes && m.offsets[j] < m.offsets[i] + b[i].bytes
    }

    /// With sentinels, fills the shared memory with NaNs, so that reading what was never written shows.
    fn poison(&mut self) -> Result<()> {
        if self.plan.guard > 0 {
            for chunk in &self.arena {
                self.gpu.upload(chunk, &vec![POISON; chunk.size as usize]);
            }
        }
        self.gpu.check()
    }

    fn upload(&mut self, given: &[(&str, &Tensor)]) -> Result<()> {
        for (name, tensor) in given {
            let Some((_, ty, _)) = self.inputs.iter().find(|(n, ..)| n == name) else {
                let known: Vec<&str> = self.inputs.iter().map(|(n, ..)| n.as_str()).collect();
                return Err(Error::Graph(format!("no input is named '{name}'; there are: {}", known.join(", "))));
            };
            if tensor.ty() != *ty {
                return Err(Error::Graph(format!("input '{name}' is {ty}, {} was given", tensor.ty())));
            }
        }
        if self.seen != self.variables.version() {
            self.prologue.submit(&self.pace)?;
            self.seen = self.variables.version();
        }
        for (name, _, region) in &self.inputs {
            let tensor = given.iter().find(|(n, _)| n == name).map(|(_, t)| *t);
            match (region, tensor) {
                (Some(region), Some(tensor)) => self.gpu.upload(region, tensor.bytes()),
                (Some(_), None) => return Err(Error::Graph(format!("input '{name}' was not given"))),
                (None, _) => {}
            }
        }
        if !self.plan.copies.is_empty() || self.main_writes_variables() {
            self.variables.touch();
        }
        Ok(())
    }

    fn main_writes_variables(&self) -> bool {
        let ops = self.plan.steps.iter().map(|s| s.node);
        ops.into_iter().any(|node| matches!(self.plan.places.get(&Value { node, slot: 0 }), Some(Place::Variable(_))))
    }
}

/// Four of these bytes are a NaN.
const POISON: u8 = 0xff;

fn allocate_arena(gpu: &Gpu, plan: &Plan) -> Result<Vec<Region>> {
    let mut left = plan.memory.peak;
    let mut arena = Vec::new();
    while left > 0 {
        let size = left.min(plan.chunk);
        let buffer = gpu.allocate(&format!("shared memory of a plan of {} bytes", plan.memory.peak), size)?;
        arena.push(Region { buffer, offset: 0, size: size.next_multiple_of(4) });
        left -= size;
    }
    Ok(arena)
}

/// The region of a tensor of `bytes` in a block, inside its guards.
fn shared(plan: &Plan, arena: &[Region], block: usize, bytes: u64) -> Region {
    let at = plan.memory.offsets[block];
    let chunk = &arena[(at / plan.chunk) as usize];
    let size = bytes.max(4).next_multiple_of(4);
    Region { buffer: chunk.buffer.clone(), offset: at % plan.chunk + plan.guard, size }
}

fn constant(gpu: &Gpu, name: &str, tensor: &Tensor) -> Result<Region> {
    let size = tensor.ty().bytes().max(4).next_multiple_of(4);
    let region = Region { buffer: gpu.allocate(name, size)?, offset: 0, size };
    gpu.upload(&region, tensor.bytes());
    Ok(region)
}

/// All launches with their memory, each with the index of its step.
fn commands(plan: &Plan, graph: &Graph, arena: &[Region], regions: &HashMap<Value, Region>) -> Vec<(usize, Command)> {
    let mut all = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let node = &graph.nodes()[step.node];
        for launch in &step.work.launches {
            let region = |slot: &Slot| match *slot {
                Slot::Input(i) => regions[&node.inputs[i]].clone(),
                Slot::Output(slot) => regions[&Value { node: step.node, slot }].clone(),
                Slot::Scratch(i) => shared(plan, arena, step.scratch[i], step.work.scratch[i]),
            };
            let regions = launch.slots.iter().map(region).collect();
            all.push((at, Command::Launch { node: step.node, launch: launch.clone(), regions }));
        }
    }
    all
}
