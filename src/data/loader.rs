//! Batches made ahead of the GPU by worker tasks, in an order that does not depend on the workers.
//!
//! Batch `k` is a pure function of the seed and `k`: a run resumed at step `k` starts the loader there and sees
//! what an uninterrupted run would have seen. The queue is bounded, so memory is too. What a sample is, and how
//! samples become a batch, is the [`Source`]'s affair.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::rng::Rng;
use super::schedule::{Order, Schedule, Slot};
use crate::{Error, Result};

/// Samples by number, and how they are put together.
pub trait Source: Send + Sync + 'static {
    /// One sample, ready for the batch.
    type Sample: Send + 'static;
    /// Some samples as tensors.
    type Batch: Send + 'static;

    /// Number of different samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sample `index`, varied by `rng`; the same for the same generator. Called from several threads.
    /// [`Error::Picture`] is what [`BadPictures`] decides about.
    fn sample(&self, index: usize, rng: &mut Rng) -> Result<Self::Sample>;

    /// The same for a sample of batch number `batch`, where that number matters.
    fn sample_for(&self, batch: u64, index: usize, rng: &mut Rng) -> Result<Self::Sample> {
        let _ = batch;
        self.sample(index, rng)
    }

    /// Puts samples together, in order.
    fn collate(&self, samples: Vec<Self::Sample>) -> Result<Self::Batch>;
}

/// What happens with a picture that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPictures {
    /// Another one takes its place, the same on each run; a warning is logged and [`Loader::skipped`] counts it.
    Skip,
    /// The batch fails.
    Refuse,
}

/// How a [`Loader`] works.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Samples in a batch, at least 1.
    pub batch: usize,
    /// Seed of order and variation.
    pub seed: u64,
    /// Number of the first batch.
    pub start: u64,
    /// Order of samples.
    pub order: Order,
    /// Pictures that do not decode.
    pub bad_pictures: BadPictures,
    /// Samples worked on at the same time, at least 1.
    pub workers: usize,
    /// Batches finished or being made ahead of the consumer, at least 1.
    pub ahead: usize,
}

impl LoaderOptions {
    /// For training: shuffled, bad pictures skipped.
    pub fn training(batch: usize, seed: u64) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 8));
        Self { batch, seed, start: 0, order: Order::Shuffled, bad_pictures: BadPictures::Skip, workers, ahead: 3 }
    }

    /// For evaluation: every sample once, bad pictures refused.
    pub fn evaluation(batch: usize) -> Self {
        Self { order: Order::Once, bad_pictures: BadPictures::Refuse, ..Self::training(batch, 0) }
    }
}

/// Fork of the seed for what varies in a sample; the schedule has another.
const VARIATION: u64 = 2;
/// How many stand-ins are tried for a bad picture.
const STAND_INS: u64 = 32;

/// What the worker tasks share.
struct Shared<S> {
    source: S,
    seed: u64,
    bad_pictures: BadPictures,
    skipped: Mutex<HashSet<usize>>,
}

impl<S: Source> Shared<S> {
    fn sample(&self, batch: u64, slot: Slot) -> Result<S::Sample> {
        let rng = Rng::new(self.seed).fork(VARIATION).fork(slot.epoch).fork(slot.index as u64);
        let mut result = self.source.sample_for(batch, slot.index, &mut rng.clone());
        let mut index = slot.index;
        for attempt in 0..STAND_INS {
            match &result {
                Err(error @ Error::Picture { .. }) if self.bad_pictures == BadPictures::Skip => {
                    if self.skipped.lock().expect("no holder panics").insert(index) {
                        tracing::warn!("left out: {error}");
                    }
                }
                _ => return result,
            }
            let mut rng = rng.fork(attempt);
            index = rng.below(self.source.len());
            result = self.source.sample_for(batch, index, &mut rng);
        }
        result
    }
}

/// Batches in order; an endless iterator with [`Order::Shuffled`]. Not to be used from asynchronous code.
pub struct Loader<S: Source> {
    // Dropped in this order: without a receiver the tasks end, then the runtime can.
    queue: mpsc::Receiver<JoinHandle<Result<S::Batch>>>,
    runtime: Runtime,
    shared: Arc<Shared<S>>,
    batch: usize,
    waiting: Waiting,
}

impl<S: Source> Loader<S> {
    /// Starts making batches. Fails if the source is empty or the system gives no threads.
    pub fn new(source: S, options: LoaderOptions) -> Result<Self> {
        if source.is_empty() || options.batch == 0 {
            return Err(Error::Usage(format!("no batches: {} samples, batches of {}", source.len(), options.batch)));
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(options.workers.max(1))
            .thread_name("wgvision-data")
            .build()
            .map_err(|e| Error::Usage(format!("cannot start the data workers: {e}")))?;
        let shared = Arc::new(Shared {
            source,
            seed: options.seed,
            bad_pictures: options.bad_pictures,
            skipped: Mutex::default(),
        });
        let (sender, queue) = mpsc::channel(options.ahead.max(1));
        let batch = options.batch;
        let schedule = Schedule::new(shared.source.len(), batch, options.seed, options.order);
        runtime.spawn(feed(shared.clone(), schedule, options.start, sender));
        Ok(Self { queue, runtime, shared, batch, waiting: Waiting::default() })
    }

    /// What the batches are made from.
    pub fn source(&self) -> &S {
        &self.shared.source
    }

    /// Batches that hold as many samples as there are, rounded up: what is reported as an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.shared.source.len().div_ceil(self.batch) as u64
    }

    /// How many different pictures did not decode so far.
    pub fn skipped(&self) -> usize {
        self.shared.skipped.lock().expect("no holder panics").len()
    }

    /// How long the consumer waited for batches.
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }
}

impl<S: Source> Iterator for Loader<S> {
    type Item = Result<S::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let asked = Instant::now();
        let Self { queue, runtime, .. } = self;
        let batch = runtime.block_on(async { Some(queue.recv().await?.await.unwrap_or_else(passed_on)) });
        self.waiting.record(asked);
        batch
    }
}

/// Keeps the queue full until the samples end or the loader is dropped.
async fn feed<S: Source>(
    shared: Arc<Shared<S>>,
    mut schedule: Schedule,
    start: u64,
    sender: mpsc::Sender<JoinHandle<Result<S::Batch>>>,
) {
    for step in start.. {
        let slots = schedule.batch(step);
        if slots.is_empty() {
            return;
        }
        // The place in the queue comes first: a batch that has none is not begun.
        let Ok(place) = sender.reserve().await else { return };
        place.send(tokio::spawn(assemble(shared.clone(), step, slots)));
    }
}

async fn assemble<S: Source>(shared: Arc<Shared<S>>, step: u64, slots: Vec<Slot>) -> Result<S::Batch> {
    let sample = |slot| {
        let shared = shared.clone();
        tokio::task::spawn_blocking(move || shared.sample(step, slot))
    };
    let tasks: Vec<_> = slots.into_iter().map(sample).collect();
    let mut samples = Vec::with_capacity(tasks.len());
    for task in tasks {
        samples.push(task.await.unwrap_or_else(passed_on)?);
    }
    shared.source.collate(samples)
}

/// A panic in a worker is a bug and goes on in the consumer.
fn passed_on<T>(error: JoinError) -> Result<T> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(Error::Usage("the data workers were stopped".into())),
    }
}

/// Time spent waiting for batches, since the first was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    since: Option<Instant>,
    waited: Duration,
}

impl Waiting {
    fn record(&mut self, asked: Instant) {
        self.since.get_or_insert(asked);
        self.waited += asked.elapsed();
    }

    /// Time waited in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Share of the time since the first batch was asked for, 0 to 1.
    pub fn share(&self) -> f64 {
        self.since.map_or(0.0, |since| (self.waited.as_secs_f64() / since.elapsed().as_secs_f64().max(1e-9)).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples are (index, a random number); they take `delay` times a random share.
    #[derive(Clone)]
    struct Numbers {
        len: usize,
        delay: Duration,
        bad: Vec<usize>,
    }

    impl Numbers {
        fn new(len: usize) -> Self {
            Self { len, delay: Duration::ZERO, bad: Vec::new() }
        }
    }

    impl Source for Numbers {
        type Sample = (usize, u64);
        type Batch = Vec<(usize, u64)>;

        fn len(&self) -> usize {
            self.len
        }

        fn sample(&self, index: usize, rng: &mut Rng) -> Result<Self::Sample> {
            std::thread::sleep(self.delay.mul_f32(rng.unit()));
            if self.bad.contains(&index) {
                return Err(Error::picture(format!("{index}.png"), "does not decode"));
            }
            Ok((index, rng.next_u64()))
        }

        fn collate(&self, samples: Vec<Self::Sample>) -> Result<Self::Batch> {
            Ok(samples)
        }
    }

    fn batches(source: &Numbers, options: &LoaderOptions, n: usize) -> Vec<Vec<(usize, u64)>> {
        Loader::new(source.clone(), options.clone()).unwrap().take(n).map(|b| b.unwrap()).collect()
    }

    #[test]
    fn batches_do_not_depend_on_the_workers_or_on_where_the_run_started() {
        let source = Numbers { delay: Duration::from_millis(3), ..Numbers::new(10) };
        let one = LoaderOptions { workers: 1, ahead: 1, ..LoaderOptions::training(4, 7) };
        let all = batches(&source, &one, 12);
        assert_eq!(batches(&source, &LoaderOptions { workers: 4, ahead: 5, ..one.clone() }, 12), all);
        assert_eq!(batches(&source, &LoaderOptions { start: 5, ..one.clone() }, 7), all[5..]);
        assert_ne!(batches(&source, &LoaderOptions { seed: 8, ..one }, 12), all);
    }

    #[test]
    fn a_sample_varies_from_epoch_to_epoch() {
        let stream: Vec<(usize, u64)> = batches(&Numbers::new(10), &LoaderOptions::training(4, 1), 15).concat();
        assert_eq!(stream.iter().map(|s| s.1).collect::<HashSet<u64>>().len(), 60);
    }

    #[test]
    fn once_comes_to_an_end() {
        let sizes: Vec<usize> =
            batches(&Numbers::new(10), &LoaderOptions::evaluation(4), 99).iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 4, 2]);
    }

    #[test]
    fn bad_pictures_are_replaced_and_counted_in_training() {
        let source = Numbers { bad: vec![2, 5], ..Numbers::new(6) };
        let options = LoaderOptions::training(3, 1);
        let mut loader = Loader::new(source.clone(), options.clone()).unwrap();
        let got: Vec<_> = loader.by_ref().take(8).map(|b| b.unwrap()).collect();
        assert!(got.iter().flatten().all(|s| s.0 != 2 && s.0 != 5));
        assert_eq!(loader.skipped(), 2);
        assert_eq!(got, batches(&source, &LoaderOptions { workers: 3, ..options.clone() }, 8));
        let all_bad = Numbers { bad: (0..6).collect(), ..source };
        let text = Loader::new(all_bad, options).unwrap().next().unwrap().unwrap_err().to_string();
        assert!(text.contains(".png: does not decode"), "{text}");
    }

    #[test]
    fn bad_pictures_are_refused_in_evaluation() {
        let source = Numbers { bad: vec![4], ..Numbers::new(6) };
        let results: Vec<_> = Loader::new(source, LoaderOptions::evaluation(2)).unwrap().collect();
        assert!(results[0].is_ok() && results[1].is_ok());
        assert!(results[2].as_ref().unwrap_err().to_string().contains("4.png"));
    }

    #[test]
    fn an_empty_source_is_refused() {
        let text = Loader::new(Numbers::new(0), LoaderOptions::evaluation(2)).err().unwrap().to_string();
        assert!(text.contains("0 samples"), "{text}");
    }

    #[test]
    fn waiting_tells_a_slow_source_from_a_slow_consumer() {
        let source = Numbers { delay: Duration::from_millis(20), ..Numbers::new(10) };
        let mut starved = Loader::new(source, LoaderOptions::training(2, 1)).unwrap();
        (0..5).for_each(|_| drop(starved.next()));
        assert!(starved.waiting().share() > 0.5, "{:?}", starved.waiting());
        let mut fed = Loader::new(Numbers::new(10), LoaderOptions::training(2, 1)).unwrap();
        for _ in 0..5 {
            fed.next();
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(fed.waiting().share() < 0.5, "{:?}", fed.waiting());
    }

    #[test]
    fn the_queue_is_bounded() {
        struct Counting(std::sync::atomic::AtomicUsize);
        impl Source for Counting {
            type Sample = ();
            type Batch = ();
            fn len(&self) -> usize {
                5
            }
            fn sample(&self, _: usize, _: &mut Rng) -> Result<()> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(())
            }
            fn collate(&self, _: Vec<()>) -> Result<()> {
                Ok(())
            }
        }
        let options = LoaderOptions { ahead: 3, ..LoaderOptions::training(2, 1) };
        let mut loader = Loader::new(Counting(0.into()), options).unwrap();
        loader.next().unwrap().unwrap();
        let made = |loader: &Loader<Counting>| loader.source().0.load(std::sync::atomic::Ordering::SeqCst);
        let full = 2 * (1 + 3);
        while made(&loader) < full {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(made(&loader), full);
    }

    #[test]
    #[should_panic(expected = "a bug in a source")]
    fn a_panic_in_a_worker_reaches_the_consumer() {
        struct Broken;
        impl Source for Broken {
            type Sample = ();
            type Batch = ();
            fn len(&self) -> usize {
                1
            }
            fn sample(&self, _: usize, _: &mut Rng) -> Result<()> {
                panic!("a bug in a source")
            }
            fn collate(&self, _: Vec<()>) -> Result<()> {
                Ok(())
            }
        }
        let _ = Loader::new(Broken, LoaderOptions::evaluation(1)).unwrap().next();
    }
}
