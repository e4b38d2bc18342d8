//! Times whole networks, first run and median of the later ones: `cargo bench --bench models`.
//! `wgvision bench models` does the same and shows the slowest kernels.

use wgvision::engine::bench::Ceilings;
use wgvision::engine::bench_models::{time_model, usual_cases};
use wgvision::gpu::Gpu;

fn main() -> wgvision::Result<()> {
    let gpu = Gpu::open()?;
    let ceilings = Ceilings::measure(&gpu)?;
    for case in usual_cases()? {
        let time = time_model(&gpu, &case, 5, ceilings)?;
        println!("{}, {}: first {:.0} ms, then {:.1} ms", case.name, case.pass(), time.first_ms, time.wall.median_ms);
    }
    Ok(())
}
