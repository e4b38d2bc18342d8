//! Which kernel multiplies two matrices, and over which grid. Serves `matmul` and `linear`, forward and backward.
//!
//! The rule is static: the kind of device decides, nothing is measured at run time.

use super::params::Params;
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Profile, Slot, Uniform};
use crate::ops::{Work, tile};

/// A way to multiply. Tests force each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Sums in registers, loads of a uniform over the workgroup: software devices without subgroups.
    Registers,
    /// Sixteen rows by sixteen columns, a handed round a subgroup: software devices.
    Subgroup,
    /// Tiles of 64 or 128 rows and columns through workgroup memory: all others.
    Tiled,
}

pub(super) static PACK: Kernel = Kernel {
    label: "matmul.pack",
    source: include_str!("../../../shaders/matmul/pack.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

pub(super) static REGISTERS: Kernel = Kernel {
    label: "matmul.registers",
    source: include_str!("../../../shaders/matmul/registers.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Nothing,
};

pub(super) static SUBGROUP: Kernel = Kernel {
    label: "matmul.subgroup",
    source: include_str!("../../../shaders/matmul/subgroup.wgsl"),
    params: Params::FIELDS,
    variants: &[],
    needs: Needs::Subgroups,
};

pub(super) static TILED: Kernel = Kernel {
    label: "matmul.tiled",
    source: include_str!("../../../shaders/matmul/tiled.wgsl"),
    params: Params::FIELDS,
    variants: &[&[("A_BY_ROWS", 1.0), ("B_BY_ROWS", 0.0)]],
    needs: Needs::Nothing,
};

pub(super) static TILED4: Kernel = Kernel {
    label: "matmul.tiled4",
    source: include_str!("../../../shaders/matmul/tiled4.wgsl"),
    params: Params::FIELDS,
    variants: &[&[("A_BY_ROWS", 1.0), ("B_BY_ROWS", 0.0), ("SIDE", 128.0), ("LANES", 256.0)]],
    needs: Needs::Nothing,
};

/// Invocations in a workgroup of [`REGISTERS`]: the width of the vectors that software devices compute with.
const LANES: u32 = 8;

/// Extent along k of one pass of [`SUBGROUP`]: 16 rows and 16 columns of it are 256 KiB. A multiple of four.
const PASS: usize = 2048;

/// One factor: steps in elements along its two dimensions and along the two batch dimensions of the result (0 where repeated).
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    /// Its slot.
    pub slot: Slot,
    /// Steps along (m, k) for a, along (k, n) for b.
    pub steps: [usize; 2],
    /// Steps along the batch dimensions.
    pub batch: [usize; 2],
    /// Extents of its own batch dimensions.
    pub own_batch: [usize; 2],
}

/// c[batch, m, n] = sum over k of a[batch, m, k] b[batch, k, n] + bias[n]; c is dense.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Extents (m, n, k).
    pub size: [usize; 3],
    /// Batch extents of c.
    pub batch: [usize; 2],
    /// (m, k)
    pub a: Factor,
    /// (k, n)
    pub b: Factor,
    /// (n)
    pub bias: Option<Slot>,
    /// The result's slot.
    pub c: Slot,
}

impl Factor {
    /// A matrix of `columns` columns, transposed or not, without batches.
    pub fn matrix(slot: Slot, columns: usize, transposed: bool) -> Self {
        let steps = if transposed { [1, columns] } else { [columns, 1] };
        Self { slot, steps, batch: [0; 2], own_batch: [1; 2] }
    }

    /// Whether it is whole vectors of four along the dimension that is contiguous, and every step leads from one to another.
    fn in_fours(&self, extents: [usize; 2]) -> bool {
        let whole =
            |d: usize| self.steps[d] == 1 && extents[d].is_multiple_of(4) && self.steps[1 - d].is_multiple_of(4);
        (whole(0) || whole(1)) && self.batch.iter().all(|step| step.is_multiple_of(4))
    }
}

/// Memory of its own for a binding that is not used: a is bound as vectors and cannot stand in for it.
fn idle(work: &mut Work) -> Slot {
    work.scratch.push(16);
    Slot::Scratch(work.scratch.len() - 1)
}

fn words(steps: [usize; 2], batch: [usize; 2]) -> [u32; 4] {
    [steps[0], steps[1], batch[0], batch[1]].map(|v| v as u32)
}

impl Product {
    /// The launches on a device.
    pub fn work(&self, profile: &Profile, forced: Option<Variant>) -> Work {
        // The subgroup kernel counts on a workgroup of eight being (part of) one subgroup.
        let subgroup = profile.subgroup_size >= 8;
        let usual = match profile.kind {
            DeviceKind::Software if subgroup => Variant::Subgroup,
            DeviceKind::Software => Variant::Registers,
            _ => Variant::Tiled,
        };
        let named = profile.forced.of("matmul").map(|name| match name {
            "registers" => Variant::Registers,
            "subgroup" => Variant::Subgroup,
            _ => Variant::Tiled,
        });
        match forced.or(named).filter(|&v| v != Variant::Subgroup || subgroup).unwrap_or(usual) {
            Variant::Registers => self.registers(),
            Variant::Subgroup => self.subgroup(),
            Variant::Tiled => self.tiled(profile.kind),
        }
    }

    fn params(&self) -> Params {
        let [m, n, k] = self.size.map(|v| v as u32);
        Params {
            m,
            n,
            k,
            inner: self.batch[1] as u32,
            a: words(self.a.steps, self.a.batch),
            b: words(self.b.steps, self.b.batch),
            has_bias: u32::from(self.bias.is_some()),
            quads: n.div_ceil(4),
            ..Default::default()
        }
    }

    fn batches(&self) -> u32 {
        (self.batch[0] * self.batch[1]) as u32
    }

    /// Floating-point operations and bytes, each factor read once.
    fn cost(&self) -> (u64, u64) {
        let [m, n, k] = self.size.map(|v| v as u64);
        let batches = u64::from(self.batches());
        (2 * m * n * k * batches, 4 * batches * (m * k + k * n + m * n))
    }

    fn tiled(&self, kind: DeviceKind) -> Work {
        let [m, n, k] = self.size;
        let by_rows = |contiguous: usize| f64::from(u8::from(contiguous == 1));
        let overrides = [("A_BY_ROWS", by_rows(self.a.steps[0])), ("B_BY_ROWS", by_rows(self.b.steps[1]))];
        let even = self.a.in_fours([m, k]) && self.b.in_fours([k, n]) && n.is_multiple_of(4);
        let (kernel, side) = match even {
            true => (&TILED4, tile::side(kind, [m, n], self.batch[0] * self.batch[1]).max(64)),
            false => (&TILED, 64),
        };
        let overrides: Vec<_> = overrides.into_iter().chain(tile::overrides(side)).collect();
        let mut work = Work::default();
        let params = Params { rounds: 8, ..self.params() };
        let groups = [m.div_ceil(side) as u32, n.div_ceil(side) as u32, self.batches()];
        let (flops, bytes) = self.cost();
        let slots = vec![self.a.slot, self.b.slot, self.bias.unwrap_or_else(|| idle(&mut work)), self.c];
        work.launches.push(Launch::new(kernel, params, slots, groups).with(&overrides).costing(flops, bytes));
        work
    }

    /// b is packed first unless its rows already are whole vectors.
    fn registers(&self) -> Work {
        let [_, n, k] = self.size;
        let mut params = self.params();
        let mut work = Work::default();
        let b = rows_of(4, &self.b, [k, n], &mut work);
        params.b = words(b.steps, b.batch);
        let groups = [params.m.div_ceil(4), params.quads.div_ceil(LANES), self.batches()];
        let slots = vec![self.a.slot, b.slot, self.bias.unwrap_or(self.a.slot), self.c];
        let (flops, bytes) = self.cost();
        work.launches.push(
            Launch::new(&REGISTERS, params, slots, groups).with(&[("LANES", f64::from(LANES))]).costing(flops, bytes),
        );
        work
    }

    /// Each factor is packed first unless its rows already are whole vectors and pairs.
    fn subgroup(&self) -> Work {
        let [m, n, k] = self.size;
        let mut params = Params { rounds: 16, ..self.params() };
        let mut work = Work::default();
        let a = rows_of(4, &self.a, [m, k], &mut work);
        let b = rows_of(2, &self.b, [k, n], &mut work);
        params.a = words(a.steps, a.batch);
        params.b = words(b.steps, b.batch);
        let groups = [params.m.div_ceil(16), params.n.div_ceil(16), self.batches()];
        let bias = self.bias.unwrap_or_else(|| idle(&mut work));
        let slots = vec![a.slot, b.slot, bias, self.c];
        let (flops, bytes) = self.cost();
        let passes = k.div_ceil(PASS);
        for pass in 0..passes {
            let ends = ((pass + 1) * PASS).min(k) as u32;
            // The bias is added once.
            let has_bias = if pass == 0 { params.has_bias } else { 0 };
            let params = Params { first: (pass * PASS) as u32, k: ends, has_bias, ..params };
            let launch = Launch::new(&SUBGROUP, params, slots.clone(), groups);
            work.launches.push(launch.costing(flops / passes as u64, bytes / passes as u64));
        }
        work
    }
}

/// A factor of (rows, columns) whose rows are whole vectors of `width` (2 or 4), its steps counted in such vectors: itself where it is
/// that already, else a packed copy in scratch, which gets zeros behind the last column.
fn rows_of(width: usize, factor: &Factor, [rows, columns]: [usize; 2], work: &mut Work) -> Factor {
    let whole = columns.is_multiple_of(width) && factor.batch.iter().all(|step| step.is_multiple_of(width));
    if factor.steps[1] == 1 && factor.steps[0].is_multiple_of(width) && whole {
        let batch = factor.batch.map(|step| step / width);
        return Factor { steps: [factor.steps[0] / width, 1], batch, ..*factor };
    }
    let [outer, inner] = factor.own_batch;
    let own = [if outer > 1 { factor.batch[0] } else { 0 }, if inner > 1 { factor.batch[1] } else { 0 }];
    let quads = columns.div_ceil(4);
    let pack = Params {
        n: columns as u32,
        k: rows as u32,
        inner: inner as u32,
        b: words(factor.steps, own),
        quads: quads as u32,
        ..Default::default()
    };
    let groups = [quads.div_ceil(8), rows.div_ceil(32), outer * inner].map(|v| v as u32);
    let bytes = 16 * (outer * inner * rows * quads) as u64;
    let slot = Slot::Scratch(work.scratch.len());
    work.scratch.push(bytes);
    work.launches.push(Launch::new(&PACK, pack, vec![factor.slot, slot], groups).costing(bytes / 4, 2 * bytes));
    let row = quads * 4 / width;
    let batch = [if outer > 1 { inner * rows * row } else { 0 }, if inner > 1 { rows * row } else { 0 }];
    Factor { slot, steps: [row, 1], batch, own_batch: factor.own_batch }
}
