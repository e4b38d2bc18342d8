//! Launches of the weight and bias gradients: sums over pixels, in two passes where they are long.

use super::dispatch::{Variant, choose, kernel, lanes, wanted};
use super::geometry::Axis;
use super::params::{SumParams, WeightParams};
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Profile, Slot, Uniform};
use crate::ops::{Work, tile};

kernel!(WEIGHT_LANES, "conv2d.weight_lanes", "weight_lanes.wgsl", WeightParams, &[&[("ROWS", 1.0)]]);
kernel!(WEIGHT_DEPTHWISE, "conv2d.weight_depthwise", "weight_depthwise.wgsl", WeightParams, &[]);
kernel!(WEIGHT_REGISTERS, "conv2d.weight_registers", "weight_registers.wgsl", WeightParams, &[]);
kernel!(WEIGHT_SUBGROUP, "conv2d.weight_subgroup", "weight_subgroup.wgsl", WeightParams, &[], Needs::Subgroups);
kernel!(
    WEIGHT_SUBGROUP_ANY,
    "conv2d.weight_subgroup_any",
    "weight_subgroup_any.wgsl",
    WeightParams,
    &[],
    Needs::Subgroups
);
kernel!(WEIGHT_TILED, "conv2d.weight_tiled", "weight_tiled.wgsl", WeightParams, &[&[("MOVING_COLUMNS", 1.0)]]);
kernel!(WEIGHT_TILED4, "conv2d.weight_tiled4", "weight_tiled4.wgsl", WeightParams, &[tile::LARGE]);
kernel!(SUM_ROWS, "conv2d.sum_rows", "sum_rows.wgsl", SumParams, &[]);

/// A weight gradient: `rows` has the weight's input channels, `columns` its output channels; `anchors` is the picture
/// that stands still while the other moves with the tap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightSum {
    /// (N, H, W, C) of input 0.
    pub rows: [usize; 4],
    /// (N, H, W, C) of input 1.
    pub columns: [usize; 4],
    pub kernel: [usize; 2],
    pub groups: usize,
    /// How the moving picture moves.
    pub axes: [Axis; 2],
    /// Whether it is `columns` that moves.
    pub moving_columns: bool,
}

impl WeightSum {
    fn anchors(&self) -> [usize; 4] {
        if self.moving_columns { self.rows } else { self.columns }
    }

    /// All that decides how long it takes, as a text.
    pub fn name(&self) -> String {
        let [y, x] = self.axes;
        let moving = if self.moving_columns { "second" } else { "first" };
        let Self { rows, columns, kernel, groups, .. } = self;
        format!("weight from {rows:?} and {columns:?}, kernel {kernel:?}, {groups} groups, {moving} at {y}, {x}")
    }

    /// Multiply-adds, padding counted as if it were there.
    pub fn multiply_adds(&self) -> u64 {
        let [n, h, w, _] = self.anchors();
        (n * h * w * self.kernel[0] * self.kernel[1] * self.rows[3] / self.groups * self.columns[3]) as u64
    }

    /// Tiles of `tile` rows of the product (tap, input channel): across taps where the columns stand still.
    fn row_tiles(&self, tile: usize) -> usize {
        let (taps, inputs) = (self.kernel[0] * self.kernel[1], self.rows[3] / self.groups);
        if self.moving_columns { taps * inputs.div_ceil(tile) } else { (taps * inputs).div_ceil(tile) }
    }

    /// The launches that make output 0 from inputs 0 (`rows`) and 1 (`columns`).
    pub fn work(&self, profile: &Profile, forced: Option<Variant>) -> Work {
        let (inputs, outputs) = (self.rows[3] / self.groups, self.columns[3] / self.groups);
        let taps = self.kernel[0] * self.kernel[1];
        let size = taps * inputs * self.columns[3];
        // Cooperative matrices make the gathering convolutions only.
        let others = Profile { cooperative: None, ..profile.clone() };
        let forced = wanted(forced, profile, || self.name());
        let variant = choose(inputs, outputs, self.groups, &others, forced);
        let lanes = match variant {
            Variant::Lanes => lanes(self.columns[3], profile),
            Variant::Depthwise => lanes(self.columns[3] / 4, profile),
            _ => lanes(outputs.div_ceil(4), profile),
        };
        // Few input channels fill a tile only together with other taps, which moving columns forbid.
        let fine = inputs.is_multiple_of(4) && outputs.is_multiple_of(2) && (inputs >= 16 || self.moving_columns);
        // A large tile has the rows of one tap alone; fewer than these would leave most of it empty.
        let large = inputs.is_multiple_of(4) && outputs.is_multiple_of(4) && inputs >= 48;
        let side = tile::side(profile.kind, [inputs, outputs], taps * self.groups).max(64);
        let in_rows = if inputs == 1 { 1 } else { 4 };
        let (kernel, blocks, grid_x, grid_y) = match variant {
            Variant::Lanes => {
                let blocks = self.columns[3].div_ceil(lanes);
                (&WEIGHT_LANES, blocks, blocks, taps * inputs.div_ceil(in_rows))
            }
            Variant::Depthwise => {
                let blocks = (self.columns[3] / 4).div_ceil(lanes);
                (&WEIGHT_DEPTHWISE, blocks, blocks, taps)
            }
            Variant::Registers => {
                let blocks = (outputs / 4).div_ceil(lanes);
                (&WEIGHT_REGISTERS, blocks, blocks * self.groups, taps * inputs / 4)
            }
            Variant::Subgroup if fine => {
                let blocks = outputs.div_ceil(16);
                (&WEIGHT_SUBGROUP, blocks, blocks * self.groups, taps * inputs.div_ceil(16))
            }
            Variant::Subgroup => {
                let blocks = outputs.div_ceil(16);
                (&WEIGHT_SUBGROUP_ANY, blocks, blocks * self.groups, self.row_tiles(16))
            }
            Variant::Cooperative => unreachable!("there are none"),
            Variant::Tiled if large => {
                let blocks = outputs.div_ceil(side);
                (&WEIGHT_TILED4, blocks, blocks * self.groups, taps * inputs.div_ceil(side))
            }
            Variant::Tiled => {
                let blocks = outputs.div_ceil(64);
                (&WEIGHT_TILED, blocks, blocks * self.groups, self.row_tiles(64))
            }
            Variant::Winograd2 | Variant::Winograd4 => unreachable!("never chosen for a single kernel"),
        };
        let [n, h, w, _] = self.anchors();
        // The factors' elements that a processor walks through again and again: parts of them that stay in its cache.
        let walked = self.rows.iter().product::<usize>() + self.columns.iter().product::<usize>();
        let cached = if profile.kind == DeviceKind::Software { walked.div_ceil(CACHED) } else { 1 };
        let (per_part, parts) = cut(n * h, w, size, 256usize.div_ceil(grid_x * grid_y).max(cached));
        let still = Axis::forward(1, 0, 0);
        let (rows, columns) = if self.moving_columns { ([still; 2], self.axes) } else { (self.axes, [still; 2]) };
        let axis = |a: Axis| [a.down as i32, a.base as i32, a.tap as i32, 0];
        let moving = i32::from(self.moving_columns);
        let four = |v: [usize; 4]| v.map(|e| e as u32);
        let params = WeightParams {
            rows: four(self.rows),
            columns: four(self.columns),
            kernel: four([self.kernel[0], self.kernel[1], inputs, outputs]),
            anchors: four([n, h, w, per_part]),
            rows_y: axis(rows[0]),
            rows_x: axis(rows[1]),
            columns_y: [columns[0].down as i32, columns[0].base as i32, columns[0].tap as i32, moving],
            columns_x: axis(columns[1]),
            groups: self.groups as u32,
            blocks: blocks as u32,
            size: size as u32,
            rounds: 8,
            ..Default::default()
        };
        let to = if parts == 1 { Slot::Output(0) } else { Slot::Scratch(0) };
        let slots = vec![Slot::Input(0), Slot::Input(1), to];
        let overrides = match variant {
            Variant::Lanes => vec![
                ("LANES", lanes as f64),
                ("GROUPED", f64::from(u8::from(self.groups > 1))),
                ("ROWS", in_rows as f64),
            ],
            Variant::Depthwise | Variant::Registers => vec![("LANES", lanes as f64)],
            Variant::Tiled if large => tile::overrides(side),
            Variant::Tiled => vec![("MOVING_COLUMNS", f64::from(u8::from(self.moving_columns)))],
            _ => Vec::new(),
        };
        let bytes = 4 * (self.rows.iter().product::<usize>() + self.columns.iter().product::<usize>() + parts * size);
        let grid = [grid_x as u32, grid_y as u32, parts as u32];
        let first = Launch::new(kernel, params, slots, grid).with(&overrides);
        let first = first.costing(2 * self.multiply_adds(), bytes as u64);
        if parts == 1 {
            return Work::one(first);
        }
        let second = sum_rows(Slot::Scratch(0), Slot::Output(0), parts, size, parts);
        Work { launches: vec![first, second], scratch: vec![(4 * parts * size) as u64] }
    }
}

/// Elements that stay near a processor: 4 MiB. Smaller parts cost more in partial sums than they save.
const CACHED: usize = 1 << 20;

/// Rows of anchors in a part, and the number of parts: as many as are wanted (to fill a device, or a cache), but parts that are worth a
/// pass of their own, and partial sums of at most 16 MiB.
fn cut(rows: usize, width: usize, size: usize, wanted: usize) -> (usize, usize) {
    let worth = (rows * width).div_ceil(512);
    let fits = (1usize << 22) / size;
    let parts = wanted.min(worth).min(fits).clamp(1, rows);
    let per_part = rows.div_ceil(parts);
    (per_part, rows.div_ceil(per_part))
}

/// Sums over all pixels of a (rows, columns) matrix: the bias gradient.
pub(crate) fn sum_pixels(rows: usize, columns: usize) -> Work {
    let (per_part, parts) = cut(rows, 1, columns, 256usize.div_ceil(columns.div_ceil(64)));
    if parts == 1 {
        return Work::one(sum_rows(Slot::Input(0), Slot::Output(0), rows, columns, rows));
    }
    let first = sum_rows(Slot::Input(0), Slot::Scratch(0), rows, columns, per_part);
    let second = sum_rows(Slot::Scratch(0), Slot::Output(0), parts, columns, parts);
    Work { launches: vec![first, second], scratch: vec![(4 * parts * columns) as u64] }
}

fn sum_rows(from: Slot, to: Slot, rows: usize, columns: usize, per_part: usize) -> Launch {
    let params =
        SumParams { rows: rows as u32, columns: columns as u32, rows_per_part: per_part as u32, ..Default::default() };
    let groups = [columns.div_ceil(64) as u32, rows.div_ceil(per_part) as u32, 1];
    let n = (rows * columns) as u64;
    Launch::new(&SUM_ROWS, params, vec![from, to], groups).costing(n, 4 * n)
}
