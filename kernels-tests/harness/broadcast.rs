//! Cases and reference for ops that combine two broadcast tensors.

use super::{Array, Rng};
use wgvision::tensor::Tensor;

/// Pairs of shapes: equal, per channel, scalar, both repeated, of different rank, around the workgroup size.
pub fn boundary_pairs(rng: &mut Rng) -> Vec<Vec<Tensor>> {
    let shapes: [(&[usize], &[usize]); 14] = [
        (&[1], &[1]),
        (&[255], &[255]),
        (&[256], &[1]),
        (&[257], &[257]),
        (&[1024], &[1024]),
        (&[2, 3, 5, 7], &[2, 3, 5, 7]),
        (&[3, 1031], &[1031]),
        (&[2, 5, 7, 8], &[8]),
        (&[8], &[2, 5, 7, 8]),
        (&[2, 5, 7, 8], &[]),
        (&[2, 5, 7, 12], &[2, 1, 1, 12]),
        (&[2, 5, 7, 12], &[2, 5, 7, 1]),
        (&[3, 1, 7, 1], &[1, 5, 1, 4]),
        (&[2, 1, 3, 1, 2, 4], &[5, 1, 2, 1, 4]),
    ];
    shapes.iter().map(|&(a, b)| vec![rng.tensor(a), rng.tensor(b)]).collect()
}

/// Two shapes that broadcast, each extent of each now and then 1, one perhaps of lower rank.
pub fn random_pair(rng: &mut Rng) -> Vec<Tensor> {
    let rank = rng.range(1, 6);
    let whole: Vec<usize> = (0..rank).map(|d| if d + 3 > rank { rng.range(1, 5) } else { rng.range(1, 2) }).collect();
    let side = |rng: &mut Rng| {
        let some: Vec<usize> = whole.iter().map(|&e| if rng.range(0, 3) == 0 { 1 } else { e }).collect();
        some[rng.range(0, rank.min(3)) * usize::from(rng.coin())..].to_vec()
    };
    let (a, b) = (side(rng), side(rng));
    vec![rng.tensor(a), rng.tensor(b)]
}

/// `combine` of the broadcast elements of two arrays.
pub fn combine(a: &Array, b: &Array, combine: impl Fn(f64, f64) -> f64) -> Array {
    let rank = a.shape.len().max(b.shape.len());
    let padded = |x: &Array| -> Vec<usize> {
        std::iter::repeat_n(1, rank - x.shape.len()).chain(x.shape.iter().copied()).collect()
    };
    let shape: Vec<usize> = padded(a).into_iter().zip(padded(b)).map(|(p, q)| p.max(q)).collect();
    let element = |x: &Array, index: &[usize]| {
        let own = &index[rank - x.shape.len()..];
        let at: Vec<usize> = own.iter().zip(&x.shape).map(|(&i, &e)| if e == 1 { 0 } else { i }).collect();
        x.get(&at)
    };
    Array::from_fn(&shape, |index| combine(element(a, index), element(b, index)))
}
