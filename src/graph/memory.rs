//! Places tensors in one address space so that those alive at the same time do not overlap.
//!
//! Offline dynamic storage allocation is NP-hard; a few greedy orders, each with first fit, come close to the lower bound
//! on networks, and the best of them is taken. Knows sizes and lifetimes only.

/// A piece of memory and when it is needed.
#[derive(Clone, Debug)]
pub struct Block {
    /// Bytes, a multiple of the alignment.
    pub bytes: u64,
    /// First step at which it is alive.
    pub first: usize,
    /// Last step at which it is alive.
    pub last: usize,
}

impl Block {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where everything lies and how good that is.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct MemoryPlan {
    /// Bytes of the address space.
    pub peak: u64,
    /// Largest sum of live blocks: no placement can be smaller.
    pub lower_bound: u64,
    /// Sum of all blocks: what it would take without sharing.
    pub unshared: u64,
    /// The step at which the lower bound is reached.
    pub busiest_step: usize,
    /// Offset of each block.
    #[serde(skip)]
    pub offsets: Vec<u64>,
}

/// Places blocks; none straddles a multiple of `chunk`, so that the space can be cut into buffers there.
pub fn place(blocks: &[Block], chunk: u64) -> MemoryPlan {
    let size = |i: &usize| std::cmp::Reverse(blocks[*i].bytes);
    let span = |i: &usize| blocks[*i].last - blocks[*i].first;
    let mut orders: Vec<Vec<usize>> = vec![(0..blocks.len()).collect(); 4];
    orders[0].sort_by_key(|i| (size(i), blocks[*i].first));
    orders[1].sort_by_key(|i| (size(i), std::cmp::Reverse(span(i)), blocks[*i].first));
    orders[2].sort_by_key(|i| (std::cmp::Reverse(span(i) as u64 * blocks[*i].bytes), *i));
    orders[3].sort_by_key(|i| (blocks[*i].first, size(i)));
    let candidates = orders.iter().map(|order| first_fit(blocks, order, chunk));
    let (peak, offsets) = candidates.min_by_key(|(peak, _)| *peak).expect("four orders");
    let (lower_bound, busiest_step) = lower_bound(blocks);
    MemoryPlan { peak, lower_bound, unshared: blocks.iter().map(|b| b.bytes).sum(), busiest_step, offsets }
}

fn first_fit(blocks: &[Block], order: &[usize], chunk: u64) -> (u64, Vec<u64>) {
    let mut offsets = vec![0; blocks.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut peak = 0;
    for &i in order {
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|&&j| blocks[j].meets(&blocks[i]))
            .map(|&j| (offsets[j], offsets[j] + blocks[j].bytes))
            .collect();
        taken.sort_unstable();
        let mut at = within_chunk(0, blocks[i].bytes, chunk);
        for (from, to) in taken {
            if at + blocks[i].bytes <= from {
                break;
            }
            at = within_chunk(at.max(to), blocks[i].bytes, chunk);
        }
        offsets[i] = at;
        peak = peak.max(at + blocks[i].bytes);
        placed.push(i);
    }
    (peak, offsets)
}

/// The first offset from `at` on where `bytes` do not cross a chunk's end.
fn within_chunk(at: u64, bytes: u64, chunk: u64) -> u64 {
    if at / chunk == (at + bytes.max(1) - 1) / chunk { at } else { at.next_multiple_of(chunk) }
}

fn lower_bound(blocks: &[Block]) -> (u64, usize) {
    let steps = blocks.iter().map(|b| b.last + 1).max().unwrap_or(0);
    let mut change = vec![0i64; steps + 1];
    for b in blocks {
        change[b.first] += b.bytes as i64;
        change[b.last + 1] -= b.bytes as i64;
    }
    let (mut live, mut best) = (0i64, (0, 0));
    for (step, delta) in change.into_iter().enumerate() {
        live += delta;
        if live > best.0 {
            best = (live, step);
        }
    }
    (best.0 as u64, best.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks() -> impl Strategy<Value = Vec<Block>> {
        let block = (1u64..50, 0usize..20, 0usize..10);
        prop::collection::vec(block.prop_map(|(b, first, n)| Block { bytes: b * 16, first, last: first + n }), 0..40)
    }

    proptest! {
        #[test]
        fn live_blocks_never_overlap(blocks in blocks()) {
            let plan = place(&blocks, 1000);
            for (i, a) in blocks.iter().enumerate() {
                prop_assert_eq!(plan.offsets[i] / 1000, (plan.offsets[i] + a.bytes - 1) / 1000);
                for (j, b) in blocks.iter().enumerate().take(i) {
                    let apart = plan.offsets[i] + a.bytes <= plan.offsets[j] || plan.offsets[j] + b.bytes <= plan.offsets[i];
                    prop_assert!(apart || !a.meets(b));
                }
            }
            prop_assert!(plan.peak >= plan.lower_bound && plan.lower_bound <= plan.unshared);
        }
    }

    #[test]
    fn a_chain_needs_its_two_largest_neighbours() {
        let chain: Vec<Block> = (0..6).map(|i| Block { bytes: 64, first: i, last: i + 1 }).collect();
        let plan = place(&chain, 1 << 30);
        assert_eq!((plan.peak, plan.lower_bound, plan.unshared), (128, 128, 384));
    }
}
