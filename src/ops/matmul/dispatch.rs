//! Which kernel multiplies two matrices, and over which grid. Serves `matmul` and `linear`, forward and backward.
//!
//! The rule is static: the kind of device decides, nothing is measured at run time.

use super::params::Params;
use crate::gpu::{DeviceKind, Kernel, Launch, Needs, Profile, Slot, Uniform};
use crate::ops::Work;

/// A way to multiply. Tests force each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Sums in registers, loads of a uniform over the workgroup: software devices.
    Registers,
    /// 64 by 64 tiles through workgroup memory: all others.
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

pub(super) static TILED: Kernel = Kernel {
    label: "matmul.tiled",
    source: include_str!("../../../shaders/matmul/tiled.wgsl"),
    params: Params::FIELDS,
    variants: &[&[("A_BY_ROWS", 1.0), ("B_BY_ROWS", 0.0)]],
    needs: Needs::Nothing,
};

/// Invocations in a workgroup of [`REGISTERS`]: the width of the vectors that software devices compute with.
const LANES: u32 = 8;

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
}

fn words(steps: [usize; 2], batch: [usize; 2]) -> [u32; 4] {
    [steps[0], steps[1], batch[0], batch[1]].map(|v| v as u32)
}

impl Product {
    /// The launches on a device.
    pub fn work(&self, profile: &Profile, forced: Option<Variant>) -> Work {
        let by_kind = if profile.kind == DeviceKind::Software { Variant::Registers } else { Variant::Tiled };
        let named = match profile.forced.of("matmul") {
            Some("registers") => Some(Variant::Registers),
            Some(_) => Some(Variant::Tiled),
            None => None,
        };
        match forced.or(named).unwrap_or(by_kind) {
            Variant::Registers => self.registers(),
            Variant::Tiled => self.tiled(),
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

    fn tiled(&self) -> Work {
        let params = self.params();
        let groups = [params.m.div_ceil(64), params.n.div_ceil(64), self.batches()];
        let by_rows = |contiguous: usize| f64::from(u8::from(contiguous == 1));
        let overrides = [("A_BY_ROWS", by_rows(self.a.steps[0])), ("B_BY_ROWS", by_rows(self.b.steps[1]))];
        let (flops, bytes) = self.cost();
        let slots = vec![self.a.slot, self.b.slot, self.bias.unwrap_or(self.a.slot), self.c];
        Work::one(Launch::new(&TILED, params, slots, groups).with(&overrides).costing(flops, bytes))
    }

    /// b is packed first unless its rows already are whole vectors.
    fn registers(&self) -> Work {
        let [_, n, k] = self.size;
        let mut params = self.params();
        let mut work = Work::default();
        let mut slot = self.b.slot;
        let quads = params.quads as usize;
        if self.b.steps == [n, 1] && n % 4 == 0 {
            params.b = words([n / 4, 1], self.b.batch.map(|step| step / 4));
        } else {
            let [outer, inner] = self.b.own_batch;
            let own = [if outer > 1 { self.b.batch[0] } else { 0 }, if inner > 1 { self.b.batch[1] } else { 0 }];
            let pack = Params { inner: inner as u32, b: words(self.b.steps, own), ..params };
            let groups = [params.quads.div_ceil(8), params.k.div_ceil(32), (outer * inner) as u32];
            let bytes = 16 * (outer * inner * k * quads) as u64;
            slot = Slot::Scratch(0);
            work.scratch.push(bytes);
            work.launches.push(Launch::new(&PACK, pack, vec![self.b.slot, slot], groups).costing(bytes / 4, 2 * bytes));
            let matrix = k * quads;
            let batch = [if outer > 1 { inner * matrix } else { 0 }, if inner > 1 { matrix } else { 0 }];
            params.b = words([quads, 1], batch);
        }
        let groups = [params.m.div_ceil(4), params.quads.div_ceil(LANES), self.batches()];
        let slots = vec![self.a.slot, slot, self.bias.unwrap_or(self.a.slot), self.c];
        let (flops, bytes) = self.cost();
        work.launches.push(
            Launch::new(&REGISTERS, params, slots, groups).with(&[("LANES", f64::from(LANES))]).costing(flops, bytes),
        );
        work
    }
}
