//! Detections chosen on the device against the same choice made on the host, one candidate after another.

use crate::harness::{Rng, gpu};
use crate::nms::{boxes, iou};
use wgvision::detection::select::{Select, select_detections};
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::ops::soft_nms::Decay;
use wgvision::tensor::{Tensor, TensorType};

/// (box, score, class) of a picture.
type Found = ([f32; 4], f32, usize);

fn on_host(boxes: &[f32], scores: &[f32], classes: usize, select: &Select) -> Vec<Found> {
    let mut all: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] > select.score_threshold).collect();
    all.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    all.truncate(select.candidates);
    let mut kept: Vec<Found> = Vec::new();
    for i in all {
        let own: [f32; 4] = boxes[i / classes * 4..][..4].try_into().expect("four");
        let class = i % classes;
        let hit =
            |f: &Found| (select.class_agnostic || f.2 == class) && f64::from(iou(&f.0, &own)) > select.iou_threshold;
        if kept.len() < select.max_detections && !kept.iter().any(hit) {
            kept.push((own, scores[i], class));
        }
    }
    kept
}

fn on_device(select: &Select, all_boxes: &Tensor, scores: &Tensor) -> Vec<Vec<Found>> {
    let mut graph = Graph::new();
    let b = graph.input("boxes", all_boxes.ty()).expect("a name");
    let s = graph.input("scores", scores.ty()).expect("a name");
    let out = select_detections(&mut graph, b, s, select).expect("builds");
    let named = [("boxes", out.boxes), ("scores", out.scores), ("classes", out.classes), ("counts", out.counts)];
    let mut exec = Executable::new(&graph, &named, &Variables::new(gpu())).expect("plans");
    let got = exec.run(&[("boxes", all_boxes), ("scores", scores)]).expect("runs").wait().expect("reads");
    let max = select.max_detections;
    let picture = |n: usize| {
        let count = got["counts"].as_i32()[n] as usize;
        let at = |i: usize| {
            let place = n * max + i;
            let own: [f32; 4] = got["boxes"].as_f32()[4 * place..][..4].try_into().expect("four");
            (own, got["scores"].as_f32()[place], got["classes"].as_i32()[place] as usize)
        };
        // What is not used says so.
        for i in count..max {
            let place = n * max + i;
            assert_eq!((got["classes"].as_i32()[place], got["scores"].as_f32()[place]), (-1, 0.0));
            assert_eq!(got["boxes"].as_f32()[4 * place..][..4], [0.0; 4]);
        }
        (0..count).map(at).collect()
    };
    (0..all_boxes.shape()[0]).map(picture).collect()
}

#[test]
fn detections_are_those_of_the_host() {
    let mut rng = Rng::for_test("select");
    let usual = Select::default();
    let cases = [
        ([2, 300, 3], usual.clone()),
        ([1, 1, 1], usual.clone()),
        ([3, 150, 1], Select { score_threshold: 0.9, max_detections: 7, ..usual.clone() }),
        ([2, 845, 20], Select { candidates: 400, iou_threshold: 0.6, ..usual.clone() }),
        ([1, 200, 5], Select { class_agnostic: true, score_threshold: 0.001, ..usual.clone() }),
        ([2, 40, 2], Select { score_threshold: 2.0, ..usual }),
    ];
    for ([n, m, classes], select) in cases {
        let all_boxes: Vec<f32> = (0..n).flat_map(|_| boxes(&mut rng, 0, m)).collect();
        // Few values, so that candidates tie.
        let scores: Vec<f32> = (0..n * m * classes).map(|_| rng.range(0, 500) as f32 / 500.0).collect();
        let got = on_device(
            &select,
            &Tensor::f32([n, m, 4], all_boxes.clone()),
            &Tensor::f32([n, m, classes], scores.clone()),
        );
        for (i, got) in got.iter().enumerate() {
            let want =
                on_host(&all_boxes[i * m * 4..][..m * 4], &scores[i * m * classes..][..m * classes], classes, &select);
            assert_eq!(*got, want, "picture {i} of {n}, {m} boxes, {classes} classes, {select:?}");
        }
    }
}

#[test]
fn weakened_boxes_stay_with_lower_scores() {
    // Two boxes that overlap by 0.6, and one apart.
    let boxes = Tensor::f32([1, 3, 4], vec![0., 0., 10., 10., 0., 0., 10., 6., 50., 50., 60., 60.]);
    let scores = Tensor::f32([1, 3, 1], vec![0.9, 0.8, 0.5]);
    let hard = Select { max_detections: 4, ..Select::default() };
    let kept: Vec<f32> = on_device(&hard, &boxes, &scores)[0].iter().map(|f| f.1).collect();
    assert_eq!(kept, [0.9, 0.5]);
    let soft = Select { soft: Some(Decay::Linear { iou_threshold: 0.3 }), ..hard };
    let kept: Vec<f32> = on_device(&soft, &boxes, &scores)[0].iter().map(|f| f.1).collect();
    assert_eq!(kept.len(), 3);
    assert!(kept[..2] == [0.9, 0.5] && (kept[2] - 0.32).abs() < 1e-6, "{kept:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut graph = Graph::new();
    let boxes = graph.input("boxes", TensorType::f32([1, 8, 4])).expect("a name");
    let scores = graph.input("scores", TensorType::f32([1, 9, 2])).expect("a name");
    let why = select_detections(&mut graph, boxes, scores, &Select::default()).expect_err("9 is not 8").to_string();
    assert!(why.contains("boxes for scores f32(1, 9, 2) are (1, 9, 4), got f32(1, 8, 4)"), "{why}");
    let scores = graph.input("good", TensorType::f32([1, 8, 2])).expect("a name");
    let none = Select { max_detections: 0, ..Select::default() };
    let why = select_detections(&mut graph, boxes, scores, &none).expect_err("none").to_string();
    assert!(why.contains("max_detections must be at least 1"), "{why}");
}
