//! Which samples each batch consists of: a pure function of the seed and the batch's number.

use super::rng::Rng;

/// Fork of the seed for the order of samples.
const ORDER: u64 = 1;

/// In which order samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Without end, each epoch in another order. Batches run on from one epoch into the next, so all are full.
    Shuffled,
    /// Once from first to last; the last batch may be smaller.
    Once,
}

/// Where one sample of a batch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// How often all samples have been seen before.
    pub epoch: u64,
    /// Number of the sample.
    pub index: usize,
}

/// Which samples batch `k` consists of. Keeps the last epoch's permutation.
pub(super) struct Schedule {
    len: u64,
    batch: u64,
    seed: u64,
    order: Order,
    permutation: Option<(u64, Vec<usize>)>,
}

impl Schedule {
    /// Batches of `batch` out of `len` samples, at least one of each.
    pub fn new(len: usize, batch: usize, seed: u64, order: Order) -> Self {
        Self { len: len as u64, batch: batch as u64, seed, order, permutation: None }
    }

    /// The samples of batch `step`; none after the end.
    pub fn batch(&mut self, step: u64) -> Vec<Slot> {
        let first = step * self.batch;
        let end = first + self.batch;
        match self.order {
            Order::Once => (first..end.min(self.len)).map(|i| Slot { epoch: 0, index: i as usize }).collect(),
            Order::Shuffled => (first..end).map(|position| self.shuffled(position)).collect(),
        }
    }

    fn shuffled(&mut self, position: u64) -> Slot {
        let (epoch, place) = (position / self.len, (position % self.len) as usize);
        if self.permutation.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let mut order: Vec<usize> = (0..self.len as usize).collect();
            Rng::new(self.seed).fork(ORDER).fork(epoch).shuffle(&mut order);
            self.permutation = Some((epoch, order));
        }
        let (_, order) = self.permutation.as_ref().expect("just made");
        Slot { epoch, index: order[place] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_each_sample_once_in_another_order() {
        let mut schedule = Schedule::new(10, 4, 1, Order::Shuffled);
        let stream: Vec<Slot> = (0..15).flat_map(|step| schedule.batch(step)).collect();
        let epochs: Vec<Vec<usize>> = stream.chunks(10).map(|e| e.iter().map(|s| s.index).collect()).collect();
        for (number, epoch) in epochs.iter().enumerate() {
            assert!(stream[number * 10..][..10].iter().all(|s| s.epoch == number as u64));
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert!(epochs.windows(2).all(|e| e[0] != e[1]));
    }

    #[test]
    fn a_batch_needs_none_before_it() {
        let mut forward = Schedule::new(7, 5, 3, Order::Shuffled);
        let all: Vec<_> = (0..20).map(|step| forward.batch(step)).collect();
        for step in (0..20).rev() {
            assert_eq!(Schedule::new(7, 5, 3, Order::Shuffled).batch(step as u64), all[step]);
        }
    }

    #[test]
    fn a_batch_may_hold_several_epochs() {
        let slots = Schedule::new(3, 8, 1, Order::Shuffled).batch(1);
        assert_eq!(slots.len(), 8);
        assert_eq!((slots[0].epoch, slots[7].epoch), (2, 5));
    }

    #[test]
    fn once_ends_with_what_is_left() {
        let mut schedule = Schedule::new(10, 4, 1, Order::Once);
        let sizes = [0, 1, 2, 3].map(|step| schedule.batch(step).len());
        assert_eq!(sizes, [4, 4, 2, 0]);
    }
}
