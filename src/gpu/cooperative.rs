//! Cooperative matrices (tensor cores, simdgroup matrices): small matrix products that a subgroup makes together. WebGPU does not have them yet and
//! wgpu has them as an experiment, so they are only used where asked for, and only after a product on the device came out right.

use super::adapter::AdapterFacts;
use super::kernel::{Kernel, Launch, Needs, Slot, Uniform};
use super::{Command, Gpu, Pace, Program, Region};
use crate::Result;

/// Matrices that kernels are written for. Sums are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Cooperative {
    /// 8 by 8, factors f32.
    F32x8,
    /// 16 by 16, factors rounded to f16.
    F16x16,
    /// 8 by 8, factors rounded to f16.
    F16x8,
}

impl Cooperative {
    /// All of them, the best first: those that round nothing, then the larger.
    pub const ALL: [Self; 3] = [Self::F32x8, Self::F16x16, Self::F16x8];

    /// Rows and columns of a matrix.
    pub fn side(self) -> usize {
        if self == Self::F16x16 { 16 } else { 8 }
    }

    /// What [`AdapterFacts`] calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32x8 => "8x8 f32",
            Self::F16x16 => "16x16 f16",
            Self::F16x8 => "8x8 f16",
        }
    }

    fn probe(self) -> &'static Kernel {
        match self {
            Self::F32x8 => &PROBE_F32X8,
            Self::F16x16 => &PROBE_F16X16,
            Self::F16x8 => &PROBE_F16X8,
        }
    }
}

crate::uniform! {
    /// Uniform of the probe.
    pub struct ProbeParams {}
}

macro_rules! probe {
    ($name:ident, $label:literal, $uses:literal, $needs:expr) => {
        static $name: Kernel = Kernel {
            label: $label,
            source: concat!($uses, include_str!("../../shaders/probe/cooperative.wgsl")),
            params: ProbeParams::FIELDS,
            variants: &[&[("LANES", 8.0)]],
            needs: $needs,
        };
    };
}

probe!(PROBE_F32X8, "probe.coop8_f32", "// uses: coop8_f32\n", Needs::Cooperative);
probe!(PROBE_F16X16, "probe.coop16_f16", "// uses: coop16_f16\n", Needs::F16Cooperative);
probe!(PROBE_F16X8, "probe.coop8_f16", "// uses: coop8_f16\n", Needs::F16Cooperative);

/// The kernels that test a device and belong to no op.
pub const PROBES: &[&Kernel] = &[&PROBE_F32X8, &PROBE_F16X16, &PROBE_F16X8];

/// The matrices of an open device that may be used, if any, and a line about it for `wgvision info`.
pub(super) fn probe(gpu: &Gpu, facts: &AdapterFacts, lanes: Option<u32>) -> (Option<Cooperative>, String) {
    let offered = |form: &Cooperative| facts.cooperative.iter().any(|name| name == form.name());
    let Some(form) = Cooperative::ALL.into_iter().find(offered) else {
        return (None, "not used: the adapter offers none that kernels are written for".into());
    };
    let fits = |n: &u32| (*n as usize).is_multiple_of(form.side()) && *n <= 128;
    let Some(lanes) = lanes.filter(fits) else {
        return (None, format!("not used: {} wants subgroups of one size, a multiple of {}", form.name(), form.side()));
    };
    match product(gpu, form, lanes).map(|got| judge(&got, &factors(form).2)) {
        Ok(Ok(())) => (Some(form), format!("{}, used: a product on the device came out right", form.name())),
        Ok(Err(wrong)) => (None, format!("not used: a product of {} came out wrong, {wrong}", form.name())),
        Err(e) => (None, format!("not used: the product of {} did not run: {e}", form.name())),
    }
}

/// Matrices that are multiplied at a time, each by a workgroup.
const PRODUCTS: usize = 4;

/// (x, w), start and x * w + start, row by row. Small whole numbers, so that no way of rounding or adding matters, and no symmetry that would
/// hide a transposed factor.
fn factors(form: Cooperative) -> ([Vec<f32>; 2], Vec<f32>, Vec<f32>) {
    let side = form.side();
    let at = |i: usize, a: usize, b: usize, modulus: usize| (i * a + i / side * b) % modulus;
    let values = |a, b, modulus: usize| -> Vec<f32> {
        (0..PRODUCTS * side * side).map(|i| at(i, a, b, modulus) as f32 - (modulus / 2) as f32).collect()
    };
    let (x, w, start) = (values(5, 3, 17), values(7, 2, 13), values(11, 1, 29));
    let mut sums = start.clone();
    for (i, sum) in sums.iter_mut().enumerate() {
        let (product, row, column) = (i / (side * side), i / side % side, i % side);
        let first = product * side * side;
        *sum += (0..side).map(|k| x[first + row * side + k] * w[first + k * side + column]).sum::<f32>();
    }
    ([x, w], start, sums)
}

/// x * w + start as the device has it.
fn product(gpu: &Gpu, form: Cooperative, lanes: u32) -> Result<Vec<f32>> {
    let ([x, w], start, sums) = factors(form);
    let region = |data: &[f32]| -> Result<Region> {
        let size = size_of_val(data) as u64;
        let region = Region { buffer: gpu.allocate("probe", size)?, offset: 0, size };
        gpu.upload(&region, bytemuck::cast_slice(data));
        Ok(region)
    };
    let regions = [x, w, start, vec![0.0; sums.len()]].iter().map(|data| region(data)).collect::<Result<Vec<_>>>()?;
    let result = regions[3].clone();
    let slots = (0..3).map(Slot::Input).chain([Slot::Output(0)]).collect();
    let launch = Launch::new(form.probe(), ProbeParams::default(), slots, [PRODUCTS as u32, 1, 1]);
    let launch = launch.with(&[("LANES", f64::from(lanes))]);
    let pace = Pace::new(gpu);
    let program = Program::new(gpu, vec![Command::Launch { node: 0, launch, regions }], vec!["probe".into()], &pace)?;
    program.submit(&pace)?;
    Ok(bytemuck::pod_collect_to_vec(&gpu.read(&result, result.size)?.wait()?))
}

/// Where a product is wrong first, if anywhere.
fn judge(got: &[f32], want: &[f32]) -> std::result::Result<(), String> {
    match got.iter().zip(want).position(|(got, want)| got.to_bits() != want.to_bits()) {
        _ if got.len() != want.len() => Err(format!("{} numbers instead of {}", got.len(), want.len())),
        Some(i) => Err(format!("{} instead of {} at {i}", got[i], want[i])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_product_is_refused() {
        for form in Cooperative::ALL {
            let ([x, w], start, want) = factors(form);
            assert_eq!(judge(&want, &want), Ok(()));
            let side = form.side();
            // What a driver could get wrong: one number, a factor transposed, the roles, the sum's start, a NaN.
            let mut one = want.clone();
            one[5] += 1.0;
            let mut nan = want.clone();
            nan[side * side - 1] = f32::NAN;
            let multiply =
                |x: &dyn Fn(usize, usize, usize) -> f32, w: &dyn Fn(usize, usize, usize) -> f32, start: &[f32]| {
                    let sum = |i: usize| {
                        let (p, row, column) = (i / (side * side), i / side % side, i % side);
                        (0..side).map(|k| x(p, row, k) * w(p, k, column)).sum::<f32>()
                    };
                    start.iter().enumerate().map(|(i, s)| s + sum(i)).collect::<Vec<f32>>()
                };
            let plain = |m: &[f32], p: usize, r: usize, c: usize| m[(p * side + r) * side + c];
            let x1 = |p, r, c| plain(&x, p, r, c);
            let w1 = |p, r, c| plain(&w, p, r, c);
            assert_eq!(multiply(&x1, &w1, &start), want);
            let turned = multiply(&|p, r, c| plain(&x, p, c, r), &w1, &start);
            let turned_w = multiply(&x1, &|p, r, c| plain(&w, p, c, r), &start);
            let swapped = multiply(&w1, &x1, &start);
            let forgotten = multiply(&x1, &w1, &vec![0.0; start.len()]);
            for wrong in [one, nan, turned, turned_w, swapped, forgotten, want[1..].to_vec()] {
                assert!(judge(&wrong, &want).is_err());
            }
        }
    }
}
