//! Times what the heads of a two-stage detector do with regions, a picture of 800 x 800 at a time: `cargo bench --bench regions`. Prints the
//! median time of each node on the device, or nothing where it has no timestamps.

use std::collections::BTreeMap;
use wgvision::gpu::Gpu;
use wgvision::graph::{Executable, Graph, Variables};
use wgvision::ops::gather_channels::GatherChannels;
use wgvision::ops::mask_paste::MaskPaste;
use wgvision::ops::mask_targets::MaskTargets;
use wgvision::ops::roi_align::RoiAlign;
use wgvision::ops::roi_levels::RoiLevels;
use wgvision::ops::roi_pool::RoiPool;
use wgvision::tensor::{Tensor, TensorType};

const ROUNDS: usize = 5;
const PICTURE: usize = 800;
const CHANNELS: usize = 256;

/// A number in [0, 1) from two whole ones: the finaliser of MurmurHash3 (Appleby 2011) on 24 bits.
fn hash(i: usize, salt: u32) -> f32 {
    let mut h = (i as u32).wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    (h >> 8) as f32 / (1u32 << 24) as f32
}

/// Regions (1, R, 4) of 16 to 600 pixels, as many of each size on a logarithmic scale, inside the picture.
fn regions(count: usize) -> Tensor {
    let one = |i: usize| {
        let side = |salt| 16.0 * 37.5f32.powf(hash(i, 1)) * (0.7 + 0.6 * hash(i, salt));
        let (w, h) = (side(2).min(790.0), side(3).min(790.0));
        let (x, y) = (hash(i, 4) * (PICTURE as f32 - w), hash(i, 5) * (PICTURE as f32 - h));
        [x, y, x + w, y + h]
    };
    Tensor::f32([1, count, 4], (0..count).flat_map(one).collect())
}

fn noise(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::f32(shape, (0..n).map(|i| hash(i, 6)).collect())
}

/// Median times of the graph's nodes, by name.
fn report(
    gpu: &Gpu,
    graph: &Graph,
    wanted: &[(&str, wgvision::ops::Value)],
    inputs: &[(&str, &Tensor)],
) -> wgvision::Result<()> {
    let mut exec = Executable::new(graph, wanted, &Variables::new(gpu))?;
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for node in exec.time(inputs)?.into_iter().flatten() {
            times.entry(format!("{:<28} {}", node.node, node.kernels().join(", "))).or_default().push(node.ms());
        }
    }
    for (node, mut ms) in times {
        ms.sort_by(f64::total_cmp);
        println!("{:>9.3} ms  {node}", ms[ms.len() / 2]);
    }
    Ok(())
}

/// RoIAlign from a pyramid, 512 regions for the box head or 128 for the mask head, and its gradients.
fn align(gpu: &Gpu, count: usize, size: usize) -> wgvision::Result<()> {
    println!("roi_align, {count} regions, {size} x {size}");
    let mut graph = Graph::new();
    let names = ["p2", "p3", "p4", "p5"];
    let maps: Vec<Tensor> = (2..6).map(|k| noise(&[1, PICTURE >> k, PICTURE >> k, CHANNELS])).collect();
    let leaves = names.iter().zip(&maps).map(|(n, m)| graph.input(n, m.ty())).collect::<wgvision::Result<Vec<_>>>()?;
    let rois = graph.input("rois", TensorType::f32([1, count, 4]))?;
    let levels = graph.named("levels", RoiLevels::default(), &[rois])?;
    let scales = (2..6).map(|k| 0.5f32.powi(k)).collect();
    let op = RoiAlign { size: [size, size], sampling_ratio: 2, aligned: false, scales };
    let inputs: Vec<_> = leaves.iter().copied().chain([rois, levels]).collect();
    let y = graph.named("roi_align", op, &inputs)?;
    let shape = [count, size, size, CHANNELS];
    let seed = graph.input("seed", TensorType::f32(shape))?;
    let grads = graph.gradients_from(&[(y, seed)], &leaves)?;
    let (seed, boxes) = (noise(&shape), regions(count));
    let mut given: Vec<(&str, &Tensor)> = names.iter().copied().zip(&maps).collect();
    given.extend([("rois", &boxes), ("seed", &seed)]);
    let mut wanted = vec![("y", y)];
    wanted.extend(names.iter().copied().zip(grads.into_iter().flatten()));
    report(gpu, &graph, &wanted, &given)
}

/// RoI pooling from one map of stride 16, as Fast R-CNN has it.
fn pool(gpu: &Gpu) -> wgvision::Result<()> {
    println!("roi_pool, 512 regions, 7 x 7");
    let mut graph = Graph::new();
    let map = noise(&[1, PICTURE / 16, PICTURE / 16, 512]);
    let x = graph.input("x", map.ty())?;
    let rois = graph.input("rois", TensorType::f32([1, 512, 4]))?;
    let y = graph.named("roi_pool", RoiPool { size: [7, 7], scale: 1.0 / 16.0 }, &[x, rois])?;
    let seed = noise(&[512, 7, 7, 512]);
    let arrives = graph.input("seed", seed.ty())?;
    let grad = graph.gradients_from(&[(y, arrives)], &[x])?[0].expect("a gradient");
    let inputs: [(&str, &Tensor); 3] = [("x", &map), ("rois", &regions(512)), ("seed", &seed)];
    report(gpu, &graph, &[("y", y), ("grad", grad)], &inputs)
}

/// What surrounds a mask head: targets of 128 regions, the channel of each one's class, twenty masks in the picture.
fn masks(gpu: &Gpu) -> wgvision::Result<()> {
    println!("masks");
    let mut graph = Graph::new();
    let bits = Tensor::u32([1, 20, PICTURE, PICTURE / 32], vec![0x00ff_ff00; 20 * PICTURE * PICTURE / 32]);
    let gt = graph.input("gt_masks", bits.ty())?;
    let rois = graph.input("rois", TensorType::f32([1, 128, 4]))?;
    let matched = Tensor::i32([1, 128], (0..128).map(|i| i % 20).collect());
    let whose = graph.input("matched", matched.ty())?;
    let targets = graph.named("mask_targets", MaskTargets { size: 28, sized: false }, &[gt, rois, whose])?;
    let logits = noise(&[128, 28, 28, 91]);
    let x = graph.input("logits", logits.ty())?;
    let classes = Tensor::i32([128], (0..128).map(|i| i % 91).collect());
    let index = graph.input("classes", classes.ty())?;
    let own = graph.named("gather_channels", GatherChannels, &[x, index])?;
    let grad = graph.gradients_from(&[(own, targets)], &[x])?[0].expect("a gradient");
    let found = noise(&[1, 20, 28, 28]);
    let small = graph.input("masks", found.ty())?;
    let boxes = graph.input("boxes", TensorType::f32([1, 20, 4]))?;
    let pasted = graph.named("mask_paste", MaskPaste { size: [PICTURE, PICTURE] }, &[small, boxes])?;
    let inputs = [
        ("gt_masks", &bits),
        ("rois", &regions(128)),
        ("matched", &matched),
        ("logits", &logits),
        ("classes", &classes),
        ("masks", &found),
        ("boxes", &regions(20)),
    ];
    report(gpu, &graph, &[("own", own), ("grad", grad), ("pasted", pasted)], &inputs)
}

fn main() -> wgvision::Result<()> {
    let gpu = Gpu::open()?;
    println!("{} ({})", gpu.facts().name, gpu.facts().driver);
    align(&gpu, 512, 7)?;
    align(&gpu, 128, 14)?;
    pool(&gpu)?;
    masks(&gpu)
}
