//! Precision over recall, a curve for each class, as a picture.
//!
//! A curve is drawn as it is measured: made to fall, so that the area under it is the AP. With many classes they are
//! pale and only their mean is strong.

use std::path::Path;

use image::{DynamicImage, RgbImage, imageops};
use plotters::prelude::*;

use super::curves::{COLOURS, FONT, INK, OVERSAMPLE, plain};
use crate::{Error, Result};

/// One class.
#[derive(Clone, Copy, Debug)]
pub struct PrCurve<'a> {
    /// Its name.
    pub name: &'a str,
    /// Recall and precision after each detection, surest first.
    pub points: &'a [[f64; 2]],
    /// Average precision; classes without one are not drawn.
    pub ap: Option<f64>,
}

/// More classes than this have no colours of their own.
const DISTINCT: usize = COLOURS.len();
/// Width and height of the picture.
const SIZE: (u32, u32) = (660, 560);
/// Points at which the mean is taken.
const RECALLS: usize = 101;

/// Draws the curves and writes them to `png`. `title` goes above them.
pub fn pr_curves_png(curves: &[PrCurve], title: &str, png: impl AsRef<Path>) -> Result<()> {
    let png = png.as_ref();
    let picture = DynamicImage::from(pr_curves(curves, title));
    picture.save(png).map_err(|e| Error::file(png, format!("cannot be written as a picture: {e}")))
}

/// The curves as a picture.
pub fn pr_curves(curves: &[PrCurve], title: &str) -> RgbImage {
    assert!(*FONT, "the font that ships with the crate");
    let (width, height) = (SIZE.0 * OVERSAMPLE, SIZE.1 * OVERSAMPLE);
    let mut large = RgbImage::new(width, height);
    draw(&mut large, curves, title).expect("drawing in memory");
    imageops::resize(&large, SIZE.0, SIZE.1, imageops::FilterType::Triangle)
}

fn draw(large: &mut RgbImage, curves: &[PrCurve], title: &str) -> Result<(), Box<dyn std::error::Error>> {
    let size = large.dimensions();
    let root = BitMapBackend::with_buffer(large, size).into_drawing_area();
    root.fill(&WHITE)?;
    let font = |size: u32| ("sans-serif", size * OVERSAMPLE).into_font().color(&INK);
    let mut chart = ChartBuilder::on(&root)
        .margin(14 * OVERSAMPLE)
        .caption(title, font(17))
        .x_label_area_size(44 * OVERSAMPLE)
        .y_label_area_size(58 * OVERSAMPLE)
        .build_cartesian_2d(0.0..1.0, 0.0..1.02)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225).stroke_width(OVERSAMPLE))
        .axis_style(INK.stroke_width(OVERSAMPLE))
        .set_all_tick_mark_size(4 * OVERSAMPLE)
        .label_style(font(13))
        .axis_desc_style(font(15))
        .x_desc("recall")
        .y_desc("precision")
        .x_label_formatter(&|v| plain(*v))
        .y_label_formatter(&|v| plain(*v))
        .draw()?;
    let measured: Vec<(&PrCurve, f64)> = curves.iter().filter_map(|c| Some((c, c.ap?))).collect();
    let many = measured.len() > DISTINCT;
    let mut strong =
        |name: String, points: Vec<(f64, f64)>, colour: RGBColor| -> Result<(), Box<dyn std::error::Error>> {
            let style = colour.stroke_width(2 * OVERSAMPLE);
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 22 * OVERSAMPLE as i32, y)], style);
            chart.draw_series(LineSeries::new(points, style))?.label(name).legend(legend);
            Ok(())
        };
    if !many {
        for ((curve, ap), colour) in measured.iter().zip(COLOURS) {
            strong(format!("{}, AP {ap:.3}", curve.name), steps(curve.points), colour)?;
        }
    } else {
        let mean = measured.iter().map(|m| m.1).sum::<f64>() / measured.len() as f64;
        let name = format!("mean of {} classes, AP {mean:.3}", measured.len());
        strong(name, average(&measured), COLOURS[0])?;
        for (curve, _) in &measured {
            let pale = COLOURS[0].mix(0.18).stroke_width(OVERSAMPLE);
            chart.draw_series(LineSeries::new(steps(curve.points), pale))?;
        }
    }
    if !measured.is_empty() {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .margin(10 * OVERSAMPLE)
            .legend_area_size(30 * OVERSAMPLE)
            .label_font(font(14))
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(210, 210, 210).stroke_width(OVERSAMPLE))
            .draw()?;
    }
    root.present()?;
    Ok(())
}

/// The precision at each point made to fall: the largest from it on.
fn falling(points: &[[f64; 2]]) -> Vec<f64> {
    let mut largest: f64 = 0.0;
    let mut out: Vec<f64> = points
        .iter()
        .rev()
        .map(|p| {
            largest = largest.max(p[1]);
            largest
        })
        .collect();
    out.reverse();
    out
}

/// The falling curve as a line of steps, down to the axis where it ends.
fn steps(points: &[[f64; 2]]) -> Vec<(f64, f64)> {
    let (mut line, mut last) = (Vec::new(), 0.0);
    for (point, precision) in points.iter().zip(falling(points)) {
        line.extend([(last, precision), (point[0], precision)]);
        last = point[0];
    }
    line.push((last, 0.0));
    line
}

/// Mean of the falling curves at evenly spaced recalls.
fn average(curves: &[(&PrCurve, f64)]) -> Vec<(f64, f64)> {
    let falling: Vec<Vec<f64>> = curves.iter().map(|(c, _)| falling(c.points)).collect();
    let at = |i: usize| {
        let recall = i as f64 / (RECALLS - 1) as f64;
        let precision = |(curve, falling): (&(&PrCurve, f64), &Vec<f64>)| {
            falling.get(curve.0.points.partition_point(|p| p[0] < recall)).copied().unwrap_or(0.0)
        };
        (recall, curves.iter().zip(&falling).map(precision).sum::<f64>() / curves.len() as f64)
    };
    (0..RECALLS).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: [[f64; 2]; 4] = [[0.25, 1.0], [0.25, 0.5], [0.5, 2.0 / 3.0], [0.5, 0.5]];

    fn ink(picture: &RgbImage, colour: RGBColor) -> usize {
        let near = |p: &&image::Rgb<u8>| {
            p[0].abs_diff(colour.0) < 24 && p[1].abs_diff(colour.1) < 24 && p[2].abs_diff(colour.2) < 24
        };
        picture.pixels().filter(near).count()
    }

    #[test]
    fn the_area_under_the_line_is_the_ap() {
        let line = steps(&CURVE);
        let area: f64 = line.windows(2).map(|p| (p[1].0 - p[0].0) * p[1].1).sum();
        assert!((area - (0.25 + 0.25 * 2.0 / 3.0)).abs() < 1e-12);
        assert_eq!(line.last(), Some(&(0.5, 0.0)));
        let curve = PrCurve { name: "x", points: &CURVE, ap: Some(0.4) };
        let mean = average(&[(&curve, 0.4), (&curve, 0.4)]);
        assert_eq!((mean[25].1, mean[26].1, mean[51].1), (1.0, 2.0 / 3.0, 0.0));
    }

    #[test]
    fn few_classes_have_colours_and_many_a_mean() {
        let curve = |name| PrCurve { name, points: &CURVE, ap: Some(0.4167) };
        let folder = tempfile::tempdir().unwrap();
        let few = pr_curves(&[curve("RBC"), PrCurve { points: &CURVE[..1], ..curve("WBC") }], "IoU 0.50");
        assert!(ink(&few, COLOURS[0]) > 300 && ink(&few, COLOURS[1]) > 200);
        let names: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        let many: Vec<PrCurve> = names.iter().map(|n| curve(n)).collect();
        assert!(ink(&pr_curves(&many, ""), COLOURS[0]) > 300);
        let unmeasured = PrCurve { ap: None, ..curve("none") };
        assert_eq!(pr_curves(&[unmeasured], "").dimensions(), SIZE);
        let path = folder.path().join("pr.png");
        pr_curves_png(&[curve("RBC")], "x", &path).unwrap();
        assert_eq!(image::image_dimensions(&path).unwrap(), SIZE);
        assert!(pr_curves_png(&[], "x", folder.path().join("no/pr.png")).unwrap_err().to_string().contains("pr.png"));
    }
}
