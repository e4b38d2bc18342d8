//! What both detection measures share.

/// Makes precisions fall: each becomes the largest from it on.
pub(super) fn envelope(precision: &mut [f64]) {
    let mut largest: f64 = 0.0;
    for p in precision.iter_mut().rev() {
        largest = largest.max(*p);
        *p = largest;
    }
}

/// Mean of the values; `None` without any.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.into_iter().fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}
