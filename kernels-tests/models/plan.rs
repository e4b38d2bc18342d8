//! The planner on real graphs: memory against its lower bound, submissions, in-place use, checkpointing.

use super::unet::{feed, small_run};
use crate::harness::gpu;
use std::collections::BTreeMap;
use std::time::Duration;
use wgvision::gpu::{Gpu, Pace};
use wgvision::graph::{Executable, Options, Plan, Variables};
use wgvision::models::unet::{Padding, UNet};
use wgvision::nn::initialise;
use wgvision::tensor::Tensor;

/// Parameters after two steps, under planning options and a pace.
fn two_steps(unet: UNet, options: Options, pace: Pace) -> (BTreeMap<String, Tensor>, wgvision::gpu::Report) {
    two_steps_on(gpu(), unet, options, pace)
}

fn two_steps_on(
    gpu: &Gpu,
    unet: UNet,
    options: Options,
    pace: Pace,
) -> (BTreeMap<String, Tensor>, wgvision::gpu::Report) {
    let run = small_run(unet);
    let (step, specs) = run.step_graph().unwrap();
    let variables = Variables::new(gpu);
    initialise(&variables, &specs, 3).unwrap();
    let outputs = [("loss", step.loss), ("norm", step.norm)];
    let mut exec = Executable::with(&step.graph, &outputs, &variables, options, pace).unwrap();
    let mut report = Default::default();
    for i in 0..2 {
        let given = feed(&run, i);
        let given: Vec<(&str, &Tensor)> = given.iter().map(|(n, t)| (n.as_str(), t)).collect();
        report = exec.run(&given).unwrap().report;
    }
    (variables.snapshot().unwrap(), report)
}

#[test]
fn a_training_step_keeps_near_the_lower_bound_of_memory() {
    for (unet, side, batch) in [
        (UNet { width: 16, batch_norm: true, ..Default::default() }, 128, 8),
        (UNet { padding: Padding::Valid, ..Default::default() }, 572, 1),
    ] {
        let mut run = small_run(unet);
        run.model.crop = [side, side];
        run.batch = batch;
        let (step, _) = run.step_graph().unwrap();
        let plan = Plan::new(gpu(), &step.graph, &[step.loss, step.norm], Options::default()).unwrap();
        let ratio = plan.memory.peak as f64 / plan.memory.lower_bound as f64;
        println!("peak {} lower bound {} ratio {ratio:.4}", plan.memory.peak, plan.memory.lower_bound);
        assert!((1.0..=1.15).contains(&ratio), "{}", plan.describe());
        assert!(plan.memory.peak < plan.memory.unshared);
    }
}

#[test]
fn one_submission_for_each_node_gives_the_same_bytes() {
    let unet = UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() };
    let (whole, report) = two_steps(unet.clone(), Options::default(), Pace::new(gpu()));
    let (cut, cut_report) = two_steps(unet.clone(), Options::default(), Pace::one_by_one(gpu()));
    assert!(cut_report.submissions > 4 * report.submissions, "{report:?} {cut_report:?}");
    assert!(whole == cut, "cutting a step into submissions changed the result");
    // A budget of a microsecond splits the dispatches themselves.
    let (split, split_report) = two_steps(unet, Options::default(), Pace::with_budget(gpu(), Duration::from_micros(1)));
    assert!(split_report.dispatches > 2 * report.dispatches, "{report:?} {split_report:?}");
    assert!(whole == split, "splitting dispatches over ranges changed the result");
}

#[test]
fn parameters_in_immediates_and_in_uniforms_give_the_same_bytes() {
    let unet = UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() };
    let mut results = Vec::new();
    for wanted in [false, true] {
        let options = wgvision::gpu::Options { immediates: Some(wanted), tuned: Some(false), ..Default::default() };
        let own = Gpu::open_with(&options).unwrap();
        let can = own.facts().features.immediates;
        assert_eq!(own.immediate_bytes() > 0, wanted && can, "what was asked for is what is used");
        println!("parameters of up to {} bytes are recorded", own.immediate_bytes());
        // Whole, and split: pieces of a dispatch have one bind group or one each.
        for pace in [Pace::new(&own), Pace::with_budget(&own, Duration::from_micros(1))] {
            results.push(two_steps_on(&own, unet.clone(), Options::default(), pace).0);
        }
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn working_in_place_changes_nothing() {
    let unet = UNet { width: 4, depth: 1, ..Default::default() };
    let (shared, _) = two_steps(unet.clone(), Options::default(), Pace::new(gpu()));
    let (apart, _) = two_steps(unet, Options { no_in_place: true, ..Default::default() }, Pace::new(gpu()));
    assert!(shared == apart);
}

#[test]
fn a_training_step_has_no_round_trip_inside() {
    let own = Gpu::open().unwrap();
    let run = small_run(UNet { width: 4, depth: 2, batch_norm: true, ..Default::default() });
    let (step, specs) = run.step_graph().unwrap();
    let variables = Variables::new(&own);
    initialise(&variables, &specs, 3).unwrap();
    let mut exec = Executable::new(&step.graph, &[("loss", step.loss)], &variables).unwrap();
    let given = feed(&run, 0);
    let given: Vec<(&str, &Tensor)> = given.iter().map(|(n, t)| (n.as_str(), t)).collect();
    let report = exec.start(&given).unwrap();
    assert!(report.dispatches > 20 && report.submissions >= 1, "{report:?}");
    assert_eq!((report.read_backs, report.waits), (0, 0), "{report:?}");
}

#[test]
fn checkpointing_needs_less_memory_and_gives_the_same_bytes() {
    let plain = UNet { width: 4, depth: 3, batch_norm: true, ..Default::default() };
    let again = UNet { checkpoint: true, ..plain.clone() };
    let peak = |unet: &UNet| {
        let (step, _) = small_run(unet.clone()).step_graph().unwrap();
        Plan::new(gpu(), &step.graph, &[step.loss], Options::default()).unwrap().memory.peak
    };
    let (without, with) = (peak(&plain), peak(&again));
    println!("peak {without} without, {with} with checkpointing");
    assert!((with as f64) < 0.9 * without as f64, "{with} against {without}");
    let (a, _) = two_steps(plain, Options::default(), Pace::new(gpu()));
    let (b, _) = two_steps(again, Options::default(), Pace::new(gpu()));
    assert!(a == b, "recomputing changed the result");
}

#[test]
fn a_plan_that_does_not_fit_says_by_how_much() {
    let mut run = small_run(UNet { width: 64, ..Default::default() });
    run.model.crop = [512, 512];
    run.batch = 64;
    let (step, _) = run.step_graph().unwrap();
    let message = Plan::new(gpu(), &step.graph, &[step.loss], Options::default()).unwrap_err().to_string();
    assert!(message.contains("does not fit") && message.contains("bytes too many"), "{message}");
}
