//! Times the convolutions of the built-in list of layers, a line of JSON for each pass: `cargo bench --bench kernels`.
//! `wgvision bench kernels` does the same with options.

use wgvision::engine::bench::{Ceilings, Method, built_in_layers, time_layer};
use wgvision::gpu::Gpu;

fn main() -> wgvision::Result<()> {
    let gpu = Gpu::open()?;
    let method = Method { runs: 5, train: true, ceilings: Ceilings::measure(&gpu)? };
    for layer in built_in_layers() {
        for line in time_layer(&gpu, &layer, &method)? {
            println!("{}", serde_json::to_string(&line).expect("plain data"));
        }
    }
    Ok(())
}
