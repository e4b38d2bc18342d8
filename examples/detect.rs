//! Finds objects in a picture: `cargo run --release --example detect -- model.safetensors picture.jpg`.

use wgvision::data::picture::read_picture;
use wgvision::engine::Detector;

fn main() -> wgvision::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(first)) = (args.next(), args.next()) else {
        eprintln!("usage: detect MODEL.safetensors PICTURE...");
        std::process::exit(2);
    };
    let mut detector = Detector::load(model)?;
    let classes = detector.model().classes().to_vec();

    let picture = read_picture(first)?;
    for found in detector.detect(&picture)? {
        let [x, y, w, h] = found.bbox.xywh();
        println!("{:<16} {:5.1} %  at {x:.0},{y:.0} size {w:.0}x{h:.0}", classes[found.class], 100.0 * found.score);
    }

    // Several pictures go through the network together.
    let more: Vec<_> = args.map(read_picture).collect::<Result<_, _>>()?;
    for (i, found) in detector.detect_batch(&more.iter().collect::<Vec<_>>())?.iter().enumerate() {
        println!("picture {}: {} objects", i + 2, found.len());
    }
    Ok(())
}
