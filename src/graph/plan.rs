//! From graph to schedule and memory, without touching the device: what runs, in which order, and where each tensor lies.
//!
//! A plan can be printed before anything is allocated. Tensors share memory by lifetime; an op works in place where its
//! input is read for the last time; updates are written straight into their variable where nobody reads the old value any more.

use super::build::{Graph, Kind};
use super::memory::{Block, MemoryPlan, place};
use crate::gpu::Gpu;
use crate::ops::{LaunchCx, OpRef, Value, Work};
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};

/// How to plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Surround every planned tensor with guard bytes that tests verify after a run.
    pub sentinels: bool,
    /// Never let an op overwrite its input; tests compare both ways.
    pub no_in_place: bool,
    /// Run every launch by itself; tests compare both ways.
    pub no_gangs: bool,
}

/// Bytes of guard before and after a tensor when sentinels are on.
pub(super) const GUARD: u64 = 256;

/// Buffers the address space is cut into; drivers refuse single allocations that are much larger.
const CHUNK: u64 = 1 << 30;

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the shared address space, at this block.
    Shared(usize),
    /// In the variable of this name.
    Variable(String),
    /// In the constant made by this node.
    Constant(usize),
}

/// A scheduled node.
#[derive(Debug)]
pub(super) struct Step {
    pub node: usize,
    pub work: Work,
    /// Block of each scratch tensor.
    pub scratch: Vec<usize>,
}

/// What a graph will do and need.
#[derive(Debug)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// The first steps depend on variables and constants only and run when variables change.
    pub(super) prologue: usize,
    pub(super) places: HashMap<Value, Place>,
    pub(super) blocks: Vec<Block>,
    /// Updates that need a copy at the end: (new value, variable).
    pub(super) copies: Vec<(Value, String)>,
    pub(super) chunk: u64,
    pub(super) guard: u64,
    /// Shared memory: peak, lower bound, offsets.
    pub memory: MemoryPlan,
    /// Bytes of parameters, states and constants, which are not shared.
    pub resident: u64,
    /// Value and bytes of each block, for listings: the first tensor that lived there.
    pub(super) owners: Vec<(String, u64)>,
}

impl Plan {
    /// Plans the nodes that `outputs` and the graph's updates need. Fails when an op has no kernel for its shapes or a tensor
    /// exceeds the device's limits.
    pub fn new(gpu: &Gpu, graph: &Graph, outputs: &[Value], options: Options) -> Result<Self> {
        let (schedule, prologue) = schedule(graph, outputs);
        let end = schedule.len();
        let mut b = Planner {
            graph,
            options,
            align: gpu.alignment(),
            guard: if options.sentinels { GUARD } else { 0 },
            prologue,
            end,
            last_use: last_uses(graph, &schedule, prologue, outputs),
            places: HashMap::new(),
            blocks: Vec::new(),
            owners: Vec::new(),
        };
        b.place_leaves(&schedule, outputs);
        let mut steps = Vec::with_capacity(end);
        for (at, &node) in schedule.iter().enumerate() {
            steps.push(b.place_node(gpu, at, node)?);
        }
        let copies = b.pending_copies();
        let Planner { places, blocks, owners, guard, .. } = b;
        let chunk = gpu.max_buffer().min(CHUNK) / 4096 * 4096;
        if let Some((block, (name, _))) = blocks.iter().zip(&owners).find(|(block, _)| block.bytes > chunk) {
            let cure = "use a smaller batch or picture".to_string();
            return Err(Error::DoesNotFit { what: name.clone(), need: block.bytes, limit: chunk, cure });
        }
        let memory = place(&blocks, chunk);
        let resident = resident_bytes(graph);
        let plan = Self { steps, prologue, places, blocks, copies, chunk, guard, memory, resident, owners };
        plan.check_bindings(gpu, graph)?;
        Ok(plan)
    }

    /// Names of the tensors alive at the busiest step and their bytes, largest first.
    pub fn busiest(&self) -> Vec<(String, u64)> {
        let step = self.memory.busiest_step;
        let alive = |i: &usize| self.blocks[*i].first <= step && step <= self.blocks[*i].last;
        let mut found: Vec<(String, u64)> =
            (0..self.blocks.len()).filter(alive).map(|i| self.owners[i].clone()).collect();
        found.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        found
    }

    /// Indices of the nodes that run, in order.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.steps.iter().map(|s| s.node)
    }

    /// Number of nodes that run.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn check_bindings(&self, gpu: &Gpu, graph: &Graph) -> Result<()> {
        let limit = gpu.profile().max_binding;
        for value in self.places.keys() {
            let bytes = graph.ty(*value).bytes();
            if bytes > limit {
                let what = format!("tensor '{}' {}", graph.name(*value), graph.ty(*value));
                let cure = "use a smaller batch, picture or width, or an adapter with larger storage bindings".into();
                return Err(Error::DoesNotFit { what, need: bytes, limit, cure });
            }
        }
        Ok(())
    }
}

/// Nodes that run, in order, those that depend on variables and constants alone first if nothing updates variables.
fn schedule(graph: &Graph, outputs: &[Value]) -> (Vec<usize>, usize) {
    let mut needed: HashSet<usize> = outputs.iter().map(|v| v.node).collect();
    needed.extend(graph.updates().iter().flat_map(|(target, new)| [target.node, new.node]));
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        if needed.contains(&index) {
            needed.extend(node.inputs.iter().map(|v| v.node));
        }
    }
    let ops = graph.nodes().iter().enumerate().filter(|(i, n)| needed.contains(i) && matches!(n.kind, Kind::Op(_)));
    let ops: Vec<usize> = ops.map(|(i, _)| i).collect();
    if !graph.updates().is_empty() {
        return (ops, 0);
    }
    let fixed = graph.fixed_nodes();
    let (first, then): (Vec<usize>, Vec<usize>) = ops.into_iter().partition(|i| fixed.contains(i));
    let prologue = first.len();
    (first.into_iter().chain(then).collect(), prologue)
}

/// Last step that reads each value; `schedule.len()` for what must survive the run.
fn last_uses(graph: &Graph, schedule: &[usize], prologue: usize, outputs: &[Value]) -> HashMap<Value, usize> {
    let mut last = HashMap::new();
    let made_in_prologue: HashSet<usize> = schedule[..prologue].iter().copied().collect();
    for (at, &node) in schedule.iter().enumerate() {
        for &v in &graph.nodes()[node].inputs {
            // What the prologue leaves for later runs must not be overwritten by this one.
            let crosses = at >= prologue && made_in_prologue.contains(&v.node);
            last.insert(v, if crosses { schedule.len() } else { at });
        }
    }
    let survivors = outputs.iter().copied().chain(graph.updates().iter().map(|&(_, new)| new));
    last.extend(survivors.map(|v| (v, schedule.len())));
    last
}

fn resident_bytes(graph: &Graph) -> u64 {
    let kept = graph.nodes().iter().filter(|n| !matches!(n.kind, Kind::Op(_) | Kind::Input));
    kept.map(|n| n.outputs[0].bytes()).sum()
}

struct Planner<'a> {
    graph: &'a Graph,
    options: Options,
    align: u64,
    guard: u64,
    prologue: usize,
    end: usize,
    last_use: HashMap<Value, usize>,
    places: HashMap<Value, Place>,
    blocks: Vec<Block>,
    owners: Vec<(String, u64)>,
}

impl Planner<'_> {
    fn place_leaves(&mut self, schedule: &[usize], outputs: &[Value]) {
        let read: HashSet<Value> =
            schedule.iter().flat_map(|&n| &self.graph.nodes()[n].inputs).chain(outputs).copied().collect();
        let updated: Vec<Value> = self.graph.updates().iter().flat_map(|&(target, new)| [target, new]).collect();
        for (node, n) in self.graph.nodes().iter().enumerate() {
            let value = Value { node, slot: 0 };
            if !read.contains(&value) && !updated.contains(&value) {
                continue;
            }
            let place = match &n.kind {
                Kind::Op(_) => continue,
                Kind::Parameter | Kind::State => Place::Variable(n.name.clone()),
                Kind::Constant(_) => Place::Constant(node),
                Kind::Input => {
                    let last = self.last_use.get(&value).copied().unwrap_or(self.prologue);
                    Place::Shared(self.block(&n.name, n.outputs[0].bytes(), self.prologue, last))
                }
            };
            self.places.insert(value, place);
        }
    }

    fn place_node(&mut self, gpu: &Gpu, at: usize, node: usize) -> Result<Step> {
        let n = &self.graph.nodes()[node];
        let Kind::Op(op) = &n.kind else { unreachable!("only ops are scheduled") };
        let inputs: Vec<TensorType> = n.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let work = match op.is_view() {
            true => Work::default(),
            false => op.launches(&LaunchCx { inputs: &inputs, outputs: &n.outputs, profile: gpu.profile() })?,
        };
        for slot in 0..n.outputs.len() {
            let value = Value { node, slot };
            let place = if op.is_view() {
                self.places[&n.inputs[0]].clone()
            } else if let Some(place) = self.variable_to_update(at, value, op) {
                place
            } else if let Some(place) = self.overwritten_input(at, value, op) {
                place
            } else {
                Place::Shared(self.block(&n.name, n.outputs[slot].bytes(), at, at))
            };
            if let Place::Shared(block) = place {
                let last = self.last_use.get(&value).copied().unwrap_or(at);
                self.blocks[block].last = self.blocks[block].last.max(last);
            }
            self.places.insert(value, place);
        }
        let scratch = work.scratch.iter().map(|&bytes| self.block(&n.name, bytes, at, at)).collect();
        Ok(Step { node, work, scratch })
    }

    fn block(&mut self, name: &str, bytes: u64, first: usize, last: usize) -> usize {
        let size = (bytes.max(4) + 2 * self.guard).next_multiple_of(self.align);
        self.blocks.push(Block { bytes: size, first, last });
        self.owners.push((name.to_string(), bytes));
        self.blocks.len() - 1
    }

    /// The variable that `value` updates, if it may be written right away: the op works in place on the variable,
    /// and nobody reads the old value afterwards.
    fn variable_to_update(&self, at: usize, value: Value, op: &OpRef) -> Option<Place> {
        let &(target, _) = self.graph.updates().iter().find(|(_, new)| *new == value)?;
        let inputs = &self.graph.nodes()[value.node].inputs;
        let over_target = |&&(i, o): &&(usize, usize)| o == value.slot && inputs[i] == target;
        op.in_place().iter().find(over_target)?;
        let read_once = inputs.iter().filter(|&&v| v == target).count() == 1;
        let read_last = self.last_use.get(&target).is_none_or(|&last| last <= at);
        (read_once && read_last).then(|| Place::Variable(self.graph.name(target).to_string()))
    }

    /// The block of an input that ends its life here and that the op may overwrite.
    fn overwritten_input(&self, at: usize, value: Value, op: &OpRef) -> Option<Place> {
        if self.options.no_in_place {
            return None;
        }
        let node = &self.graph.nodes()[value.node];
        let candidates = op.in_place().iter().filter(|&&(_, o)| o == value.slot);
        candidates.map(|&(i, _)| (i, &self.places[&node.inputs[i]])).find_map(|(i, place)| {
            let Place::Shared(block) = place else { return None };
            let (from, to) = (self.graph.ty(node.inputs[i]), self.graph.ty(value));
            let same_size = from.bytes() == to.bytes() && (from.dtype == DType::F16) == (to.dtype == DType::F16);
            let read_once = node.inputs.iter().filter(|v| self.places[v] == *place).count() == 1;
            // An earlier output of this node may already have taken the block.
            let taken = (0..value.slot).any(|slot| self.places[&Value { node: value.node, slot }] == *place);
            let free = self.blocks[*block].last == at;
            (same_size && read_once && free && !taken && at >= self.prologue).then(|| place.clone())
        })
    }

    /// Updates whose new value does not already lie in the variable.
    fn pending_copies(&self) -> Vec<(Value, String)> {
        let name = |target: &Value| self.graph.name(*target).to_string();
        let pending = self.graph.updates().iter().map(|(target, new)| (*new, name(target)));
        let mut copies: Vec<(Value, String)> =
            pending.filter(|(new, name)| self.places[new] != Place::Variable(name.clone())).collect();
        copies.sort_by_key(|(new, _)| *new);
        debug_assert!(copies.iter().all(|(new, _)| self.last_use[new] == self.end));
        copies
    }
}
