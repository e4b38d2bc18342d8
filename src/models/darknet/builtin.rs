//! Built-in networks, as cfg text: for a number of classes, an input size and anchors of one's own. The text can be written to a
//! file and changed there.
//!
//! YOLOv1: Redmon et al., CVPR 2016. YOLOv2: Redmon and Farhadi, "YOLO9000", CVPR 2017. YOLOv3: Redmon and Farhadi, "YOLOv3: an
//! incremental improvement", 2018. The tiny versions are Darknet's. `yolo-micro` is this project's: a few convolutions of 16 to
//! 128 channels for adapters that are slow, three scales' worth of context and two heads, for objects of some ten pixels and up.

use super::Darknet;
use super::writer::{Writer, cells};
use crate::{Error, Result};
use std::path::PathBuf;

/// Names of the built-in networks.
pub const NAMES: [&str; 7] = ["yolov1", "yolov1-tiny", "yolov2", "yolov2-tiny", "yolov3", "yolov3-tiny", "yolo-micro"];

/// What a built-in network is made for.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltinArgs {
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Anchors, width and height in pixels of the input, small ones first; `None` for the published ones. Networks with several
    /// heads share them out evenly. YOLOv1 has none.
    pub anchors: Option<Vec<[f32; 2]>>,
}

impl BuiltinArgs {
    /// What the network was published for; `None` if the name is unknown.
    pub fn published(name: &str) -> Option<Self> {
        let (classes, side) = match name {
            "yolov1" | "yolov1-tiny" => (20, 448),
            "yolov2-tiny" => (20, 416),
            "yolov2" | "yolov3" | "yolov3-tiny" => (80, 416),
            "yolo-micro" => (20, 320),
            _ => return None,
        };
        Some(Self { classes, size: [side; 2], anchors: None })
    }
}

/// A built-in network. Fails on an unknown name, and on sizes and anchors that it cannot have.
pub fn builtin(name: &str, args: &BuiltinArgs) -> Result<Darknet> {
    Darknet::from_text(&PathBuf::from(format!("{name}.cfg")), &text(name, args)?)
}

/// The cfg text of a built-in network.
pub fn text(name: &str, args: &BuiltinArgs) -> Result<String> {
    if !NAMES.contains(&name) {
        return Err(Error::Usage(format!("no network is named '{name}'; there are: {}", NAMES.join(", "))));
    }
    let fail = |message: String| Err(Error::Usage(format!("{name}: {message}")));
    if args.classes == 0 {
        return fail("needs at least one class".into());
    }
    let step = if name.starts_with("yolov1") { 64 } else { 32 };
    let [h, w] = args.size;
    if h == 0 || w == 0 || !h.is_multiple_of(step) || !w.is_multiple_of(step) {
        return fail(format!("height and width must be multiples of {step}, got {h}x{w}"));
    }
    let mut cfg = Writer::new(name, args);
    match name {
        "yolov1" | "yolov1-tiny" if h != w => return fail(format!("reads squares, got {h}x{w}")),
        "yolov1" | "yolov1-tiny" if args.anchors.is_some() => return fail("has no anchors".into()),
        "yolov1" => cfg.yolov1(h / 64),
        "yolov1-tiny" => cfg.yolov1_tiny(h / 64),
        "yolov2" => cfg.yolov2()?,
        "yolov2-tiny" => cfg.yolov2_tiny()?,
        "yolov3" => cfg.yolov3()?,
        "yolov3-tiny" => cfg.yolov3_tiny()?,
        _ => cfg.yolo_micro()?,
    }
    Ok(cfg.text())
}

/// The networks, layer by layer.
impl Writer<'_> {
    /// The paper's network, with batch norm: 24 convolutions, 4096 hidden units.
    fn yolov1(&mut self, side: usize) {
        self.conv(64, 7, 2);
        self.pool(2);
        self.conv(192, 3, 1);
        self.pool(2);
        self.convs(&[(128, 1), (256, 3), (256, 1), (512, 3)]);
        self.pool(2);
        for _ in 0..4 {
            self.convs(&[(256, 1), (512, 3)]);
        }
        self.convs(&[(512, 1), (1024, 3)]);
        self.pool(2);
        self.convs(&[(512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3)]);
        self.conv(1024, 3, 2);
        self.convs(&[(1024, 3), (1024, 3)]);
        self.connected(4096, "leaky");
        self.section("dropout", &[("probability", &0.5)]);
        self.connected(side * side * (self.args.classes + 10), "linear");
        self.detection(side, 2);
    }

    fn yolov1_tiny(&mut self, side: usize) {
        for filters in [16, 32, 64, 128, 256, 512] {
            self.conv(filters, 3, 1);
            self.pool(2);
        }
        self.convs(&[(1024, 3), (256, 3)]);
        self.connected(side * side * (self.args.classes + 10), "linear");
        self.detection(side, 2);
    }

    /// Darknet-19, and the features of stride 16 passed by.
    fn yolov2(&mut self) -> Result<()> {
        self.conv(32, 3, 1);
        self.pool(2);
        self.conv(64, 3, 1);
        self.pool(2);
        self.convs(&[(128, 3), (64, 1), (128, 3)]);
        self.pool(2);
        self.convs(&[(256, 3), (128, 1), (256, 3)]);
        self.pool(2);
        self.convs(&[(512, 3), (256, 1), (512, 3), (256, 1), (512, 3)]);
        self.pool(2);
        self.convs(&[(1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3)]);
        self.route("-9");
        self.conv(64, 1, 1);
        self.section("reorg", &[("stride", &2)]);
        self.route("-1,-4");
        self.conv(1024, 3, 1);
        self.region(&cells([
            [0.57273, 0.677385],
            [1.87446, 2.06253],
            [3.33843, 5.47434],
            [7.88282, 3.52778],
            [9.77052, 9.16828],
        ]))
    }

    /// The trunk of both later tiny networks: strides up to 32, the last pool without a stride.
    fn tiny_trunk(&mut self) {
        for filters in [16, 32, 64, 128, 256] {
            self.conv(filters, 3, 1);
            self.pool(2);
        }
        self.conv(512, 3, 1);
        self.pool(1);
        self.conv(1024, 3, 1);
    }

    fn yolov2_tiny(&mut self) -> Result<()> {
        self.tiny_trunk();
        self.conv(1024, 3, 1);
        self.region(&cells([[1.08, 1.19], [3.42, 4.41], [6.63, 11.38], [9.42, 5.11], [16.62, 10.52]]))
    }

    /// Darknet-53 and three scales.
    fn yolov3(&mut self) -> Result<()> {
        let anchors = self.anchors(
            &[
                [10.0, 13.0],
                [16.0, 30.0],
                [33.0, 23.0],
                [30.0, 61.0],
                [62.0, 45.0],
                [59.0, 119.0],
                [116.0, 90.0],
                [156.0, 198.0],
                [373.0, 326.0],
            ],
            3,
        )?;
        self.conv(32, 3, 1);
        for (blocks, filters) in [(1, 64), (2, 128), (8, 256), (8, 512), (4, 1024)] {
            self.conv(filters, 3, 2);
            for _ in 0..blocks {
                self.convs(&[(filters / 2, 1), (filters, 3)]);
                self.section("shortcut", &[("from", &-3), ("activation", &"linear")]);
            }
        }
        // The last layers of strides 16 and 8.
        for (part, filters, pass) in [(2, 512, None), (1, 256, Some(61)), (0, 128, Some(36))] {
            if let Some(layer) = pass {
                self.route("-4");
                self.conv(filters, 1, 1);
                self.upsample();
                self.route(&format!("-1,{layer}"));
            }
            for _ in 0..3 {
                self.convs(&[(filters, 1), (2 * filters, 3)]);
            }
            self.yolo(&anchors, part, 3);
        }
        Ok(())
    }

    fn yolov3_tiny(&mut self) -> Result<()> {
        let anchors =
            self.anchors(&[[10.0, 14.0], [23.0, 27.0], [37.0, 58.0], [81.0, 82.0], [135.0, 169.0], [344.0, 319.0]], 2)?;
        self.tiny_trunk();
        self.convs(&[(256, 1), (512, 3)]);
        self.yolo(&anchors, 1, 2);
        self.route("-4");
        self.conv(128, 1, 1);
        self.upsample();
        self.route("-1,8");
        self.conv(256, 3, 1);
        self.yolo(&anchors, 0, 2);
        Ok(())
    }

    /// Stride 2 convolutions from the start keep the large maps few; multiples of 16 channels fill the kernels' tiles; stride 32
    /// gives context, strides 16 and 8 have the heads.
    fn yolo_micro(&mut self) -> Result<()> {
        let anchors =
            self.anchors(&[[12.0, 12.0], [24.0, 16.0], [28.0, 32.0], [48.0, 40.0], [64.0, 88.0], [128.0, 128.0]], 2)?;
        self.conv(16, 3, 2);
        self.conv(32, 3, 2);
        for filters in [64, 128, 128] {
            self.conv(filters, 3, 2);
            self.convs(&[(filters / 2, 1), (filters, 3)]);
            self.section("shortcut", &[("from", &-3), ("activation", &"linear")]);
        }
        // Layers 5, 9 and 13 are the ends of strides 8, 16 and 32.
        self.conv(64, 1, 1);
        self.upsample();
        self.route("-1,9");
        self.convs(&[(64, 1), (128, 3)]);
        self.yolo(&anchors, 1, 2);
        self.route("-4");
        self.conv(32, 1, 1);
        self.upsample();
        self.route("-1,5");
        self.convs(&[(32, 1), (64, 3)]);
        self.yolo(&anchors, 0, 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Head;
    use crate::graph::Graph;
    use crate::nn::Net;
    use crate::tensor::TensorType;

    fn published(name: &str) -> Darknet {
        builtin(name, &BuiltinArgs::published(name).unwrap()).unwrap()
    }

    #[test]
    fn the_published_networks_have_the_published_counts() {
        let counted: Vec<(&str, u64)> = NAMES.iter().map(|n| (*n, published(n).stored_values())).collect();
        // Those with 80 classes are the counts of the cfg files that Darknet ships.
        let expected = [271_743_102, 27_099_950, 50_983_561, 15_867_885, 62_001_757, 8_858_734, 566_214];
        assert_eq!(counted, NAMES.into_iter().zip(expected).collect::<Vec<_>>());
    }

    #[test]
    fn strides_and_heads() {
        for (name, stride, heads) in [("yolov1", 64, 1), ("yolov2", 32, 1), ("yolov3", 32, 3), ("yolo-micro", 32, 2)] {
            let network = published(name);
            assert_eq!((network.stride(), network.heads().len()), (stride, heads), "{name}");
        }
    }

    #[test]
    fn classes_size_and_anchors_are_arguments() {
        let anchors: Vec<[f32; 2]> = (1..=4).map(|i| [16.0 * i as f32, 8.0 * i as f32]).collect();
        let args = BuiltinArgs { classes: 3, size: [320, 416], anchors: Some(anchors.clone()) };
        let micro = builtin("yolo-micro", &args).unwrap();
        assert_eq!((micro.size(), micro.text().contains("height=320\nwidth=416")), ([320, 416], true));
        let Head::Yolo(first) = &micro.heads()[0] else { panic!("a yolo head") };
        assert_eq!((first.classes, &first.mask, &first.anchors), (3, &vec![2, 3], &anchors));
        let Head::Region(head) = builtin("yolov2", &args).unwrap().heads()[0].clone() else { panic!("a region head") };
        assert_eq!(head.anchors[1], [1.0, 0.5], "in cells");
        let refused = |name: &str, args: &BuiltinArgs| text(name, args).unwrap_err().to_string();
        assert!(refused("yolov9", &args).starts_with("no network is named 'yolov9'; there are: yolov1, "));
        assert_eq!(refused("yolov3", &args), "yolov3: 4 anchors cannot be shared by 3 heads");
        assert_eq!(refused("yolov1", &args), "yolov1: height and width must be multiples of 64, got 320x416");
        let wide = BuiltinArgs { size: [320, 384], ..args.clone() };
        assert_eq!(refused("yolov1", &wide), "yolov1: reads squares, got 320x384");
        assert_eq!(refused("yolo-micro", &BuiltinArgs { classes: 0, ..args }), "yolo-micro: needs at least one class");
    }

    #[test]
    fn yolo_micro_is_small() {
        let micro = builtin("yolo-micro", &BuiltinArgs { classes: 3, size: [320, 320], anchors: None }).unwrap();
        let mut graph = Graph::new();
        let x = graph.input("images", TensorType::f32([1, 320, 320, 3])).unwrap();
        let heads = micro.build(&mut Net::new(&mut graph, false), x).unwrap();
        let shapes: Vec<_> = heads.iter().map(|h| graph.shape(h.value).to_vec()).collect();
        assert_eq!(shapes, [[1, 20, 20, 24], [1, 40, 40, 24]]);
        let multiply_adds: u64 = graph.layers().iter().map(|l| l.multiply_adds).sum();
        assert!((150_000_000..300_000_000).contains(&multiply_adds), "{multiply_adds}");
    }
}
