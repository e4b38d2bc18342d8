//! Training curves: `metrics.csv` drawn as a PNG, losses on the left and scores on the right.
//!
//! Columns with "loss" in their name are losses; `epoch`, `lr` and times are not drawn; all others are scores.
//! Noisy series are drawn pale, with their running mean on top.

use std::path::Path;
use std::sync::LazyLock;

use image::{DynamicImage, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::log::Metrics;
use super::text;
use crate::{Error, Result};

/// Columns that are bookkeeping.
const UNDRAWN: [&str; 5] = ["epoch", "lr", "seconds", "time", "grad_norm"];
/// Drawn larger and scaled down, which smooths every line.
pub(super) const OVERSAMPLE: u32 = 3;
/// Height of the picture and width of each chart in pixels.
const SIZE: (u32, u32) = (440, 660);
/// Series with more points than this are drawn with their running mean.
const NOISY: usize = 60;
/// Losses that shrink by more than this factor are drawn on a logarithmic axis.
const LOGARITHMIC: f64 = 30.0;

pub(super) const INK: RGBColor = RGBColor(60, 60, 60);
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 98, 180),
    RGBColor(224, 108, 16),
    RGBColor(34, 139, 74),
    RGBColor(190, 40, 90),
    RGBColor(120, 80, 170),
    RGBColor(90, 90, 90),
];

pub(super) static FONT: LazyLock<bool> =
    LazyLock::new(|| register_font("sans-serif", FontStyle::Normal, text::FONT).is_ok());

/// Draws the curves of the `metrics.csv` at `csv` and writes them to `png`.
pub fn curves_png(csv: impl AsRef<Path>, png: impl AsRef<Path>) -> Result<()> {
    let png = png.as_ref();
    let picture = curves(&Metrics::read(csv)?);
    DynamicImage::from(picture).save(png).map_err(|e| Error::file(png, format!("cannot be written as a picture: {e}")))
}

/// The curves as a picture: one chart, or two beside each other.
pub fn curves(metrics: &Metrics) -> RgbImage {
    let drawn = metrics.columns.iter().filter(|c| !UNDRAWN.contains(&c.as_str()));
    let (losses, scores): (Vec<&String>, Vec<&String>) = drawn.partition(|c| c.contains("loss"));
    let last_step = metrics.rows.iter().map(|r| r.0).fold(1, u64::max) as f64;
    let charts: Vec<Chart> = [("loss", losses), ("score", scores)]
        .into_iter()
        .map(|(label, columns)| Chart::new(label, metrics, &columns, last_step))
        .filter(|chart| !chart.series.is_empty())
        .collect();

    let (height, width) = SIZE;
    let size = (width * OVERSAMPLE * charts.len().max(1) as u32, height * OVERSAMPLE);
    let mut large = RgbImage::new(size.0, size.1);
    {
        assert!(*FONT, "the font that ships with the crate");
        let root = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
        root.fill(&WHITE).expect("drawing in memory");
        for (area, chart) in root.split_evenly((1, charts.len().max(1))).iter().zip(&charts) {
            chart.draw(area);
        }
        root.present().expect("drawing in memory");
    }
    imageops::resize(&large, size.0 / OVERSAMPLE, size.1 / OVERSAMPLE, imageops::FilterType::Triangle)
}

/// One column over the steps.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    /// The running mean of a noisy series.
    mean: Option<Vec<(f64, f64)>>,
}

/// Series that share their axes.
struct Chart {
    label: &'static str,
    series: Vec<Series>,
    last_step: f64,
    y: (f64, f64),
    logarithmic: bool,
}

impl Chart {
    fn new(label: &'static str, metrics: &Metrics, columns: &[&String], last_step: f64) -> Self {
        let series: Vec<Series> = columns.iter().filter_map(|c| Series::new(metrics, c)).collect();
        // The running mean decides: a single spike must not flatten the rest.
        let shown = || series.iter().flat_map(|s| s.mean.as_ref().unwrap_or(&s.points)).map(|p| p.1);
        let (low, high) = range(shown());
        let logarithmic = label == "loss" && low > 0.0 && high / low > LOGARITHMIC;
        let y = if logarithmic {
            (low / 1.5, high * 1.5)
        } else if label == "score" && low >= 0.0 && high <= 1.0 {
            (((low * 10.0).floor() / 10.0 - 0.1).max(0.0), 1.0)
        } else {
            let low = if low >= 0.0 { 0.0 } else { low };
            (low, high + 0.08 * (high - low).max(1e-9))
        };
        Self { label, series, last_step, y, logarithmic }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) {
        if self.logarithmic {
            self.draw_on(area, (self.y.0..self.y.1).log_scale());
        } else {
            self.draw_on(area, self.y.0..self.y.1);
        }
    }

    /// Draws the chart over the vertical axis `y`.
    fn draw_on<DB, Y>(&self, area: &DrawingArea<DB, Shift>, y: Y)
    where
        DB: DrawingBackend,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        const ASK: &str = "drawing in memory";
        let font = |size: u32| ("sans-serif", size * OVERSAMPLE).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .margin(14 * OVERSAMPLE)
            .x_label_area_size(44 * OVERSAMPLE)
            .y_label_area_size(58 * OVERSAMPLE)
            .build_cartesian_2d(0.0..self.last_step, y)
            .expect(ASK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225).stroke_width(OVERSAMPLE))
            .axis_style(INK.stroke_width(OVERSAMPLE))
            .set_all_tick_mark_size(4 * OVERSAMPLE)
            .label_style(font(13))
            .axis_desc_style(font(15))
            .x_desc("step")
            .y_desc(self.label)
            .x_label_formatter(&|v| plain(*v))
            .y_label_formatter(&|v| plain(*v))
            .draw()
            .expect(ASK);
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let line = |points: &[(f64, f64)], style: ShapeStyle| LineSeries::new(points.to_vec(), style);
            if series.mean.is_some() {
                let pale = colour.mix(0.25).stroke_width(OVERSAMPLE);
                chart.draw_series(line(&series.within(self.y), pale)).expect(ASK);
            }
            let strong = colour.stroke_width(2 * OVERSAMPLE);
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 22 * OVERSAMPLE as i32, y)], strong);
            let points = series.mean.as_ref().unwrap_or(&series.points);
            let name = match self.label {
                "score" => format!("{}, best {:.3}", series.name, series.largest()),
                _ => series.name.clone(),
            };
            chart.draw_series(line(points, strong)).expect(ASK).label(name).legend(legend);
            if points.len() <= 30 {
                let dot = |p: &(f64, f64)| Circle::new(*p, 3 * OVERSAMPLE, colour.filled());
                chart.draw_series(points.iter().map(dot)).expect(ASK);
            }
        }
        let corner =
            if self.label == "loss" { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
        chart
            .configure_series_labels()
            .position(corner)
            .margin(10 * OVERSAMPLE)
            .legend_area_size(30 * OVERSAMPLE)
            .label_font(font(14))
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(210, 210, 210).stroke_width(OVERSAMPLE))
            .draw()
            .expect(ASK);
    }
}

impl Series {
    /// `None` without a finite value.
    fn new(metrics: &Metrics, column: &str) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            metrics.series(column).into_iter().filter(|p| p.1.is_finite()).map(|(s, v)| (s as f64, v)).collect();
        let mean = (points.len() > NOISY).then(|| running_mean(&points));
        (!points.is_empty()).then(|| Self { name: column.replace('_', " "), points, mean })
    }

    fn largest(&self) -> f64 {
        self.points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The points, drawn up to the edge where they go beyond it.
    fn within(&self, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
        self.points.iter().map(|&(x, y)| (x, y.clamp(low, high))).collect()
    }
}

/// Mean of the points around each one, 2 % of all to either side.
fn running_mean(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() / 50).max(1);
    let around = |i: usize| {
        // Losses begin steeply, so the window shrinks evenly there, and end flat, where it may be one-sided.
        let before = reach.min(i);
        let after = before.min(points.len() - 1 - i);
        let near = &points[i - before..=i + after];
        (points[i].0, near.iter().map(|p| p.1).sum::<f64>() / near.len() as f64)
    };
    (0..points.len()).map(around).collect()
}

/// Smallest and largest, moved apart where they are one.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
}

/// A number as on an axis: no exponent, no trailing zeros.
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: u64, last_loss: f64) -> Metrics {
        let columns = ["loss", "val_loss", "val_dice", "lr"].map(String::from).to_vec();
        let mut rng = 1u64;
        let mut noise = || {
            rng = rng.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (rng >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let rows = (1..=steps).map(|s| {
            let t = s as f64 / steps as f64;
            let loss = 1.2 * (last_loss / 1.2).powf(t.sqrt());
            let seldom = s % (steps / 10).max(1) == 0;
            let cells = vec![
                Some(loss * (1.0 + 0.5 * noise())),
                seldom.then_some(loss * 1.1 + 0.01),
                seldom.then_some(0.92 - 0.5 * (-5.0 * t).exp()),
                Some(1e-3),
            ];
            (s, cells)
        });
        Metrics { rows: rows.collect(), columns }
    }

    /// Pixels close to `colour`.
    fn ink(picture: &RgbImage, colour: RGBColor) -> usize {
        let near = |p: &image::Rgb<u8>| {
            p[0].abs_diff(colour.0) < 24 && p[1].abs_diff(colour.1) < 24 && p[2].abs_diff(colour.2) < 24
        };
        picture.pixels().filter(|p| near(p)).count()
    }

    #[test]
    fn both_charts_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        for (name, last_loss) in [("linear", 0.2), ("logarithmic", 0.002)] {
            let picture = curves(&run(600, last_loss));
            assert_eq!(picture.dimensions(), (2 * 660, 440));
            let half = |x| imageops::crop_imm(&picture, x, 0, 660, 440).to_image();
            let (left, right) = (half(0), half(660));
            assert!(ink(&left, COLOURS[0]) > 300 && ink(&left, COLOURS[1]) > 300, "{name}: loss and val loss");
            assert!(ink(&right, COLOURS[0]) > 300, "{name}: dice");
            keep(&picture, &folder.path().join(format!("{name}.png")));
        }
    }

    /// Where `WGVISION_KEEP` names a folder, the pictures of the tests stay there to be looked at.
    fn keep(picture: &RgbImage, path: &Path) {
        picture.save(path).unwrap();
        if let Some(folder) = std::env::var_os("WGVISION_KEEP") {
            std::fs::copy(path, Path::new(&folder).join(path.file_name().unwrap())).unwrap();
        }
    }

    #[test]
    fn short_and_empty_runs_draw_too() {
        assert_eq!(curves(&Metrics { columns: vec!["loss".into()], rows: vec![] }).dimensions(), (660, 440));
        let one = Metrics { columns: vec!["loss".into()], rows: vec![(1, vec![Some(0.5)])] };
        assert!(ink(&curves(&one), COLOURS[0]) > 5);
        let broken = Metrics { columns: vec!["loss".into()], rows: vec![(1, vec![Some(f64::NAN)]), (2, vec![None])] };
        assert_eq!(curves(&broken).dimensions(), (660, 440));
    }

    #[test]
    fn a_csv_becomes_a_png() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, png) = (folder.path().join("metrics.csv"), folder.path().join("curves.png"));
        std::fs::write(&csv, "step,loss\n1,0.9\n2,0.5\n3,0.4\n").unwrap();
        curves_png(&csv, &png).unwrap();
        assert_eq!(image::image_dimensions(&png).unwrap(), (660, 440));
        assert!(curves_png(folder.path().join("none.csv"), &png).unwrap_err().to_string().contains("none.csv"));
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!([0.5, 1.0, 1200.0, 0.0025, -0.0].map(plain), ["0.5", "1", "1200", "0.0025", "0"]);
    }
}
