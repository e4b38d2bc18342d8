//! Objects in a picture with their masks, by a trained Mask R-CNN.
//!
//!     cargo run --release --example instances -- MODEL PICTURE OUT.png

use wgvision::data::picture::{read_picture, write_picture};
use wgvision::draw::instances::instances;
use wgvision::engine::Detector;

fn main() -> wgvision::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, picture, out] = &arguments[..] else {
        eprintln!("usage: instances MODEL PICTURE OUT.png");
        std::process::exit(2);
    };
    let mut detector = Detector::load(model)?;
    let classes = detector.model().classes().to_vec();
    let picture = read_picture(picture)?;
    let found = detector.detect_instances(&picture)?;
    for object in &found {
        let (class, score, pixels) = (&classes[object.found.class], object.found.score, object.mask.area());
        println!("{class} {score:.2} {:?} {pixels} pixels", object.found.bbox);
    }
    write_picture(out, &instances(&picture, &found, &classes).into())
}
