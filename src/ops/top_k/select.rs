//! Finding the k largest of many without sorting them: a radix selection of the k-th key, then the elements above it are gathered.
//!
//! Sorts nothing; the pairs it leaves are in no order that matters.

use super::sort::{Rows, kernel};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};

crate::uniform! {
    /// Uniform of `histogram`.
    pub struct HistogramParams { m: u32, groups: u32, shift: u32, bound: u32 }
}

crate::uniform! {
    /// Uniform of `pick`.
    pub struct PickParams { groups: u32, shift: u32, k: u32, bound: u32 }
}

crate::uniform! {
    /// Uniform of `tally` and `starts`.
    pub struct TallyParams { m: u32, groups: u32, pad0: u32, pad1: u32 }
}

crate::uniform! {
    /// Uniform of `scatter`.
    pub struct ScatterParams { m: u32, groups: u32, k: u32, pad0: u32 }
}

kernel!(HISTOGRAM, "histogram", HistogramParams);
kernel!(PICK, "pick", PickParams);
kernel!(TALLY, "tally", TallyParams);
kernel!(STARTS, "starts", TallyParams);
kernel!(SCATTER, "scatter", ScatterParams);

/// Elements that a workgroup looks at.
const CHUNK: u32 = 4096;

/// Fills `rows` with the `rows.length` largest of `x` (rows, m) whose keys are above `bound`. Takes scratch from index `scratch`
/// on and returns how many bytes each piece needs.
pub fn select(rows: &Rows, x: Slot, m: u32, bound: u32, scratch: usize, launches: &mut Vec<Launch>) -> Vec<u64> {
    let (n, k) = (rows.rows, rows.length);
    let groups = m.div_ceil(CHUNK);
    let [state, partial, tallies, starts] = [0, 1, 2, 3].map(|i| Slot::Scratch(scratch + i));
    let elements = u64::from(n) * u64::from(m);
    let counted = u64::from(n) * u64::from(groups);
    let grid = [groups, n, 1];
    for shift in [24, 16, 8, 0] {
        let params = HistogramParams { m, groups, shift, bound, ..Default::default() };
        let histogram = Launch::new(&HISTOGRAM, params, vec![x, state, partial], grid);
        launches.push(histogram.costing(12 * elements, 4 * elements + 1024 * counted));
        let params = PickParams { groups, shift, k, bound, ..Default::default() };
        let pick = Launch::new(&PICK, params, vec![partial, state], [1, n, 1]);
        launches.push(pick.costing(256 * counted, 1024 * counted));
    }
    let params = TallyParams { m, groups, ..Default::default() };
    let tally = Launch::new(&TALLY, params, vec![x, state, tallies], grid);
    launches.push(tally.costing(12 * elements, 4 * elements));
    let offsets = Launch::new(&STARTS, params, vec![tallies, state, starts, rows.found], [1, n, 1]);
    launches.push(offsets.costing(16 * counted, 16 * counted));
    let params = ScatterParams { m, groups, k, ..Default::default() };
    let scatter = Launch::new(&SCATTER, params, vec![x, state, tallies, starts, rows.pairs], grid);
    launches.push(scatter.costing(24 * elements, 8 * elements));
    vec![16 * u64::from(n), 1024 * counted, 8 * counted, 8 * counted]
}
