//! Segments a picture with a trained model and saves the overlay.
//!
//! `cargo run --release --example segment -- demo/best.safetensors picture.png overlay.png`

use wgvision::data::picture::read_picture;
use wgvision::draw::overlay::{Style, overlay};
use wgvision::engine::Segmenter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output] = &args[..] else { return Err("usage: segment MODEL PICTURE OVERLAY".into()) };

    let picture = read_picture(input)?;
    let found = Segmenter::load(model)?.segment(&picture)?;

    let share = found.mask.iter().filter(|&&class| class > 0).count() as f64 / found.mask.len() as f64;
    println!("{:.1} % of the picture is foreground", 100.0 * share);
    overlay(&picture, &found.mask, Style::default()).save(output)?;
    Ok(())
}
