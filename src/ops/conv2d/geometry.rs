//! Which input position meets which output position: the one description that convolution, transposed convolution and all
//! their gradients share. Knows extents and attributes, nothing of kernels.

use crate::tensor::Shape;

/// Along one axis, output `o` and tap `k` meet input `(o * down + base + k * tap) / up`, where that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub down: usize,
    pub up: usize,
    pub base: isize,
    pub tap: isize,
}

impl Axis {
    /// A convolution's: `o * stride - padding + k * dilation`.
    pub fn forward(stride: usize, padding: usize, dilation: usize) -> Self {
        Self { down: stride, up: 1, base: -(padding as isize), tap: dilation as isize }
    }

    /// A transposed convolution's, and that of a convolution's input gradient: the same relation solved for the other side.
    pub fn transposed(stride: usize, padding: usize, dilation: usize) -> Self {
        Self { down: 1, up: stride, base: padding as isize, tap: -(dilation as isize) }
    }

    /// Distance between two taps that meet the same output.
    pub fn tap_step(&self) -> usize {
        self.up / gcd(self.up, self.tap.unsigned_abs())
    }
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}o{:+}{:+}k)/{}", self.down, self.base, self.tap, self.up)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What both convolutions take besides their tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub stride: [usize; 2],
    /// Top, bottom, left, right.
    pub padding: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Window {
    /// The axes (y, x) of a convolution.
    pub fn forward(&self) -> [Axis; 2] {
        [0, 1].map(|d| Axis::forward(self.stride[d], self.padding[2 * d], self.dilation[d]))
    }

    /// The axes (y, x) of a transposed convolution.
    pub fn transposed(&self) -> [Axis; 2] {
        [0, 1].map(|d| Axis::transposed(self.stride[d], self.padding[2 * d], self.dilation[d]))
    }

    /// Output extent of a convolution along axis `d`; `None` where the kernel does not fit.
    pub fn out(&self, d: usize, input: usize, kernel: usize) -> Option<usize> {
        let padded = input + self.padding[2 * d] + self.padding[2 * d + 1];
        let reach = self.dilation[d] * (kernel - 1) + 1;
        (padded >= reach).then(|| (padded - reach) / self.stride[d] + 1)
    }

    /// Output extent of a transposed convolution along axis `d`; `None` where the padding leaves nothing.
    pub fn out_transposed(&self, d: usize, input: usize, kernel: usize, output_padding: usize) -> Option<usize> {
        let whole = (input - 1) * self.stride[d] + self.dilation[d] * (kernel - 1) + output_padding + 1;
        let cut = self.padding[2 * d] + self.padding[2 * d + 1];
        (whole > cut).then(|| whole - cut)
    }
}

/// A gathering convolution: every output element is a sum over taps and input channels of its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    /// (N, H, W, C) of the input.
    pub input: [usize; 4],
    /// (N, H, W, C) of the output.
    pub output: [usize; 4],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    pub groups: usize,
    pub axes: [Axis; 2],
    /// Channels behind those of the groups, in input and output, that nobody reads.
    pub spare: usize,
}

impl Gather {
    /// From the shapes of input, output and weight.
    pub fn new(input: &Shape, output: &Shape, kernel: [usize; 2], groups: usize, axes: [Axis; 2]) -> Self {
        let four = |s: &Shape| s.nhwc().expect("inferred as rank 4");
        Self { input: four(input), output: four(output), kernel, groups, axes, spare: 0 }
    }

    /// Input channels of a group.
    pub fn group_inputs(&self) -> usize {
        (self.input[3] - self.spare) / self.groups
    }

    /// Output channels of a group.
    pub fn group_outputs(&self) -> usize {
        (self.output[3] - self.spare) / self.groups
    }

    /// Elements of the weight.
    pub fn weight_elements(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.group_inputs() * self.output[3]
    }

    /// Phases: outputs that differ modulo `up` meet different taps.
    pub fn phases(&self) -> usize {
        self.axes[0].up * self.axes[1].up
    }

    /// Rows and columns of a phase (the largest one).
    pub fn phase_extent(&self) -> [usize; 2] {
        [0, 1].map(|d| self.output[1 + d].div_ceil(self.axes[d].up))
    }

    /// Pixels of a phase, all pictures together.
    pub fn phase_pixels(&self) -> usize {
        let [h, w] = self.phase_extent();
        self.output[0] * h * w
    }

    /// Whether every tap of every output meets an input, and every phase is as large as the largest.
    pub fn stays_inside(&self) -> bool {
        [0, 1].into_iter().all(|d| {
            let axis = self.axes[d];
            let reach = (self.kernel[d] as isize - 1) * axis.tap;
            let last = (self.output[1 + d] as isize - 1) * axis.down as isize;
            let least = axis.base + reach.min(0);
            let most = last + axis.base + reach.max(0);
            let end = (self.input[1 + d] as isize - 1) * axis.up as isize;
            least >= 0 && most <= end && self.output[1 + d].is_multiple_of(axis.up)
        })
    }

    /// All that decides how long it takes, as a text.
    pub fn name(&self) -> String {
        let [y, x] = self.axes;
        format!("{:?} to {:?}, kernel {:?}, {} groups, {y}, {x}", self.input, self.output, self.kernel, self.groups)
    }

    /// Multiply-adds, padding counted as if it were there.
    pub fn multiply_adds(&self) -> u64 {
        let taps: usize = [0, 1].map(|d| self.kernel[d].div_ceil(self.axes[d].tap_step())).iter().product();
        let [n, h, w, _] = self.output;
        (n * h * w * self.groups * self.group_outputs() * taps * self.group_inputs()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel walks, in steps from the first tap of a phase, is what meets an input: nothing is multiplied by an inserted zero.
    #[test]
    fn a_phase_walks_exactly_the_taps_that_meet_an_input() {
        for (stride, padding, dilation) in [(1, 0, 1), (2, 0, 1), (2, 1, 1), (3, 2, 2), (4, 1, 6), (2, 0, 2)] {
            let axis = Axis::transposed(stride, padding, dilation);
            for (kernel, o) in (1..8usize).flat_map(|kernel| (0..12isize).map(move |o| (kernel, o))) {
                let meets = |k: &usize| (o + axis.base + *k as isize * axis.tap) % axis.up as isize == 0;
                let first = (0..axis.tap_step().min(kernel)).find(meets).unwrap_or(kernel);
                let walked: Vec<usize> = (first..kernel).step_by(axis.tap_step()).collect();
                assert_eq!(walked, (0..kernel).filter(meets).collect::<Vec<_>>());
            }
        }
        // U-Net's up-convolution: one tap of four for each output.
        let axes = [Axis::transposed(2, 0, 1); 2];
        let up =
            Gather { input: [1, 32, 32, 256], output: [1, 64, 64, 128], kernel: [2, 2], groups: 1, axes, spare: 0 };
        assert_eq!(up.multiply_adds(), 64 * 64 * 128 * 256);
    }

    #[test]
    fn a_layer_that_stays_inside_meets_inputs_alone() {
        let layer = |axis: Axis, kernel: usize, input: usize, output: usize| Gather {
            input: [1, input, input, 8],
            output: [1, output, output, 8],
            kernel: [kernel, kernel],
            groups: 1,
            axes: [axis; 2],
            spare: 0,
        };
        let forward = |stride, padding, kernel, input, output| {
            layer(Axis::forward(stride, padding, 1), kernel, input, output).stays_inside()
        };
        assert!(forward(1, 0, 1, 8, 8) && forward(2, 0, 1, 8, 4) && forward(1, 0, 3, 8, 6) && forward(2, 0, 3, 9, 4));
        assert!(!forward(1, 1, 3, 8, 8) && !forward(1, 0, 3, 8, 8) && !forward(2, 0, 1, 6, 4));
        let back = |stride, padding, kernel, input, output| {
            layer(Axis::transposed(stride, padding, 1), kernel, input, output).stays_inside()
        };
        // An input gradient's edges meet fewer taps; phases of 2 in 9 pixels differ.
        assert!(back(1, 0, 1, 8, 8) && !back(1, 0, 3, 6, 8) && !back(2, 0, 1, 5, 9));
        // A kernel as wide as its stride: U-Net's up-convolution has no edge, but the rule looks at all taps alike.
        assert!(!back(2, 0, 2, 4, 8));
    }

    #[test]
    fn transposed_axis_inverts_the_forward_one() {
        for (stride, padding, dilation) in [(1, 0, 1), (2, 1, 1), (3, 2, 2), (4, 1, 6), (2, 0, 2)] {
            let (f, t) = (Axis::forward(stride, padding, dilation), Axis::transposed(stride, padding, dilation));
            let step = t.tap_step() as isize;
            for o in 0..9isize {
                for k in 0..7isize {
                    let i = o * f.down as isize + f.base + k * f.tap;
                    let back = i + t.base + k * t.tap;
                    assert_eq!(back, o * t.up as isize);
                    assert_eq!((back + step * t.tap) % t.up as isize, 0, "taps of a phase are {step} apart");
                }
            }
        }
    }
}
