//! Weights by formula, for parity tests: the same values here and in `tools/formula.py`, from a tensor's name and shape alone, so that a
//! network of any size can be compared with PyTorch's without its weights in a file.
//!
//! With u a hash of name and element, uniform in [-0.5, 0.5) in steps of 2^-24:
//!
//! | tensor | value |
//! |---|---|
//! | rank 2 and more | u * 2 sqrt(3) * gain / sqrt(fan_in); fan_in the product of dims 1.. in files; gain 1 for rank 2, else sqrt(2) |
//! | rank 1, `*weight` | 1 + 0.5 u; a quarter of that in the last batch norm of a residual block, so that activations do not grow |
//! | rank 1, `*running_var` | 1 + 0.5 u |
//! | rank 1, `*bias`, `*running_mean` | 0.1 u |
//!
//! The last batch norm of a block is its `bn3`, or its `bn2` where it has no `bn3`. Elements are counted in the order of files (PyTorch's).
//! Everything is computed in f64 and rounded once.

use super::ParameterSpec;
use crate::Result;
use crate::graph::Variables;
use crate::tensor::Tensor;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// u of the elements 0..n of a tensor: SplitMix64 (Steele, Lea, Flood 2014) of the element, started from FNV-1a of the name.
pub fn uniform(name: &str, n: usize) -> impl Iterator<Item = f64> + use<> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (1..=n as u64).map(move |i| {
        let mut z = hash.wrapping_add(i.wrapping_mul(GOLDEN));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / (1u64 << 24) as f64 - 0.5
    })
}

/// The tensor of a shape as files have it. `last_norm`: the last batch norm of a residual block. Panics where the formula knows nothing of it.
pub fn value(name: &str, shape: &[usize], last_norm: bool) -> Tensor {
    let u = uniform(name, shape.iter().product());
    let ends = |suffixes: [&str; 2]| suffixes.iter().any(|s| name.ends_with(s));
    let values: Vec<f32> = if shape.len() >= 2 {
        let gain = if shape.len() == 2 { 1.0 } else { 2.0f64.sqrt() };
        let fan_in: usize = shape[1..].iter().product();
        let scale = 2.0 * 3.0f64.sqrt() * gain / (fan_in as f64).sqrt();
        u.map(|u| (u * scale) as f32).collect()
    } else if ends(["bias", "running_mean"]) {
        u.map(|u| (0.1 * u) as f32).collect()
    } else if ends(["weight", "running_var"]) {
        let scale = if last_norm { 0.25 } else { 1.0 };
        u.map(|u| ((1.0 + 0.5 * u) * scale) as f32).collect()
    } else {
        panic!("the formula knows no tensor like {name} {shape:?}");
    };
    Tensor::f32(shape, values)
}

/// Sets every parameter and state of `specs`. An entry of `scale` multiplies all tensors whose name contains its text.
pub fn fill(variables: &Variables, specs: &[ParameterSpec], scale: &[(&str, f32)]) -> Result<()> {
    for spec in specs {
        let shape = spec.file_type().shape;
        let mut t = value(&spec.name, &shape, is_last_norm(&spec.name, specs));
        for (_, factor) in scale.iter().filter(|(part, _)| spec.name.contains(part)) {
            t = Tensor::f32(&shape, t.as_f32().iter().map(|v| v * factor).collect());
        }
        variables.set(&spec.name, &spec.layout.import(&t))?;
    }
    Ok(())
}

/// Whether a name among those of `specs` is the weight of the last batch norm of a residual block.
fn is_last_norm(name: &str, specs: &[ParameterSpec]) -> bool {
    let Some(block) = name.strip_suffix(".bn2.weight") else { return name.ends_with(".bn3.weight") };
    let third = format!("{block}.bn3.weight");
    !specs.iter().any(|s| s.name == third)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that `tools/formula.py` printed.
    #[test]
    fn python_computes_the_same() {
        let first = |name: &str, shape: &[usize], last| value(name, shape, last).as_f32()[..3].to_vec();
        assert_eq!(first("conv1.weight", &[64, 3, 7, 7], false), CONV);
        assert_eq!(first("fc.weight", &[10, 64], false), FC);
        assert_eq!(first("layer1.0.bn2.weight", &[64], true), LAST);
        assert_eq!(first("bn1.running_var", &[64], false), VARIANCE);
        assert_eq!(first("bn1.bias", &[64], false), BIAS);
    }

    const CONV: [f32; 3] = [0.018213026, 0.09906029, -0.19276875];
    const FC: [f32; 3] = [-0.0066485708, 0.16119748, 0.10544941];
    const LAST: [f32; 3] = [0.25451308, 0.2623157, 0.19012111];
    const VARIANCE: [f32; 3] = [1.0711538, 1.1433767, 1.2353895];
    const BIAS: [f32; 3] = [-0.03278038, -0.045984544, 0.037199713];
}
