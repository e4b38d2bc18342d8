//! `wgvision info`.

use super::DeviceArgs;
use crate::Result;
use crate::gpu::{AdapterFacts, FAMILIES, adapters};
use clap::Args;

#[derive(Args)]
pub struct InfoArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &InfoArgs, device: &DeviceArgs) -> Result<()> {
    let all = adapters();
    let gpu = device.open()?;
    let used = gpu.facts().index;
    if args.json {
        let variants: serde_json::Map<_, _> =
            FAMILIES.iter().map(|f| (f.name.to_string(), f.variants.into())).collect();
        let value = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "adapters": all, "used": used,
            "checked": gpu.checked(), "immediate_bytes": gpu.immediate_bytes(), "loads_f16": gpu.profile().f16, "cooperative": gpu.cooperative(),
            "forced": gpu.profile().forced.to_string(), "variants": variants, "tuned": gpu.profile().tuned.len() });
        println!("{}", serde_json::to_string_pretty(&value).expect("plain data"));
        return Ok(());
    }
    println!("wgvision {}", env!("CARGO_PKG_VERSION"));
    for adapter in &all {
        print(adapter, adapter.index == used);
    }
    match gpu.immediate_bytes() {
        0 => println!("\nKernels get their parameters from uniform buffers."),
        most => {
            println!("\nKernels get parameters of up to {most} bytes as immediates, larger ones from uniform buffers.")
        }
    }
    let half = if gpu.profile().f16 { "of the device's type f16" } else { "packed into words" };
    println!("Tensors in half precision, where asked for, are {half}.");
    println!("Cooperative matrices: {}.", gpu.cooperative());
    let forced = &gpu.profile().forced;
    if !forced.is_empty() {
        println!("Kernels are forced where shapes allow (WGVISION_VARIANT): {forced}.");
    }
    match gpu.profile().tuned.len() {
        0 => println!("Convolutions are chosen by rule; `wgvision tune` times them instead."),
        n => println!(
            "{n} convolutions are chosen by their times (`wgvision tune`); WGVISION_TUNED=0 keeps to the rule."
        ),
    }
    println!("The engine uses adapter {used}. Choose another with --adapter NAME|INDEX or WGVISION_ADAPTER.");
    Ok(())
}

fn print(a: &AdapterFacts, used: bool) {
    let (l, f) = (&a.limits, &a.features);
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let yes = |present: bool| if present { "yes" } else { "no" };
    println!("\n{}{}: {} ({:?}, {}, {})", if used { "* " } else { "  " }, a.index, a.name, a.kind, a.backend, a.driver);
    println!("    largest buffer            {}", mib(l.max_buffer));
    println!("    largest storage binding   {}", mib(l.max_storage_binding));
    println!("    storage buffers a kernel  {}", l.max_storage_buffers);
    println!("    invocations a workgroup   {}", l.max_invocations);
    println!("    workgroup memory          {} KiB", l.workgroup_memory >> 10);
    println!("    storage alignment         {} bytes", l.storage_alignment);
    println!(
        "    f16 {}, subgroups {}, timestamps {}, pipeline cache {}, immediates {}",
        yes(f.f16),
        yes(f.subgroups),
        yes(f.timestamps),
        yes(f.pipeline_cache),
        yes(f.immediates)
    );
    if !a.cooperative.is_empty() {
        println!("    cooperative matrices      {}", a.cooperative.join(", "));
    }
}
