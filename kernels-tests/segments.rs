//! What the tests of group, instance and layer norm share: the definition, over sets of elements.

use crate::harness::{Array, Expected};

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
