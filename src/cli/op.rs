//! `wgvision op`: one kernel on tensors from a file, in PyTorch's language.

use super::DeviceArgs;
use crate::graph::run_entry;
use crate::ops::{Entry, REGISTRY, entry};
use crate::weights::TensorFile;
use crate::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct OpArgs {
    /// Name of the op; see --list.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Print every op with its arguments, attributes and defaults.
    #[arg(long)]
    list: bool,
    /// Attributes as a JSON object, or @FILE.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    attrs: String,
    /// Input tensors: safetensors, NCHW and OIHW, named as --list says.
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    inputs: Option<PathBuf>,
    /// Where results go.
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Also compute gradients; the inputs then hold grad_y too.
    #[arg(long)]
    grad: bool,
}

pub fn run(args: &OpArgs, device: &DeviceArgs) -> Result<()> {
    if args.list {
        let chosen = args.name.as_deref();
        for e in REGISTRY.iter().filter(|e| chosen.is_none_or(|n| n == e.name)) {
            print_entry(e);
        }
        return Ok(());
    }
    let (Some(name), Some(inputs), Some(output)) = (&args.name, &args.inputs, &args.output) else {
        return Err(Error::Usage("op needs NAME, --inputs and --output".into()));
    };
    let entry = entry(name)?;
    let attrs = super::json_argument("--attrs", &args.attrs)?;
    let tensors = TensorFile::read(inputs)?.tensors;
    let gpu = device.open()?;
    let results = run_entry(&gpu, entry, &attrs, &tensors, args.grad)?;
    for (name, tensor) in &results {
        println!("{name}: {}", tensor.ty());
    }
    let metadata = [("op".to_string(), name.clone()), ("attrs".to_string(), attrs.to_string())].into();
    TensorFile { metadata, tensors: results }.write(output)
}

fn print_entry(e: &Entry) {
    println!("{}: {}", e.name, e.summary);
    let args: Vec<String> = e
        .args
        .iter()
        .map(|a| {
            let open = if a.optional { ("[", "]") } else { ("", "") };
            format!("{}{}: {}{}", open.0, a.name, a.dtype, open.1)
        })
        .collect();
    println!("    tensors     {}", args.join(", "));
    println!("    results     {}", e.outputs.join(", "));
    for a in e.attrs {
        println!("    {:<18} {:<10} {}", a.name, a.default, a.doc);
    }
    match e.gradient {
        Ok(()) => {}
        Err(why) => println!("    no gradient: {why}"),
    }
}
