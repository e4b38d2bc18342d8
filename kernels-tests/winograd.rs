//! Winograd's convolution: the bound on its error, written out, and the form that inference takes, whose weight is brought to Winograd's points once.
//! Values, gradients and sizes are `conv2d`'s cases, with these variants forced.
//!
//! An output of F(m, 3) is a sum of products A (G w G' . B' d B) A' over the whole tile, so rounding is relative to the sum of the absolute terms of
//! *that*: |A| (|G| |w| |G'| . |B'| |d| |B|) |A'|, which takes in all inputs of the tile, and not to the terms that the definition has.

use crate::conv2d::Case;
use crate::harness::{Array, Expected, Rng, compare, gpu};
use wgvision::gpu::Gpu;
use wgvision::graph::{Executable, Graph, Kind, Options, Plan, Precision, Variables, run_op};
use wgvision::ops::conv2d::Variant;
use wgvision::tensor::{Tensor, TensorType};

/// |B'|, |G| and |A'| of the textbook: rows are points (of A', outputs), infinity last.
struct Absolute {
    outputs: usize,
    input: Vec<Vec<f64>>,
    weight: Vec<[f64; 3]>,
    output: Vec<Vec<f64>>,
}

/// For finite points a: row a of B' has the coefficients of the product of (t - b) over the other points b, row infinity those of the product over all; row a of
/// G, (1, a, a^2) over the product of (a - b); column a of A', the powers of a.
fn absolute(points: &[f64]) -> Absolute {
    let outputs = points.len() - 1;
    let others = |i: usize| points.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, &b)| b);
    let product = |roots: Vec<f64>| {
        let mut c = vec![1.0];
        for b in roots {
            let mut next = vec![0.0; c.len() + 1];
            for (i, v) in c.iter().enumerate() {
                next[i + 1] += v;
                next[i] -= b * v;
            }
            c = next;
        }
        c.resize(points.len() + 1, 0.0);
        c.iter().map(|v: &f64| v.abs()).collect::<Vec<f64>>()
    };
    let mut input: Vec<Vec<f64>> = (0..points.len()).map(|i| product(others(i).collect())).collect();
    input.push(product(points.to_vec()));
    let row = |i: usize| {
        let (a, slope) = (points[i].abs(), others(i).map(|b| points[i] - b).product::<f64>().abs());
        [1.0 / slope, a / slope, a * a / slope]
    };
    let mut weight: Vec<[f64; 3]> = (0..points.len()).map(row).collect();
    weight.push([0.0, 0.0, 1.0]);
    let output = (0..outputs).map(|k| {
        let mut powers: Vec<f64> = points.iter().map(|a| a.abs().powi(k as i32)).collect();
        powers.push(if k + 1 == outputs { 1.0 } else { 0.0 });
        powers
    });
    Absolute { outputs, input, weight, output: output.collect() }
}

/// left x right' for a square `x` given by its elements.
fn both_sides(left: &[Vec<f64>], x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let half: Vec<Vec<f64>> = left
        .iter()
        .map(|row| (0..x[0].len()).map(|j| row.iter().zip(x).map(|(a, line)| a * line[j]).sum()).collect())
        .collect();
    half.iter().map(|line| left.iter().map(|row| row.iter().zip(line).map(|(a, b)| a * b).sum()).collect()).collect()
}

/// Roundings on the longest path besides the sum over channels. In one dimension: four of the weight's transform (coefficient, product, two sums), four of the
/// input's (product, sum, product, sum), four of the output's (difference, product, two sums); twice that; the product; bias and residual.
const ROUNDINGS: usize = 2 * (4 + 4 + 4) + 1 + 2;

/// What rounding is relative to, for each element of an output of extents `y`, and the roundings on the longest path. `weight(ky, kx, i, o)` in the order in which taps
/// meet the input from `base` on.
pub fn magnitude(
    variant: Variant,
    x: &Array,
    y: [usize; 4],
    base: [i64; 2],
    weight: impl Fn(usize, usize, usize, usize) -> f64,
) -> (Vec<f64>, usize) {
    let abs = match variant {
        Variant::Winograd2 => absolute(&[0.0, 1.0, -1.0]),
        _ => absolute(&[0.0, 0.625, -0.625, 1.5, -1.5]),
    };
    let (size, m) = (abs.outputs + 2, abs.outputs);
    let [n, h, w, outputs] = y;
    let inputs = x.shape[3];
    let taps: Vec<Vec<f64>> = abs.weight.iter().map(|row| row.to_vec()).collect();
    let mut at_points = vec![0.0; size * size * inputs * outputs];
    for i in 0..inputs {
        for o in 0..outputs {
            let lines: Vec<Vec<f64>> = (0..3).map(|ky| (0..3).map(|kx| weight(ky, kx, i, o).abs()).collect()).collect();
            for (r, line) in both_sides(&taps, &lines).iter().enumerate() {
                for (s, v) in line.iter().enumerate() {
                    at_points[((r * size + s) * inputs + i) * outputs + o] = *v;
                }
            }
        }
    }
    let mut found = vec![0.0; y.iter().product()];
    for picture in 0..n {
        for (top, left) in (0..h).step_by(m).flat_map(|top| (0..w).step_by(m).map(move |left| (top, left))) {
            let mut sums = vec![vec![vec![0.0; size]; size]; outputs];
            for i in 0..inputs {
                let read = |r: usize, s: usize| {
                    let (row, column) = ((top + r) as i64 + base[0], (left + s) as i64 + base[1]);
                    let inside = row >= 0 && column >= 0 && row < x.shape[1] as i64 && column < x.shape[2] as i64;
                    if inside { x.get(&[picture, row as usize, column as usize, i]).abs() } else { 0.0 }
                };
                let tile: Vec<Vec<f64>> = (0..size).map(|r| (0..size).map(|s| read(r, s)).collect()).collect();
                for (r, line) in both_sides(&abs.input, &tile).iter().enumerate() {
                    for (s, v) in line.iter().enumerate() {
                        let from = ((r * size + s) * inputs + i) * outputs;
                        for (o, sum) in sums.iter_mut().enumerate() {
                            sum[r][s] += v * at_points[from + o];
                        }
                    }
                }
            }
            for (o, sum) in sums.iter().enumerate() {
                for (r, line) in both_sides(&abs.output, sum).iter().enumerate() {
                    for (s, v) in line.iter().enumerate() {
                        if top + r < h && left + s < w {
                            found[((picture * h + top + r) * w + left + s) * outputs + o] = *v;
                        }
                    }
                }
            }
        }
    }
    (found, inputs + ROUNDINGS)
}

#[test]
fn prepared_weights_give_the_bits_of_a_single_run() {
    let mut rng = Rng::for_test("prepared weights");
    for variant in [Variant::Winograd2, Variant::Winograd4] {
        let case = Case { padding: [1, 0, 2, 1], bias: true, variant: Some(variant), ..Case::plain(false) };
        let inputs = case.inputs(&mut rng, [2, 9, 14, 8], [3, 3], 20).expect("fits");
        let [x_type, weight_type, bias_type] = [0, 1, 2].map(|i: usize| inputs[i].ty());
        let mut graph = Graph::new();
        let x = graph.input("x", x_type).unwrap();
        let weight = graph.parameter("weight", weight_type).unwrap();
        let bias = graph.parameter("bias", bias_type).unwrap();
        let twice = [0, 1].map(|_| graph.named_all("conv", case.op(), &[x, weight, bias]).unwrap()[0]);
        let variables = Variables::new(gpu());
        variables.set("weight", &inputs[1]).unwrap();
        variables.set("bias", &inputs[2]).unwrap();
        let outputs = [("a", twice[0]), ("b", twice[1])];
        let mut plain = Executable::new(&graph, &outputs, &variables).unwrap();
        let mut fast = Executable::for_inference(&graph, &outputs, &variables, Precision::F32).unwrap();
        for round in 0..2 {
            if round == 1 {
                variables.set("weight", &rng.tensor(inputs[1].shape())).unwrap();
            }
            let [want, got] =
                [&mut plain, &mut fast].map(|exec| exec.run(&[("x", &inputs[0])]).unwrap().wait().unwrap());
            assert_eq!(want["a"].bytes(), got["a"].bytes(), "{variant:?}");
            assert_eq!(got["a"].bytes(), got["b"].bytes());
        }
        let (prepared, _) = graph.with_prepared_inputs(&twice, gpu().profile()).unwrap();
        let made = prepared.nodes().iter().filter(|n| n.name.starts_with("prepared(")).count();
        assert_eq!(made, 1, "two readers of one weight share its prepared form");
        // Halves stay as they are: what is prepared would be four times as large.
        let mut half = Executable::for_inference(&graph, &outputs, &variables, Precision::F16).unwrap();
        let ran = half.run(&[("x", &inputs[0])]).unwrap().wait().unwrap();
        let exact = plain.run(&[("x", &inputs[0])]).unwrap().wait().unwrap();
        let [rounded, exact] = [&ran["a"], &exact["a"]].map(|t| t.as_f32());
        let largest = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let off = rounded.iter().zip(exact).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(off > 0.0 && off < largest / 256.0, "{off} of {largest}");
    }
}

/// The bits of a 3x3 convolution, padded by one.
fn bits(gpu: &Gpu, variant: Option<Variant>, x: &Tensor, weight: &Tensor) -> Vec<u8> {
    let case = Case { padding: [1; 4], variant, ..Case::plain(false) };
    run_op(gpu, case.op(), &[x, weight]).unwrap()[0].bytes().to_vec()
}

/// A device on which the rule decides, whatever is forced or was timed.
fn ruled() -> Gpu {
    let options = wgvision::gpu::Options { variants: Some(String::new()), tuned: Some(false), ..Default::default() };
    Gpu::open_with(&options).unwrap()
}

#[test]
fn a_picture_has_the_same_bits_alone_and_in_a_batch() {
    let (mut rng, gpu) = (Rng::for_test("winograd batch"), ruled());
    // Sizes at which the rule would decide otherwise if it counted all pictures' tiles.
    for (side, channels) in [(5, 256), (10, 256), (13, 64), (40, 64)] {
        let x = rng.tensor([8, side, side, channels]);
        let weight = rng.tensor([3, 3, channels, channels]);
        let one = side * side * channels;
        let alone = Tensor::f32([1, side, side, channels], x.as_f32()[..one].to_vec());
        let (batch, single) = (bits(&gpu, None, &x, &weight), bits(&gpu, None, &alone, &weight));
        assert!(batch[..4 * one] == single[..], "{side}x{side}, {channels} channels");
    }
}

#[test]
fn few_channels_are_convolved_as_defined() {
    let (mut rng, gpu) = (Rng::for_test("winograd few channels"), ruled());
    for (inputs, outputs) in [(12, 32), (32, 12), (8, 8), (256, 12)] {
        let x = rng.tensor([1, 48, 48, inputs]);
        let weight = rng.tensor([3, 3, inputs, outputs]);
        let usual = bits(&gpu, None, &x, &weight);
        for winograd in [Variant::Winograd2, Variant::Winograd4] {
            assert!(usual != bits(&gpu, Some(winograd), &x, &weight), "{inputs} to {outputs}: bits of {winograd:?}");
        }
    }
}

#[test]
fn scratch_is_bounded_and_ranges_meet() {
    // 1024 tiles of F(4, 3) at 512 channels are more than one range holds.
    let mut rng = Rng::for_test("winograd ranges");
    let case = Case { padding: [1; 4], variant: Some(Variant::Winograd4), ..Case::plain(false) };
    let inputs = case.inputs(&mut rng, [2, 64, 60, 4], [3, 3], 256).expect("fits");
    let mut graph = Graph::new();
    let x = graph.input("x", inputs[0].ty()).unwrap();
    let weight = graph.parameter("weight", inputs[1].ty()).unwrap();
    let y = graph.named_all("conv", case.op(), &[x, weight]).unwrap()[0];
    let plan = Plan::new(gpu(), &graph, &[y], Options::default()).unwrap();
    assert!(matches!(graph.nodes()[y.node].kind, Kind::Op(_)));
    let own = graph.ty(y).bytes() + TensorType::f32(inputs[0].shape()).bytes();
    assert!(plan.memory.peak < own + (20 << 20), "{} over {own}", plan.memory.peak);
    let variables = Variables::new(gpu());
    variables.set("weight", &inputs[1]).unwrap();
    let mut exec = Executable::new(&graph, &[("y", y)], &variables).unwrap();
    assert!(exec.commands() > 6, "several ranges");
    let got = exec.run(&[("x", &inputs[0])]).unwrap().wait_for("y").unwrap();
    let want: Expected = case.reference(&inputs.iter().map(Array::from_tensor).collect::<Vec<_>>());
    compare("ranges", &got, &want).unwrap_or_else(|e| panic!("{e}"));
}
