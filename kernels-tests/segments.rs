//! What the tests of group, instance and layer norm share: the definition, over sets of elements.

use crate::harness::{Array, Expected, Rng, gpu};
use wgvision::graph::{Options, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::tensor::Tensor;

/// Where the statistics and weights of an element are: for each element of x, its set and its weight.
pub struct Sets {
    /// Set of each element of x.
    pub of: Vec<usize>,
    /// Position of each element's weight.
    pub weight: Vec<usize>,
    /// Shape of the statistics.
    pub shape: Vec<usize>,
}

/// (y, mean, rstd) of sets normalised apart. `inputs` are (x, [weight, bias]).
pub fn normalised(inputs: &[Array], sets: &Sets, eps: f32) -> Vec<Expected> {
    let x = &inputs[0];
    let count = sets.shape.iter().product();
    let (mut n, mut mean, mut size, mut m2) = (vec![0.0; count], vec![0.0; count], vec![0.0; count], vec![0.0; count]);
    for (v, &s) in x.data.iter().zip(&sets.of) {
        n[s] += 1.0;
        mean[s] += v;
        size[s] += v.abs();
    }
    for s in 0..count {
        mean[s] /= n[s];
        size[s] /= n[s];
    }
    for (v, &s) in x.data.iter().zip(&sets.of) {
        m2[s] += (v - mean[s]).powi(2);
    }
    let rstd: Vec<f64> = (0..count).map(|s| 1.0 / (m2[s] / n[s] + f64::from(eps)).sqrt()).collect();
    let mut y = x.clone();
    let mut magnitude = vec![0.0; x.data.len()];
    for (i, &s) in sets.of.iter().enumerate() {
        let (w, b) = match &inputs[1..] {
            [w, b] => (w.data[sets.weight[i]], b.data[sets.weight[i]]),
            _ => (1.0, 0.0),
        };
        y.data[i] = (x.data[i] - mean[s]) * rstd[s] * w + b;
        magnitude[i] = (x.data[i].abs() + size[s]) * rstd[s] * w.abs() + b.abs();
    }
    let array = |data| Array { shape: sets.shape.clone(), data };
    vec![
        Expected { value: y, magnitude, terms: 16.0 },
        Expected { value: array(mean), magnitude: size, terms: 16.0 },
        Expected::exact(array(rstd)).wider(24.0),
    ]
}

/// Holds the gradients of `op`, whose result is rectified with `slope` below zero, against the formulas (Wu and He, 2018), for tensors too large
/// to be differentiated by differences: with g the gradient before the rectifier and means over a set,
/// gx = rstd (g w - mean(g w) - xhat mean(g w xhat)), gw = sum g xhat, gb = sum g.
pub fn gradients_agree(op: OpRef, inputs: &[Tensor], sets: &Sets, eps: f32, slope: f64) {
    let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
    let [x, w, b] = &arrays[..] else { panic!("weight and bias are given") };
    let forward = normalised(&arrays, sets, eps);
    let (mean, rstd) = (&forward[1].value.data, &forward[2].value.data);
    let grad_y = Rng::for_test("seed").tensor(inputs[0].shape());
    let count = mean.len();
    let (mut n, mut sum, mut sum_x, mut size) =
        (vec![0.0; count], vec![0.0; count], vec![0.0; count], vec![0.0; count]);
    let (mut gw, mut gb) = (vec![0.0; w.data.len()], vec![0.0; b.data.len()]);
    let (mut gw_size, mut gb_size) = (gw.clone(), gb.clone());
    let mut before = Vec::with_capacity(x.data.len());
    for (i, (&s, &at)) in sets.of.iter().zip(&sets.weight).enumerate() {
        let normal = (x.data[i] - mean[s]) * rstd[s];
        let made = normal * w.data[at] + b.data[at];
        // At the kink f32 may take the other side.
        let near = slope != 1.0 && made.abs() < 1e-4;
        let g = f64::from(grad_y.as_f32()[i]) * if made > 0.0 { 1.0 } else { slope };
        let doubt = if near { f64::from(grad_y.as_f32()[i]).abs() * 1e6 } else { 0.0 };
        // xhat is a difference: it is off by roundings of what it is the difference of.
        let size_of_normal = (x.data[i].abs() + mean[s].abs()) * rstd[s];
        n[s] += 1.0;
        sum[s] += g * w.data[at];
        sum_x[s] += g * w.data[at] * normal;
        size[s] += (g * w.data[at]).abs() * (1.0 + size_of_normal);
        gw[at] += g * normal;
        gb[at] += g;
        gw_size[at] += g.abs() * size_of_normal + doubt;
        gb_size[at] += g.abs() + doubt;
        before.push((normal, g, size_of_normal, doubt));
    }
    let mut gx = x.clone();
    let mut gx_size = vec![0.0; x.data.len()];
    for (i, (&s, &at)) in sets.of.iter().zip(&sets.weight).enumerate() {
        let (normal, g, size_of_normal, doubt) = before[i];
        gx.data[i] = rstd[s] * (g * w.data[at] - sum[s] / n[s] - normal * sum_x[s] / n[s]);
        gx_size[i] = rstd[s] * ((g * w.data[at]).abs() + (1.0 + size_of_normal) * size[s] / n[s] + doubt);
    }
    let tensors: Vec<&Tensor> = inputs.iter().collect();
    let seeds = [Some(&grad_y), None, None];
    let got = run_op_checked(gpu(), op, &tensors, &seeds, Options::default()).expect("runs").grads;
    let want = [(gx.data, gx_size), (gw, gw_size), (gb, gb_size)];
    for ((name, got), (want, size)) in ["x", "weight", "bias"].iter().zip(got).zip(want) {
        let got = got.expect("a gradient");
        // Sums of tens of thousands of terms that cancel: their roundings in a tree, and those of mean and rstd.
        for (i, (&g, (want, size))) in got.as_f32().iter().zip(want.iter().zip(&size)).enumerate() {
            let bound = 64.0 * f64::from(f32::EPSILON) * size + 1e-30;
            assert!((f64::from(g) - want).abs() <= bound, "grad_{name}[{i}] is {g}, {want} expected within {bound:e}");
        }
    }
}
