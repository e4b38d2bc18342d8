//! What the pooling tests share: random windows and pictures, and the definition of which elements a window holds.

use crate::harness::{Array, Rng};
use wgvision::ops::max_pool2d::Window;

/// One element of an output: its index, and the (row, column) of the picture's elements in its window, row-major.
pub struct Pooled {
    /// Batch, row, column, channel of the output.
    pub index: [usize; 4],
    /// Elements of the window that lie inside the picture.
    pub inside: Vec<[usize; 2]>,
    /// Elements of the window inside the padded picture.
    pub padded: usize,
}

/// Number of windows along an axis: the last starts inside the picture or the padding before it.
fn count(w: &Window, axis: usize, extent: usize) -> usize {
    let (before, after) = (w.padding[2 * axis], w.padding[2 * axis + 1]);
    let reach = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
    let start = |o: usize| o * w.stride[axis];
    let fits = |o: &usize| match w.ceil_mode {
        false => start(*o) + reach <= extent + before + after,
        true => {
            let previous_ends_early = *o == 0 || start(o - 1) + reach < extent + before + after;
            previous_ends_early && start(*o) < extent + before
        }
    };
    (0..).take_while(fits).count()
}

/// Shape of the output and all its elements.
pub fn pooled(w: &Window, x: &Array) -> (Vec<usize>, Vec<Pooled>) {
    let [n, h, width, c] = x.shape[..].try_into().expect("rank 4");
    let (rows, columns) = (count(w, 0, h), count(w, 1, width));
    let axis = |o: usize, axis: usize, extent: usize| {
        let place = |t: usize| o * w.stride[axis] + t * w.dilation[axis];
        let before = w.padding[2 * axis];
        let padded = (0..w.kernel[axis]).filter(|&t| place(t) < extent + before + w.padding[2 * axis + 1]).count();
        let inside: Vec<usize> = (0..w.kernel[axis])
            .map(place)
            .filter(|p| (before..before + extent).contains(p))
            .map(|p| p - before)
            .collect();
        (inside, padded)
    };
    let mut all = Vec::new();
    for b in 0..n {
        for oy in 0..rows {
            let (ys, padded_y) = axis(oy, 0, h);
            for ox in 0..columns {
                let (xs, padded_x) = axis(ox, 1, width);
                for ch in 0..c {
                    let inside = ys.iter().flat_map(|&y| xs.iter().map(move |&x| [y, x])).collect();
                    all.push(Pooled { index: [b, oy, ox, ch], inside, padded: padded_y * padded_x });
                }
            }
        }
    }
    (vec![n, rows, columns, c], all)
}

/// Windows and shapes at the edges: one element, workgroup sizes, primes, wide and narrow channels, ceil mode on odd sizes.
pub fn boundary() -> Vec<(Window, [usize; 4])> {
    let square = Window::square;
    let ceil = |w: Window| Window { ceil_mode: true, ..w };
    vec![
        (square(1, 1, 0), [1, 1, 1, 1]),
        (square(2, 2, 0), [1, 2, 2, 1]),
        (square(2, 2, 0), [2, 10, 510, 1]),
        (square(2, 2, 0), [1, 7, 5, 256]),
        (square(2, 2, 0), [1, 5, 7, 257]),
        (ceil(square(2, 2, 0)), [2, 7, 5, 4]),
        (ceil(square(3, 2, 0)), [2, 8, 6, 3]),
        (ceil(square(3, 2, 1)), [2, 31, 17, 8]),
        (square(3, 2, 1), [2, 23, 29, 5]),
        (square(3, 1, 1), [1, 16, 16, 255]),
        (square(5, 1, 2), [1, 13, 13, 12]),
        (square(2, 3, 0), [1, 11, 14, 3]),
        (ceil(square(1, 3, 0)), [1, 6, 7, 2]),
        (Window { padding: [1, 0, 0, 2], ..square(3, 2, 0) }, [2, 9, 11, 4]),
        (Window { kernel: [7, 1], stride: [2, 5], padding: [3, 3, 0, 0], ..square(1, 1, 0) }, [1, 19, 23, 3]),
    ]
}

/// A random window and a small picture that it fits.
pub fn random(rng: &mut Rng, dilated: bool) -> (Window, [usize; 4]) {
    let kernel = [rng.range(1, 4), rng.range(1, 4)];
    let stride = [rng.range(1, 3), rng.range(1, 3)];
    let dilation = if dilated { [rng.range(1, 2), rng.range(1, 3)] } else { [1, 1] };
    // Half the kernel at most, as PyTorch demands: every window then touches the picture.
    let mut pad = |k: usize| rng.range(0, k / 2);
    let padding = [pad(kernel[0]), pad(kernel[0]), pad(kernel[1]), pad(kernel[1])];
    let reach = |axis: usize| dilation[axis] * (kernel[axis] - 1) + 1;
    let shape = [rng.range(1, 2), reach(0) + rng.range(0, 4), reach(1) + rng.range(0, 4), rng.range(1, 4)];
    (Window { kernel, stride, padding, dilation, ceil_mode: rng.coin() }, shape)
}

/// Shape of an adaptive pooling's output and all its elements: window o covers floor(o * in / out) .. ceil((o + 1) * in / out).
pub fn adaptive(size: [usize; 2], x: &Array) -> (Vec<usize>, Vec<Pooled>) {
    let [n, h, w, c] = x.shape[..].try_into().expect("rank 4");
    let range = |o: usize, extent: usize, out: usize| o * extent / out..((o + 1) * extent).div_ceil(out);
    let mut all = Vec::new();
    for b in 0..n {
        for oy in 0..size[0] {
            for ox in 0..size[1] {
                let places = range(oy, h, size[0]).flat_map(|y| range(ox, w, size[1]).map(move |x| [y, x]));
                let inside: Vec<[usize; 2]> = places.collect();
                let padded = inside.len();
                all.extend((0..c).map(|ch| Pooled { index: [b, oy, ox, ch], inside: inside.clone(), padded }));
            }
        }
    }
    (vec![n, size[0], size[1], c], all)
}

/// Output sizes and pictures at the edges; size 1 on large pictures takes the two-pass way.
pub fn adaptive_boundary() -> Vec<([usize; 2], [usize; 4])> {
    vec![
        ([1, 1], [1, 1, 1, 1]),
        ([1, 1], [2, 17, 15, 1]),
        ([1, 1], [1, 257, 1, 3]),
        ([1, 1], [3, 90, 70, 4]),
        ([1, 1], [2, 7, 5, 257]),
        ([1, 1], [1, 131, 67, 65]),
        ([7, 7], [1, 7, 7, 12]),
        ([7, 5], [2, 16, 23, 5]),
        ([6, 4], [1, 4, 3, 8]),
        ([3, 1], [2, 31, 37, 64]),
        ([1, 2], [1, 13, 255, 3]),
        ([2, 256], [1, 3, 257, 1]),
    ]
}
