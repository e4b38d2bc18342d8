//! Times whole networks, first run and median of the later ones: `cargo bench --bench models`.
//! `wgvision bench models` does the same and shows the slowest nodes.

use wgvision::engine::bench_models::{time_model, usual_cases};
use wgvision::gpu::Gpu;

fn main() -> wgvision::Result<()> {
    let gpu = Gpu::open()?;
    for case in usual_cases() {
        let time = time_model(&gpu, &case, 5)?;
        println!("{}: first {:.0} ms, then {:.1} ms", case.name, time.first_ms, time.median_ms);
    }
    Ok(())
}
