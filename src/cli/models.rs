//! `wgvision models`: what can be built.

use crate::Result;
use crate::graph::{Graph, thousands};
use crate::models::unet::{Padding, UNet};
use crate::nn::Net;
use crate::tensor::TensorType;
use clap::Args;

#[derive(Args)]
pub struct ModelsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ModelsArgs) -> Result<()> {
    let paper = UNet { in_channels: 1, classes: 2, padding: Padding::Valid, ..Default::default() };
    let small = UNet { width: 16, batch_norm: true, ..Default::default() };
    let rows = [
        ("unet (the paper's: valid padding, 2 classes)", paper, 572),
        ("unet (default: same padding, binary)", UNet::default(), 512),
        ("unet (width 16, batch norm)", small, 256),
    ];
    let mut listed = Vec::new();
    for (name, unet, side) in rows {
        let mut graph = Graph::new();
        let x = graph.input("images", TensorType::f32([1, side, side, unet.in_channels]))?;
        let mut net = Net::new(&mut graph, false);
        unet.build(&mut net, x)?;
        let parameters: u64 = net.specs.iter().map(|s| s.ty.elements() as u64).sum();
        let multiply_adds: u64 = graph.layers().iter().map(|l| l.multiply_adds).sum();
        listed.push((name, side, parameters, multiply_adds, unet));
    }
    if args.json {
        let value: Vec<_> = listed
            .iter()
            .map(|(name, side, p, m, unet)| {
                serde_json::json!({ "arch": "unet", "name": name, "size": side, "parameters": p, "multiply_adds": m,
                    "config": unet, "source": SOURCE })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&value).expect("plain data"));
        return Ok(());
    }
    println!("{:<46} {:>9} {:>14} {:>18}", "architecture", "size", "parameters", "multiply-adds");
    for (name, side, p, m, _) in &listed {
        println!("{name:<46} {:>9} {:>14} {:>18}", format!("{side}x{side}"), thousands(*p), thousands(*m));
    }
    println!(
        "\nunet: {SOURCE}\nConfiguration: --config '{}'",
        serde_json::to_string(&UNet::default()).expect("plain data")
    );
    Ok(())
}

const SOURCE: &str = "Ronneberger, Fischer, Brox, MICCAI 2015";
