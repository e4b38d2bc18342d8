//! `wgvision bench`.

use super::DeviceArgs;
use crate::engine::bench;
use crate::{Error, Result};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Args)]
pub struct BenchArgs {
    /// kernels: convolutions of a list of layers.
    #[arg(value_parser = ["kernels"])]
    what: String,
    /// The list, in JSON (default: a built-in list of layers of well-known networks).
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
    /// Only these layers, by id.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the training pass out.
    #[arg(long)]
    forward: bool,
    /// Also write the results as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &BenchArgs, device: &DeviceArgs) -> Result<()> {
    let layers = match &args.layers {
        Some(path) => bench::read_layers(path)?,
        None => bench::built_in_layers(),
    };
    let known = |id: &String| layers.iter().any(|l| l.id == *id);
    if let Some(id) = args.only.iter().find(|id| !known(id)) {
        let ids: Vec<&str> = layers.iter().map(|l| l.id.as_str()).collect();
        return Err(Error::Usage(format!("no layer is named '{id}'; there are: {}", ids.join(", "))));
    }
    let gpu = device.open()?;
    let mut all = Vec::new();
    for layer in layers.iter().filter(|l| args.only.is_empty() || args.only.contains(&l.id)) {
        for line in bench::time_layer(&gpu, layer, !args.forward)? {
            println!("{}", serde_json::to_string(&line).expect("plain data"));
            // A reader at the other end of a pipe wants each line when it is measured.
            let _ = std::io::stdout().flush();
            all.push(line);
        }
    }
    match &args.json {
        Some(path) => super::write_json(path, &all),
        None => Ok(()),
    }
}
