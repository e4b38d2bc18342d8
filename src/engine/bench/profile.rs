//! Where the time of a run goes: by node and by kernel, each beside the share it reaches of what the device can do.

use super::{Ceilings, Share};
use crate::gpu::{Cost, Gpu, NodeTime};
use crate::graph::Executable;
use crate::tensor::Tensor;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Time of something that ran, on the device.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// A node's name, or a kernel's label.
    pub name: String,
    /// The kernels of a node, or the number of nodes that launch a kernel.
    pub of: String,
    /// Milliseconds: the median of some runs.
    pub ms: f64,
    /// Share of the whole, 0 to 1.
    pub part: f64,
    /// What it says it does.
    #[serde(flatten)]
    pub cost: Cost,
    /// What of the device it uses.
    pub share: Share,
}

/// A run taken apart.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Sum over all nodes, in milliseconds.
    pub total_ms: f64,
    /// What the whole uses of the device.
    pub share: Share,
    /// What shares are of.
    pub ceilings: Ceilings,
    /// By node, slowest first.
    pub nodes: Vec<Row>,
    /// By kernel, slowest first.
    pub kernels: Vec<Row>,
}

/// Times every node in `runs` runs, after those that compile and warm up. Fails where the device keeps no time.
pub fn measure(
    gpu: &Gpu,
    executable: &mut Executable,
    inputs: &[(&str, &Tensor)],
    runs: usize,
    ceilings: Ceilings,
) -> Result<Profile> {
    executable.run(inputs)?.wait()?;
    super::warm_up(|| executable.run(inputs)?.wait().map(drop))?;
    let mut all = Vec::new();
    for _ in 0..runs.max(1) {
        all.push(executable.time(inputs)?.ok_or_else(|| without_clock(gpu))?);
    }
    Ok(Profile::of(&medians(all), ceilings))
}

fn without_clock(gpu: &Gpu) -> Error {
    let name = &gpu.facts().name;
    Error::Device(format!(
        "{name} keeps no time of its own (no timestamp queries): `bench models` times whole networks on it"
    ))
}

/// One run whose launches took the medians of all.
fn medians(mut runs: Vec<Vec<NodeTime>>) -> Vec<NodeTime> {
    let mut middle = runs.pop().expect("at least one run");
    for (n, node) in middle.iter_mut().enumerate() {
        for (l, launch) in node.launches.iter_mut().enumerate() {
            let others = runs.iter().map(|run| run[n].launches[l].ms);
            launch.ms = super::Times::of(others.chain([launch.ms]).collect()).median_ms;
        }
    }
    middle
}

impl Profile {
    /// Adds up a run.
    pub fn of(nodes: &[NodeTime], ceilings: Ceilings) -> Self {
        let total_ms: f64 = nodes.iter().map(NodeTime::ms).sum();
        let row = |name: &str, of: String, ms: f64, cost: Cost| {
            let part = if total_ms > 0.0 { ms / total_ms } else { 0.0 };
            Row { name: name.to_string(), of, ms, part, cost, share: ceilings.share(cost, ms) }
        };
        let sum = |node: &NodeTime| node.launches.iter().fold(Cost::default(), |sum, l| sum + l.cost);
        let by_node = nodes.iter().map(|n| row(&n.node, n.kernels().join(", "), n.ms(), sum(n)));
        let mut kernels: BTreeMap<&str, (usize, f64, Cost)> = BTreeMap::new();
        for launch in nodes.iter().flat_map(|n| &n.launches) {
            let (count, ms, cost) = kernels.entry(launch.kernel).or_default();
            (*count, *ms, *cost) = (*count + 1, *ms + launch.ms, *cost + launch.cost);
        }
        let nodes_of = |count: usize| format!("{count} node{}", if count == 1 { "" } else { "s" });
        let by_kernel = kernels.into_iter().map(|(label, (count, ms, cost))| row(label, nodes_of(count), ms, cost));
        let (mut by_node, mut by_kernel): (Vec<Row>, Vec<Row>) = (by_node.collect(), by_kernel.collect());
        let whole = nodes.iter().map(sum).fold(Cost::default(), |a, b| a + b);
        for rows in [&mut by_node, &mut by_kernel] {
            rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        }
        Self { total_ms, share: ceilings.share(whole, total_ms), ceilings, nodes: by_node, kernels: by_kernel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::LaunchTime;

    fn launch(kernel: &'static str, ms: f64, flops: u64, bytes: u64) -> LaunchTime {
        LaunchTime { kernel, ms, cost: Cost { flops, bytes } }
    }

    fn node(name: &str, launches: &[LaunchTime]) -> NodeTime {
        NodeTime { node: name.into(), launches: launches.to_vec() }
    }

    #[test]
    fn kernels_add_up_over_nodes_and_the_slowest_comes_first() {
        let nodes = [
            node("a", &[launch("conv", 1.0, 40_000_000, 1_000_000), launch("sum", 1.0, 0, 5_000_000)]),
            node("b", &[launch("conv", 6.0, 260_000_000, 2_000_000)]),
        ];
        let profile = Profile::of(&nodes, Ceilings { gflops: 100.0, gbytes: 10.0 });
        assert_eq!(profile.total_ms, 8.0);
        let names = |rows: &[Row]| rows.iter().map(|r| (r.name.clone(), r.of.clone(), r.ms)).collect::<Vec<_>>();
        let row = |name: &str, of: &str, ms| (name.to_string(), of.to_string(), ms);
        assert_eq!(names(&profile.nodes), [row("b", "conv", 6.0), row("a", "conv, sum", 2.0)]);
        assert_eq!(names(&profile.kernels), [row("conv", "2 nodes", 7.0), row("sum", "1 node", 1.0)]);
        assert_eq!(profile.kernels[0].cost, Cost { flops: 300_000_000, bytes: 3_000_000 });
        assert_eq!(profile.kernels[0].part, 7.0 / 8.0);
        assert_eq!(profile.kernels[1].share.binding(), (0.5, "bandwidth"));
        assert_eq!(profile.nodes[0].share.binding().1, "arithmetic");
        assert!((profile.share.gflops - 37.5).abs() < 1e-9);
    }

    #[test]
    fn each_launch_takes_its_own_median() {
        let run = |a: f64, b: f64| vec![node("n", &[launch("x", a, 1, 1), launch("y", b, 1, 1)])];
        let middle = medians(vec![run(1.0, 9.0), run(3.0, 7.0), run(2.0, 8.0)]);
        assert_eq!(middle[0].launches.iter().map(|l| l.ms).collect::<Vec<_>>(), [2.0, 8.0]);
    }
}
