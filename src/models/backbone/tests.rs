//! Shapes, names and counts of backbones, compared with what torchvision counts.

use super::*;
use crate::graph::Graph;
use crate::nn::ParameterSpec;
use crate::tensor::TensorType;

struct Built {
    graph: Graph,
    specs: Vec<ParameterSpec>,
    maps: Vec<Vec<usize>>,
}

fn build(config: &BackboneConfig, h: usize, w: usize) -> Result<Built> {
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32([1, h, w, 3]))?;
    let mut net = Net::new(&mut graph, true);
    let maps = config.build(&mut net, images)?;
    let maps = maps.iter().map(|&map| net.graph.shape(map).to_vec()).collect();
    let specs = net.specs;
    Ok(Built { graph, specs, maps })
}

fn level(kind: BackboneKind, level: usize) -> BackboneConfig {
    BackboneConfig { kind, neck: Neck::Level(level), ..Default::default() }
}

fn trained(built: &Built) -> Vec<String> {
    built.graph.parameters().into_iter().map(|v| built.graph.name(v).to_string()).collect()
}

#[test]
fn counts_are_torchvisions() {
    // Parameters and buffers without the classifier, and multiply-adds of the convolutions at 224x224.
    let published = [
        (BackboneKind::ResNet18, 5, 11_176_512, 9_600, 1_813_561_344),
        (BackboneKind::ResNet34, 5, 21_284_672, 17_024, 3_663_249_408),
        (BackboneKind::ResNet50, 5, 23_508_032, 53_120, 4_087_136_256),
        (BackboneKind::ResNet101, 5, 42_500_160, 105_344, 7_799_357_440),
        (BackboneKind::Vgg16, 4, 14_714_688, 0, 15_346_630_656),
    ];
    for (kind, last, parameters, statistics, multiply_adds) in published {
        let built = build(&level(kind, last), 224, 224).unwrap();
        let running = |s: &&ParameterSpec| s.name.contains(".running_");
        let elements = |s: &ParameterSpec| s.ty.elements();
        let found: usize = built.specs.iter().filter(running).map(elements).sum();
        assert_eq!(found, statistics, "{kind:?}");
        let layers = built.graph.layers();
        let counted: usize = layers.iter().map(|l| l.parameters).sum();
        assert_eq!(counted, parameters + statistics, "{kind:?}");
        let counted: u64 = layers.iter().filter(|l| l.op == "conv2d").map(|l| l.multiply_adds).sum();
        assert_eq!(counted, multiply_adds, "{kind:?}");
    }
}

#[test]
fn a_pyramid_has_torchvisions_parameters_and_sizes() {
    let extra = |extra| Neck::Fpn(FpnConfig { extra, levels: vec![3, 4, 5], ..Default::default() });
    let parameters = |config: &BackboneConfig| -> usize {
        let built = build(config, 64, 96).unwrap();
        built.specs.iter().filter(|s| !s.name.contains(".running_")).map(|s| s.ty.elements()).sum()
    };
    let fpn = BackboneConfig::default();
    assert_eq!(parameters(&fpn), 26_852_416, "fasterrcnn_resnet50_fpn's backbone");
    let v2 = FpnConfig { norm: Some(Norm::TRAIN), ..Default::default() };
    assert_eq!(
        parameters(&BackboneConfig { neck: Neck::Fpn(v2), norm: Norm::TRAIN, ..Default::default() }),
        26_854_464
    );
    let from_p5 = BackboneConfig { neck: extra(Extra::P6P7FromP5), ..Default::default() };
    let from_c5 = BackboneConfig { neck: extra(Extra::P6P7FromC5), ..Default::default() };
    assert_eq!([parameters(&from_p5), parameters(&from_c5)], [27_376_704, 31_505_472], "retinanet and its v2");

    // 67 is a multiple of nothing here: sizes are rounded up on the way down, and the pyramid follows them.
    let built = build(&fpn, 67, 130).unwrap();
    let sizes: Vec<[usize; 2]> = built.maps.iter().map(|m| [m[1], m[2]]).collect();
    assert_eq!(sizes, [[17, 33], [9, 17], [5, 9], [3, 5], [2, 3]]);
    assert!(built.maps.iter().zip(fpn.channels()).all(|(map, channels)| map[3] == channels));
    assert_eq!((fpn.levels(), from_p5.levels()), (vec![2, 3, 4, 5, 6], vec![3, 4, 5, 6, 7]));
}

#[test]
fn trainable_counts_stages_from_the_last_as_torchvision_does() {
    let first = |trainable| {
        let config = BackboneConfig { trainable, norm: Norm::TRAIN, ..level(BackboneKind::ResNet18, 5) };
        trained(&build(&config, 64, 64).unwrap()).first().cloned()
    };
    let expected = [
        None,
        Some("backbone.body.layer4.0."),
        Some("backbone.body.layer3.0."),
        Some("backbone.body.layer2.0."),
        Some("backbone.body.layer1.0."),
        Some("backbone.body.conv1.weight"),
    ];
    for (trainable, expected) in expected.into_iter().enumerate() {
        let first = first(trainable);
        let begins = first.as_deref().zip(expected).is_some_and(|(name, stage)| name.starts_with(stage));
        assert!(begins || (first.is_none() && expected.is_none()), "{trainable}: {first:?}, expected {expected:?}");
    }
    let vgg = |trainable| {
        trained(&build(&BackboneConfig { trainable, ..level(BackboneKind::Vgg16, 4) }, 32, 32).unwrap())
            .first()
            .cloned()
    };
    assert_eq!(vgg(5).unwrap(), "backbone.body.features.0.weight");
    assert_eq!(vgg(3).unwrap(), "backbone.body.features.10.weight");
    assert_eq!(vgg(1).unwrap(), "backbone.body.features.24.weight");
}

#[test]
fn a_frozen_norm_trains_nothing_and_only_the_statistics_of_others_are_states() {
    let names = |norm| trained(&build(&BackboneConfig { norm, trainable: 5, ..Default::default() }, 64, 64).unwrap());
    assert!(names(Norm::FROZEN).iter().all(|name| !name.contains("bn") && !name.contains("downsample.1")));
    let all = names(Norm::Eval { eps: 1e-5 });
    assert!(all.contains(&"backbone.body.layer1.0.downsample.1.bias".to_string()));
    assert!(all.iter().all(|name| !name.contains("running")));
}

#[test]
fn configurations_are_json_and_nonsense_is_refused() {
    let text = r#"{"kind":"resnet18","width":16,"norm":{"train":{}},"trainable":5,
                   "neck":{"fpn":{"channels":64,"levels":[3,4,5],"extra":"p6_p7_from_p5"}}}"#;
    let config: BackboneConfig = serde_json::from_str(text).unwrap();
    assert_eq!(build(&config, 64, 64).unwrap().maps[4], [1, 1, 1, 64]);
    assert_eq!(serde_json::from_str::<BackboneConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    assert!(serde_json::from_str::<BackboneConfig>(r#"{"widht":16}"#).is_err());
    let message = |config: BackboneConfig| build(&config, 64, 64).err().expect("refused").to_string();
    assert!(message(BackboneConfig { trainable: 6, ..config.clone() }).contains("between 0 and 5, got 6"));
    assert!(message(BackboneConfig { width: 0, ..config }).contains("width"));
    assert!(message(BackboneConfig { kind: BackboneKind::Vgg16, ..Default::default() }).contains("between 0 and 4"));
    assert!(message(level(BackboneKind::ResNet50, 1)).contains("between 2 and 5"));
}
