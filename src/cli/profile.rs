//! `wgvision profile`: where the time of an inference or a training step goes.

use super::DeviceArgs;
use super::network::{NetworkArgs, PrecisionArgs};
use super::table::{percent, table};
use crate::Result;
use crate::engine::bench::profile::{Profile, Row, measure};
use crate::engine::bench::{Ceilings, Share};
use crate::engine::network::pass_name;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Runs whose median counts, after those that compile and warm up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Rows of each table; 0: all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write all rows as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &ProfileArgs, device: &DeviceArgs) -> Result<()> {
    let (network, [h, w]) = args.network.network()?;
    let (train, batch, precision) = (args.network.train, args.network.batch, args.precision.precision);
    let gpu = device.open()?;
    let mut ready = network.compile(&gpu, train, batch, [h, w], precision)?;
    let ceilings = Ceilings::measure(&gpu)?;
    let (executable, inputs) = ready.parts();
    let profile = measure(&gpu, executable, &inputs, args.runs, ceilings)?;
    let pass = pass_name(train, precision);
    let facts = gpu.facts();
    println!(
        "{}, {pass} of {batch} x {h}x{w}, random weights, on {} ({})",
        args.network.title(),
        facts.name,
        facts.driver
    );
    println!("{}", said(&ceilings));
    let (share, bound) = profile.share.binding();
    let Share { gflops, gbytes, .. } = profile.share;
    println!(
        "{:.2} ms on the device in {} commands: {gflops:.1} GFLOP/s, {gbytes:.1} GB/s, {} of {bound}",
        profile.total_ms,
        executable.commands(),
        percent(share)
    );
    print!("\n{}", listing(&profile.kernels, "<kernel", "<launched by", args.top));
    print!("\n{}", listing(&profile.nodes, "<node", "<kernels", args.top));
    let Some(path) = &args.json else { return Ok(()) };
    let Profile { total_ms, share, kernels, nodes, .. } = profile;
    let all = json!({
        "network": args.network.title(), "pass": pass, "batch": batch, "size": [h, w], "precision": precision,
        "adapter": facts.name, "driver": facts.driver, "ceilings": ceilings,
        "total_ms": total_ms, "share": share, "kernels": kernels, "nodes": nodes,
    });
    super::write_json(path, &all)
}

/// The ceilings in a line.
pub fn said(ceilings: &Ceilings) -> String {
    let Ceilings { gflops, gbytes } = ceilings;
    format!(
        "ceilings measured now: {gflops:.1} GFLOP/s (multiply-adds in registers), {gbytes:.1} GB/s (copying large buffers)"
    )
}

fn listing(rows: &[Row], name: &str, of: &str, top: usize) -> String {
    let shown = if top == 0 { rows.len() } else { top.min(rows.len()) };
    let cells = |row: &Row| {
        let (share, bound) = row.share.binding();
        let rates = [row.share.gflops, row.share.gbytes].map(|rate| format!("{rate:.2}"));
        let [gflops, gbytes] = rates;
        let ms = format!("{:.3}", row.ms);
        vec![ms, percent(row.part), gflops, gbytes, percent(share), bound.to_string(), row.name.clone(), row.of.clone()]
    };
    let header = ["ms", "of all", "GFLOP/s", "GB/s", "of ceiling", "<which", name, of];
    let mut text = table(&header, &rows[..shown].iter().map(cells).collect::<Vec<_>>());
    let left: f64 = rows[shown..].iter().map(|r| r.ms).sum();
    if shown < rows.len() {
        text += &format!("{left:.3} ms in {} more (--top 0 shows all)\n", rows.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Cost, LaunchTime, NodeTime};

    #[test]
    fn what_is_not_shown_is_counted() {
        let node = |name: &str, ms| NodeTime {
            node: name.into(),
            launches: vec![LaunchTime { kernel: "k", ms, cost: Cost { flops: 1_000_000, bytes: 0 } }],
        };
        let profile =
            Profile::of(&[node("a", 1.0), node("b", 2.0), node("c", 0.5)], Ceilings { gflops: 1.0, gbytes: 1.0 });
        let text = listing(&profile.nodes, "<node", "<kernels", 2);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "   ms  of all  GFLOP/s  GB/s  of ceiling  which       node  kernels");
        assert_eq!(lines[1], "2.000  57.1 %     0.50  0.00      50.0 %  arithmetic  b     k");
        assert_eq!(lines[3], "0.500 ms in 1 more (--top 0 shows all)");
        assert_eq!(listing(&profile.nodes, "<node", "<kernels", 0).lines().count(), 4);
    }
}
