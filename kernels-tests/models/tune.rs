//! Tuning: each distinct convolution is timed once, within the time given, and a choice is kept only where it gains.

use crate::harness::gpu;
use wgvision::engine::bench::{Layer, built_in_layers, layers_graph};
use wgvision::engine::tune::{problems, tune};
use wgvision::gpu::Tuned;

#[test]
fn each_distinct_convolution_is_timed_once() {
    let small = |id: &str, ci| Layer { id: id.into(), ci, h: 9, co: 8, n: 1, ..built_in_layers()[1].clone() };
    let layers = [small("one", 8), small("again", 8), small("other", 12)];
    let (graph, outputs) = layers_graph(&layers, true).unwrap();
    let all = problems(gpu(), &graph, &outputs).unwrap();
    // Forward and both gradients, of two kinds.
    assert_eq!(all.len(), 6);
    let mut tuned = Tuned::none(gpu().facts());
    let mut found = Vec::new();
    let done = tune(gpu(), &all, 600.0, &mut tuned, |f| found.push(f.clone())).unwrap();
    assert_eq!((done, tuned.len(), found.len()), (6, 6, 6));
    for f in &found {
        assert!(f.times.len() > 1 && f.times.iter().all(|(_, ms)| *ms > 0.0), "{f:?}");
        assert!(f.chosen == f.usual || f.time(f.chosen) < f.time(f.usual), "{f:?}");
    }
    let mut none = Tuned::none(gpu().facts());
    let started = std::time::Instant::now();
    assert_eq!(tune(gpu(), &all, 0.0, &mut none, |_| panic!("no time was given")).unwrap(), 0);
    assert!(none.is_empty() && started.elapsed().as_secs() < 60);
}
