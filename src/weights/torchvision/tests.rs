//! Matching of names on a small detector of hand-written parameters, and every way in which a file may not fit.

use super::*;
use crate::nn::{Init, formula};
use crate::tensor::TensorType;
use crate::tensor::layout::Layout;

/// A parameter from its shape in files.
fn spec(name: &str, shape: &[usize]) -> ParameterSpec {
    let layout = match shape.len() {
        4 => Layout::ConvWeight,
        2 => Layout::LinearWeight,
        _ => Layout::Plain,
    };
    let shape = layout.import(&Tensor::zeros(&TensorType::f32(shape))).shape().to_vec();
    let ty = TensorType::f32(shape);
    ParameterSpec { name: name.into(), ty, init: Init::Constant(0.0), layout, counts_batches: false, buffer: false }
}

/// A body of two stages, one pyramid level, an RPN, and heads for `classes`.
fn detector(classes: usize) -> Vec<ParameterSpec> {
    let named: &[(&str, &[usize])] = &[
        ("backbone.body.conv1.weight", &[2, 3, 3, 3]),
        ("backbone.body.bn1.weight", &[2]),
        ("backbone.body.bn1.running_var", &[2]),
        ("backbone.body.layer1.0.conv1.weight", &[4, 2, 1, 1]),
        ("backbone.fpn.inner_blocks.0.0.weight", &[4, 4, 1, 1]),
        ("backbone.fpn.inner_blocks.0.0.bias", &[4]),
        ("rpn.head.conv.0.0.weight", &[4, 4, 3, 3]),
        ("roi_heads.mask_head.0.0.weight", &[4, 4, 3, 3]),
        ("roi_heads.mask_head.1.0.bias", &[4]),
        ("roi_heads.box_predictor.cls_score.weight", &[classes, 6]),
        ("roi_heads.box_predictor.cls_score.bias", &[classes]),
    ];
    named.iter().map(|(name, shape)| spec(name, shape)).collect()
}

/// A file of these tensors under `rename`d names.
fn file_of(specs: &[ParameterSpec], rename: impl Fn(&str) -> String) -> TensorFile {
    let value = |s: &ParameterSpec| formula::value(&s.name, &s.file_type().shape, false);
    let tensors = specs.iter().map(|s| (rename(&s.name), value(s))).collect();
    TensorFile { tensors, ..Default::default() }
}

fn same(name: &str) -> String {
    name.to_string()
}

fn refused(file: &TensorFile, specs: &[ParameterSpec], part: Part<'_>) -> String {
    match_names(Path::new("m.safetensors"), file, specs, part).expect_err("refused").to_string()
}

const HEADS: &[&str] = &["roi_heads.box_predictor.", "roi_heads.mask_head."];

#[test]
fn a_whole_file_is_taken_in_the_devices_layouts() {
    let specs = detector(3);
    let mut file = file_of(&specs, same);
    file.tensors.insert("backbone.body.bn1.num_batches_tracked".into(), Tensor::i32([], vec![7]));
    let matched = match_names(Path::new("m"), &file, &specs, Part::Whole).unwrap();
    assert_eq!(matched.values.len(), specs.len());
    assert!(matched.kept.is_empty() && matched.passed_over.is_empty() && !matched.old_names);
    for spec in &specs {
        assert_eq!(spec.layout.export(&matched.values[&spec.name]), file.tensors[&spec.name], "{}", spec.name);
    }
}

#[test]
fn missing_and_unknown_tensors_are_listed_together() {
    let specs = detector(3);
    let other: Vec<ParameterSpec> = (0..13).map(|i| spec(&format!("blocks.{i:02}.weight"), &[1])).collect();
    let message = refused(&file_of(&other, same), &specs, Part::Whole);
    assert!(message.contains("m.safetensors: does not hold this network's weights; 11 tensors missing: "), "{message}");
    assert!(message.contains("roi_heads.box_predictor.cls_score.weight and 1 more; 13 tensors that"), "{message}");
    assert!(message.contains("blocks.09.weight and 3 more") && !message.contains("blocks.10"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let message = refused(&file_of(&detector(5), same), &detector(3), Part::Whole);
    assert!(message.contains("'roi_heads.box_predictor.cls_score.bias' has another shape"), "{message}");
    assert!(message.contains("expected (3), got (5)"), "{message}");
}

#[test]
fn elements_that_are_no_floats_are_refused() {
    let specs = detector(3);
    let mut file = file_of(&specs, same);
    file.tensors.insert("backbone.body.bn1.weight".into(), Tensor::i32([2], vec![1, 1]));
    let message = refused(&file, &specs, Part::Whole);
    assert!(message.contains("'backbone.body.bn1.weight' holds i32"), "{message}");
}

#[test]
fn names_of_older_files_are_brought_up_to_date() {
    let old = |name: &str| {
        name.replace("inner_blocks.0.0", "inner_blocks.0")
            .replace("rpn.head.conv.0.0", "rpn.head.conv")
            .replace("mask_head.0.0", "mask_head.mask_fcn1")
            .replace("mask_head.1.0", "mask_head.mask_fcn2")
    };
    let specs = detector(3);
    let file = file_of(&specs, old);
    assert!(has_old_names(&file) && !has_old_names(&file_of(&specs, same)));
    let matched = match_names(Path::new("m"), &file, &specs, Part::Whole).unwrap();
    assert!(matched.old_names);
    assert_eq!(matched.values.len(), specs.len());
    let name = "roi_heads.mask_head.1.0.bias";
    assert_eq!(matched.values[name], formula::value(name, &[4], false));
}

#[test]
fn a_retinanets_old_numbers_are_halved() {
    let heads = ["classification_head", "regression_head"];
    for (head, i) in heads.iter().flat_map(|head| (0..4).map(move |i| (head, i))) {
        let old = format!("head.{head}.conv.{}.weight", 2 * i);
        assert_eq!(current_name(&old).unwrap(), format!("head.{head}.conv.{i}.0.weight"));
        assert_eq!(current_name(&format!("head.{head}.conv.{i}.0.weight")), None);
    }
    for name in
        ["head.classification_head.cls_logits.weight", "roi_heads.mask_predictor.mask_fcn_logits.bias", "fc.weight"]
    {
        assert_eq!(current_name(name), None, "{name}");
    }
    // A network that has a name as it stands keeps it.
    let specs = [spec("head.classification_head.conv.0.weight", &[1, 1, 3, 3])];
    assert!(!match_names(Path::new("m"), &file_of(&specs, same), &specs, Part::Whole).unwrap().old_names);
}

#[test]
fn a_classifier_fills_the_body_alone() {
    let specs = detector(3);
    let under = Part::Under("backbone.body.");
    let body: Vec<ParameterSpec> = specs.iter().filter(|s| s.name.starts_with("backbone.body.")).cloned().collect();
    let mut classifier = file_of(&body, |name| name.replace("backbone.body.", ""));
    for (name, shape) in [("fc.weight", vec![10, 4]), ("layer2.0.conv1.weight", vec![8, 4, 1, 1])] {
        classifier.tensors.insert(name.into(), Tensor::full(shape, 1.0));
    }
    let matched = match_names(Path::new("m"), &classifier, &specs, under).unwrap();
    assert_eq!(matched.values.len(), body.len());
    assert_eq!(matched.kept.len(), specs.len() - body.len());
    assert_eq!(matched.passed_over, ["fc.weight", "layer2.0.conv1.weight"]);
    // A block more in a stage that the network has: another architecture.
    classifier.tensors.insert("layer1.1.conv1.weight".into(), Tensor::full([4, 4, 1, 1], 1.0));
    classifier.tensors.remove("conv1.weight");
    let message = refused(&classifier, &specs, under);
    assert!(message.contains("1 tensor missing: backbone.body.conv1.weight; 1 tensor that"), "{message}");
    assert!(message.ends_with("layer1.1.conv1.weight"), "{message}");
    // A whole detector gives its body too.
    let matched = match_names(Path::new("m"), &file_of(&detector(9), same), &specs, under).unwrap();
    assert_eq!((matched.values.len(), matched.passed_over.len()), (body.len(), specs.len() - body.len()));
}

#[test]
fn heads_of_other_classes_stay_as_they_are() {
    let specs = detector(3);
    let mut file = file_of(&detector(91), same);
    file.tensors.remove("roi_heads.mask_head.1.0.bias");
    file.tensors.insert("roi_heads.mask_head.2.0.bias".into(), Tensor::full([4], 0.0));
    let matched = match_names(Path::new("m"), &file, &specs, Part::Except(HEADS)).unwrap();
    let predictor = ["bias", "weight"].map(|kind| format!("roi_heads.box_predictor.cls_score.{kind}"));
    assert_eq!(matched.kept[..2], predictor);
    assert_eq!(matched.kept[2..], ["roi_heads.mask_head.1.0.bias"]);
    assert!(matched.passed_over.contains(&"roi_heads.mask_head.2.0.bias".to_string()));
    assert!(
        matched.values.contains_key("roi_heads.mask_head.0.0.weight") && !matched.values.contains_key(&predictor[0])
    );
    // What is not a head must fit.
    file.tensors.insert("rpn.head.conv.0.0.weight".into(), Tensor::full([4, 4, 1, 1], 0.0));
    let message = refused(&file, &specs, Part::Except(HEADS));
    assert!(message.contains("rpn.head.conv.0.0.weight"), "{message}");
}

#[test]
fn a_layer_whose_weight_does_not_fit_keeps_its_bias_too() {
    let specs = detector(3);
    let mut file = file_of(&specs, same);
    file.tensors.insert("roi_heads.box_predictor.cls_score.weight".into(), Tensor::full([3, 8], 0.0));
    let matched = match_names(Path::new("m"), &file, &specs, Part::Except(HEADS)).unwrap();
    assert_eq!(matched.kept.len(), 2, "{:?}", matched.kept);
}

#[test]
fn batches_are_counted_where_pytorch_counts_them() {
    let mut specs = detector(3);
    specs[2].counts_batches = true;
    let file = file_of(&specs, same);
    let values = match_names(Path::new("m"), &file, &specs, Part::Whole).unwrap().values;
    let mut tensors = export(&specs, &values, 12);
    assert_eq!(tensors.remove("backbone.body.bn1.num_batches_tracked"), Some(Tensor::i32([], vec![12])));
    assert_eq!(tensors, file.tensors);
}
