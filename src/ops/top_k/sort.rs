//! Sorting rows of (key, index) pairs on the device: runs of 1024 in workgroup memory, then merges. What `top_k` and `nms` share.
//!
//! Which pairs there are is for the op to say; each row's number of pairs is read on the device.

use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};

crate::uniform! {
    /// Uniform of `pairs`.
    pub struct PairsParams { m: u32, limited: u32, pad0: u32, pad1: u32 }
}

crate::uniform! {
    /// Uniform of `sort_tile` and `merge`.
    pub struct SortParams { m: u32, run: u32, pad0: u32, pad1: u32 }
}

macro_rules! kernel {
    ($name:ident, $file:literal, $params:ty) => {
        pub(in crate::ops) static $name: Kernel = Kernel {
            label: concat!("top_k.", $file),
            source: include_str!(concat!("../../../shaders/top_k/", $file, ".wgsl")),
            params: <$params>::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}
pub(super) use kernel;

kernel!(PAIRS, "pairs", PairsParams);
kernel!(SORT_TILE, "sort_tile", SortParams);
kernel!(MERGE, "merge", SortParams);

/// Pairs that a workgroup sorts at once.
const TILE: u32 = 1024;

/// A float's place in the order of floats, as `shaders/lib/order_key.wgsl` has it; 0 for NaN.
pub fn order_key(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() {
        0
    } else if x == 0.0 {
        1 << 31
    } else if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// Rows of up to `length` pairs in scratch.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Rows {
    /// Number of rows.
    pub rows: u32,
    /// Room for pairs in each row.
    pub length: u32,
    /// Where the pairs are.
    pub pairs: Slot,
    /// As much room again, for merging.
    pub spare: Slot,
    /// Number of pairs of each row.
    pub found: Slot,
}

impl Rows {
    /// Bytes of `pairs`, and of `spare`.
    pub fn bytes(&self) -> u64 {
        8 * u64::from(self.rows) * u64::from(self.length)
    }

    /// Makes the pairs of all elements of `x` (rows, length), or of the first `limits` (rows) of each row.
    pub fn fill(&self, x: Slot, limits: Option<Slot>) -> Launch {
        let params = PairsParams { m: self.length, limited: u32::from(limits.is_some()), ..Default::default() };
        let slots = vec![x, limits.unwrap_or(x), self.pairs, self.found];
        let groups = [self.length.div_ceil(256), self.rows, 1];
        Launch::new(&PAIRS, params, slots, groups).costing(self.bytes(), self.bytes() * 3 / 2)
    }

    /// Sorts each row, largest key first, lower index first among equals. Returns where the sorted pairs are.
    pub fn sort(&self, launches: &mut Vec<Launch>) -> Slot {
        let elements = self.bytes() / 8;
        let params = |run| SortParams { m: self.length, run, ..Default::default() };
        let groups = [self.length.div_ceil(TILE), self.rows, 1];
        // A network of 1024 has 55 stages of some ten operations for each pair.
        let sort = Launch::new(&SORT_TILE, params(TILE), vec![self.found, self.pairs], groups);
        launches.push(sort.costing(550 * elements, 2 * self.bytes()));
        let (mut from, mut to) = (self.pairs, self.spare);
        let mut run = TILE;
        while run < self.length {
            let groups = [self.length.div_ceil(256), self.rows, 1];
            let merge = Launch::new(&MERGE, params(run), vec![self.found, from, to], groups);
            let steps = u64::from(run.ilog2()) + 1;
            launches.push(merge.costing(10 * steps * elements, 2 * self.bytes()));
            std::mem::swap(&mut from, &mut to);
            run = run.saturating_mul(2);
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::order_key;

    #[test]
    fn keys_are_in_the_order_of_floats() {
        let sorted = [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-40, 0.0, 1e-40, f32::MIN_POSITIVE, 0.5, f32::INFINITY];
        assert!(sorted.windows(2).all(|w| order_key(w[0]) < order_key(w[1])));
        assert_eq!(order_key(-0.0), order_key(0.0));
        assert!(order_key(f32::NAN) == 0 && order_key(-f32::NAN) == 0 && order_key(f32::NEG_INFINITY) > 0);
    }
}
