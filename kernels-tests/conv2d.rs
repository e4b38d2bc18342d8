//! conv2d: every output is a sum over kernel taps and the input channels of its group; zeros outside the picture.
//!
//! The enumeration of terms here serves `conv_transpose2d` too, which is defined by exchanging input and output positions.

use crate::harness::{Array, Expected, OpSpec, Rng, check, compare, gpu};
use crate::winograd;
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::conv_transpose2d::ConvTranspose2d;
use wgvision::ops::conv2d::{Conv2d, Variant};
use wgvision::ops::{Activation, Epilogue, Op, OpRef};
use wgvision::tensor::{Tensor, TensorType};

/// The rule's choice and every kernel by force.
const VARIANTS: [Option<Variant>; 7] = [
    None,
    Some(Variant::Lanes),
    Some(Variant::Registers),
    Some(Variant::Subgroup),
    Some(Variant::Tiled),
    Some(Variant::Winograd2),
    Some(Variant::Winograd4),
];

/// A convolution of either kind.
#[derive(Clone, Debug)]
pub struct Case {
    pub transposed: bool,
    pub stride: [usize; 2],
    pub padding: [usize; 4],
    pub dilation: [usize; 2],
    pub output_padding: [usize; 2],
    pub groups: usize,
    pub bias: bool,
    pub residual: bool,
    pub activation: Activation,
    pub variant: Option<Variant>,
}

impl Case {
    pub fn plain(transposed: bool) -> Self {
        Self {
            transposed,
            stride: [1, 1],
            padding: [0; 4],
            dilation: [1, 1],
            output_padding: [0, 0],
            groups: 1,
            bias: false,
            residual: false,
            activation: Activation::None,
            variant: None,
        }
    }

    pub fn op(&self) -> OpRef {
        let Self { stride, padding, dilation, output_padding, groups, bias, residual, activation, variant, .. } = *self;
        if self.transposed {
            let op = ConvTranspose2d {
                stride,
                padding,
                output_padding,
                dilation,
                groups,
                bias,
                residual,
                activation,
                variant,
            };
            return Arc::new(op);
        }
        Arc::new(Conv2d { stride, padding, dilation, groups, bias, residual, activation, variant })
    }

    /// Output extent along axis `d`, or `None` where there is none.
    fn out(&self, d: usize, input: usize, kernel: usize) -> Option<usize> {
        let (i, k) = (input as i64, kernel as i64);
        let (s, dil) = (self.stride[d] as i64, self.dilation[d] as i64);
        let pad = (self.padding[2 * d] + self.padding[2 * d + 1]) as i64;
        let out = if self.transposed {
            (i - 1) * s - pad + dil * (k - 1) + self.output_padding[d] as i64 + 1
        } else if i + pad - dil * (k - 1) < 1 {
            0
        } else {
            (i + pad - dil * (k - 1) - 1) / s + 1
        };
        (out > 0).then_some(out as usize)
    }

    /// Random inputs for x (n, h, w, ci) and a kernel (kh, kw) with co outputs; `None` where the kernel does not fit.
    pub fn inputs(&self, rng: &mut Rng, x: [usize; 4], kernel: [usize; 2], co: usize) -> Option<Vec<Tensor>> {
        let y = [x[0], self.out(0, x[1], kernel[0])?, self.out(1, x[2], kernel[1])?, co];
        let mut all = vec![rng.tensor(x), rng.tensor([kernel[0], kernel[1], x[3] / self.groups, co])];
        if self.bias {
            all.push(rng.tensor([co]));
        }
        if self.residual {
            all.push(rng.tensor(y));
        }
        Some(all)
    }

    fn y_shape(&self, x: &[usize], w: &[usize]) -> [usize; 4] {
        let out = |d: usize| self.out(d, x[1 + d], w[d]).expect("the case fits");
        [x[0], out(0), out(1), w[3]]
    }

    /// Calls `visit(x index, weight index, y index)` for every product in the sums.
    fn terms(&self, x: &[usize], w: &[usize], mut visit: impl FnMut(usize, usize, usize)) {
        let y = self.y_shape(x, w);
        // `near` moves with the tap: the input of a convolution, the output of a transposed one.
        let (far, near) = if self.transposed { (x[1..3].to_vec(), &y[1..3]) } else { (y[1..3].to_vec(), &x[1..3]) };
        let (ig, og) = (w[2], w[3] / self.groups);
        for n in 0..x[0] {
            for (fy, fx, ky, kx) in product(far[0], far[1], w[0], w[1]) {
                let ny = (fy * self.stride[0] + ky * self.dilation[0]) as i64 - self.padding[0] as i64;
                let nx = (fx * self.stride[1] + kx * self.dilation[1]) as i64 - self.padding[2] as i64;
                if ny < 0 || nx < 0 || ny >= near[0] as i64 || nx >= near[1] as i64 {
                    continue;
                }
                let (ny, nx) = (ny as usize, nx as usize);
                let ((iy, ix), (oy, ox)) = if self.transposed { ((fy, fx), (ny, nx)) } else { ((ny, nx), (fy, fx)) };
                let x_at = ((n * x[1] + iy) * x[2] + ix) * x[3];
                let y_at = ((n * y[1] + oy) * y[2] + ox) * y[3];
                let w_at = (ky * w[1] + kx) * ig * w[3];
                for co in 0..w[3] {
                    for i in 0..ig {
                        visit(x_at + co / og * ig + i, w_at + i * w[3] + co, y_at + co);
                    }
                }
            }
        }
    }

    /// The variant, where it is a Winograd's that takes the shape of the weight.
    fn winograd(&self, w: &[usize]) -> Option<Variant> {
        let plain = self.stride == [1, 1] && self.dilation == [1, 1] && self.groups == 1;
        let fits = plain && w[..2] == [3, 3] && w[2..].iter().all(|c| c.is_multiple_of(4));
        self.variant.filter(|v| fits && matches!(v, Variant::Winograd2 | Variant::Winograd4))
    }

    /// Where the first tap of output 0 lies, of a convolution.
    fn base(&self) -> [i64; 2] {
        [-(self.padding[0] as i64), -(self.padding[2] as i64)]
    }

    pub fn reference(&self, inputs: &[Array]) -> Expected {
        let (x, w) = (&inputs[0], &inputs[1]);
        let y = self.y_shape(&x.shape, &w.shape);
        let mut value = Array::zeros(&y);
        let mut magnitude = vec![0.0; value.data.len()];
        self.terms(&x.shape, &w.shape, |xi, wi, yi| {
            let term = x.data[xi] * w.data[wi];
            value.data[yi] += term;
            magnitude[yi] += term.abs();
        });
        let mut terms = w.shape[..3].iter().product::<usize>() + 2;
        if let (false, Some(variant)) = (self.transposed, self.winograd(&w.shape)) {
            let weight = |ky, kx, i, o| w.get(&[ky, kx, i, o]);
            (magnitude, terms) = winograd::magnitude(variant, x, y, self.base(), weight);
        }
        let channels = w.shape[3];
        for (i, v) in value.data.iter_mut().enumerate() {
            let mut add = |term: f64| {
                *v += term;
                magnitude[i] += term.abs();
            };
            if self.bias {
                add(inputs[2].data[i % channels]);
            }
            if self.residual {
                add(inputs[inputs.len() - 1].data[i]);
            }
            *v = match self.activation {
                Activation::None => *v,
                Activation::Relu => v.max(0.0),
                Activation::Leaky(slope) => {
                    if *v > 0.0 {
                        *v
                    } else {
                        f64::from(slope) * *v
                    }
                }
                Activation::Silu => *v / (1.0 + (-*v).exp()),
                Activation::Sigmoid => 1.0 / (1.0 + (-*v).exp()),
            };
            magnitude[i] += v.abs();
        }
        let smooth = matches!(self.activation, Activation::Silu | Activation::Sigmoid);
        Expected::sum(value, magnitude, terms).wider(if smooth { 24.0 } else { 0.0 })
    }

    /// Exact gradients of x and weight for a given gradient of y, without epilogue.
    fn gradients(&self, x: &Array, w: &Array, g: &Array) -> [Expected; 2] {
        let mut found = [x, w].map(|t| (Array::zeros(&t.shape), vec![0.0; t.data.len()], vec![0u32; t.data.len()]));
        self.terms(&x.shape, &w.shape, |xi, wi, yi| {
            for (f, at, term) in [(0, xi, g.data[yi] * w.data[wi]), (1, wi, g.data[yi] * x.data[xi])] {
                found[f].0.data[at] += term;
                found[f].1[at] += term.abs();
                found[f].2[at] += 1;
            }
        });
        let mut found = found.map(|(value, magnitude, counts)| {
            let longest = counts.into_iter().max().unwrap_or(0) as usize;
            Expected::sum(value, magnitude, longest)
        });
        if let Some(variant) = self.winograd(&w.shape) {
            // The input gradient is a convolution of the other kind, with the weight's channels exchanged.
            let forward = |ky, kx, i, o| w.get(&[ky, kx, o, i]);
            let turned = |ky: usize, kx: usize, i, o| w.get(&[2 - ky, 2 - kx, o, i]);
            let shape = [0, 1, 2, 3].map(|d| x.shape[d]);
            let (magnitude, terms) = if self.transposed {
                winograd::magnitude(variant, g, shape, self.base(), forward)
            } else {
                winograd::magnitude(variant, g, shape, self.base().map(|b| -b - 2), turned)
            };
            found[0] = Expected::sum(found[0].value.clone(), magnitude, terms);
        }
        found
    }

    /// A random case with its inputs; small, so that the gradient is checked by differences.
    pub fn random(transposed: bool, rng: &mut Rng) -> (Self, Vec<Tensor>) {
        loop {
            let variant = rng.pick(&VARIANTS);
            // The register kernel takes channels in fours; the others anything.
            let winograd = matches!(variant, Some(Variant::Winograd2 | Variant::Winograd4)) && rng.range(0, 3) > 0;
            let fours =
                winograd || variant == Some(Variant::Registers) || (variant == Some(Variant::Subgroup) && rng.coin());
            let unit = if fours || rng.range(0, 3) == 0 { 4 } else { 1 };
            let groups = if winograd { 1 } else { rng.pick(&[1, 1, 1, 2, 3, 4]) };
            let (ig, og) = (unit * rng.range(1, 3), unit * rng.range(1, 3));
            let (ig, og) = if rng.range(0, 4) == 0 { (unit, unit) } else { (ig, og) };
            let two = |rng: &mut Rng, low: usize, high: usize| [rng.range(low, high), rng.range(low, high)];
            let stride = if winograd { [1, 1] } else { two(rng, 1, 3) };
            let dilation = if winograd || rng.coin() { [1, 1] } else { two(rng, 1, 3) };
            let output_padding = [0, 1].map(|d| rng.range(0, stride[d].max(dilation[d]) - 1));
            let activation = rng.pick(&[
                Activation::None,
                Activation::None,
                Activation::Relu,
                Activation::Leaky(0.1),
                Activation::Silu,
                Activation::Sigmoid,
            ]);
            let case = Self {
                transposed,
                stride,
                padding: [rng.range(0, 2), rng.range(0, 2), rng.range(0, 2), rng.range(0, 2)],
                dilation,
                output_padding,
                groups,
                bias: rng.coin(),
                residual: rng.coin(),
                activation,
                variant,
            };
            let x = [rng.range(1, 2), rng.range(1, 6), rng.range(1, 6), ig * groups];
            let kernel = if winograd { [3, 3] } else { two(rng, 1, 4) };
            let elements = x.iter().product::<usize>() + kernel[0] * kernel[1] * ig * og * groups;
            if elements > 500 && rng.range(0, 5) > 0 {
                continue;
            }
            if let Some(inputs) = case.inputs(rng, x, kernel, og * groups) {
                return (case, inputs);
            }
        }
    }

    /// Sizes around the tiles of each kernel: 4 and 8 pixels, 8 and 32 lanes, 64 by 64.
    pub fn boundary(transposed: bool, rng: &mut Rng) -> Vec<(Self, Vec<Tensor>)> {
        let base = Self::plain(transposed);
        let padded = Self { padding: [1; 4], bias: true, ..base.clone() };
        let shapes: [(Self, [usize; 4], [usize; 2], usize); 15] = [
            (base.clone(), [1, 1, 1, 1], [1, 1], 1),
            (base.clone(), [1, 3, 3, 4], [3, 3], 4),
            (Self { padding: [0, 1, 2, 0], ..padded.clone() }, [3, 10, 23, 4], [3, 3], 20),
            (padded.clone(), [1, 5, 3, 1], [3, 3], 1),
            (padded.clone(), [2, 7, 9, 3], [3, 3], 17),
            (padded.clone(), [1, 8, 8, 16], [3, 3], 64),
            (padded.clone(), [3, 13, 5, 8], [3, 3], 132),
            (base.clone(), [1, 9, 7, 67], [1, 1], 65),
            (Self { stride: [2, 2], ..padded.clone() }, [2, 17, 11, 4], [3, 3], 12),
            (Self { stride: [2, 2], padding: [3; 4], ..base.clone() }, [1, 23, 19, 3], [7, 7], 8),
            (Self { dilation: [5, 3], padding: [5, 4, 3, 2], ..base.clone() }, [1, 13, 14, 8], [3, 3], 16),
            (Self { groups: 19, ..padded.clone() }, [2, 9, 10, 19], [3, 3], 19),
            (Self { groups: 36, stride: [2, 1], ..padded.clone() }, [2, 9, 18, 36], [3, 3], 36),
            (Self { groups: 2, activation: Activation::Relu, ..padded.clone() }, [1, 6, 7, 40], [3, 2], 72),
            (Self { stride: [2, 2], output_padding: [1, 0], ..base }, [2, 9, 6, 8], [2, 2], 36),
        ];
        let mut all = Vec::new();
        for (case, x, kernel, co) in shapes {
            for variant in VARIANTS {
                let case = Self { variant, ..case.clone() };
                let inputs = case.inputs(rng, x, kernel, co).expect("the kernel fits");
                all.push((case, inputs));
            }
        }
        all
    }

    /// The kernels with large tiles, forward and backward: tiles of 64 and of 128, whole and cut, groups, strides, dilation.
    pub fn check_large_tiles(transposed: bool) {
        let mut rng = Rng::for_test("large tiles");
        let base = Self { variant: Some(Variant::Tiled), ..Self::plain(transposed) };
        let padded = Self { padding: [1; 4], bias: true, residual: true, activation: Activation::Relu, ..base.clone() };
        let shapes: [(Self, [usize; 4], [usize; 2], usize); 12] = [
            (base.clone(), [1, 16, 16, 8], [1, 1], 64),
            // Whole tiles that reach out of the picture, and the reverse.
            (padded.clone(), [1, 16, 16, 8], [3, 3], 64),
            (base.clone(), [1, 17, 15, 8], [1, 1], 64),
            (base.clone(), [2, 16, 16, 16], [1, 1], 128),
            (Self { bias: true, residual: true, ..base.clone() }, [1, 18, 18, 8], [3, 3], 64),
            (padded.clone(), [1, 17, 15, 16], [3, 3], 68),
            (padded.clone(), [2, 17, 15, 8], [3, 3], 132),
            (padded.clone(), [1, 15, 14, 72], [3, 3], 76),
            (Self { groups: 2, ..padded.clone() }, [1, 13, 12, 96], [2, 3], 140),
            (Self { stride: [2, 1], dilation: [2, 3], ..padded.clone() }, [1, 21, 26, 48], [3, 2], 64),
            (Self { stride: [2, 2], ..padded.clone() }, [1, 25, 23, 56], [3, 3], 72),
            (Self { stride: [2, 2], ..base }, [1, 16, 16, 64], [2, 2], 128),
        ];
        for (case, x, kernel, co) in shapes {
            let inputs = case.inputs(&mut rng, x, kernel, co).expect("the kernel fits");
            let arrays: Vec<Array> = inputs.iter().map(Array::from_tensor).collect();
            let tensors: Vec<&Tensor> = inputs.iter().collect();
            let options = Options { sentinels: true, ..Options::default() };
            let single = run_op_checked(gpu(), case.op(), &tensors, &[], options).expect("runs");
            assert_eq!(single.damaged, None, "{case:?} {x:?}");
            let wanted = case.reference(&arrays);
            compare(&format!("{case:?} {x:?}"), &single.outputs[0], &wanted).unwrap_or_else(|e| panic!("{e}"));
            // The gradients of the sum alone.
            let case = Self { bias: false, residual: false, activation: Activation::None, ..case };
            let g = rng.tensor(case.y_shape(inputs[0].shape(), inputs[1].shape()));
            let exact = case.gradients(&arrays[0], &arrays[1], &Array::from_tensor(&g));
            let single = run_op_checked(gpu(), case.op(), &tensors[..2], &[Some(&g)], options).expect("runs");
            assert_eq!(single.damaged, None);
            for (i, (got, want)) in single.grads.iter().zip(&exact).enumerate() {
                let what = format!("{case:?} {x:?} input {i}");
                compare(&what, got.as_ref().expect("wanted"), want).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }

    /// Gradients of shapes that span several tiles and parts, against the exact ones.
    pub fn check_large_gradients(transposed: bool) {
        let mut rng = Rng::for_test("convolution gradients");
        let base = Self { padding: [1; 4], ..Self::plain(transposed) };
        let shapes: [(Self, [usize; 4], [usize; 2], usize); 5] = [
            (base.clone(), [2, 33, 31, 8], [3, 3], 20),
            (Self { stride: [2, 2], ..base.clone() }, [1, 40, 27, 36], [3, 3], 8),
            (Self { stride: [2, 1], dilation: [2, 3], ..base.clone() }, [1, 65, 66, 3], [5, 3], 5),
            (Self { groups: 24, ..base.clone() }, [2, 30, 29, 24], [3, 3], 24),
            (Self { stride: [2, 2], padding: [0; 4], ..base }, [3, 16, 15, 68], [2, 2], 72),
        ];
        for (case, x, kernel, co) in shapes {
            let inputs = case.inputs(&mut rng, x, kernel, co).expect("the kernel fits");
            let g = rng.tensor(case.y_shape(inputs[0].shape(), inputs[1].shape()));
            for variant in VARIANTS {
                let case = Self { variant, ..case.clone() };
                let [x, w, g_exact] = [&inputs[0], &inputs[1], &g].map(Array::from_tensor);
                let exact = case.gradients(&x, &w, &g_exact);
                let op = case.op();
                let tensors: Vec<&Tensor> = inputs.iter().collect();
                let options = Options { sentinels: true, ..Options::default() };
                let single = run_op_checked(gpu(), op, &tensors, &[Some(&g)], options).expect("runs");
                assert_eq!(single.damaged, None);
                for (i, (got, want)) in single.grads.iter().zip(&exact).enumerate() {
                    let what = format!("{case:?} {variant:?} input {i}");
                    compare(&what, got.as_ref().expect("wanted"), want).unwrap_or_else(|e| panic!("{e}"));
                }
            }
        }
    }
}

fn product(a: usize, b: usize, c: usize, d: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}

struct Spec;

impl OpSpec for Spec {
    type Attrs = Case;
    const NAME: &'static str = "conv2d";
    const RANDOM: usize = 96;

    fn boundary(rng: &mut Rng) -> Vec<(Case, Vec<Tensor>)> {
        Case::boundary(false, rng)
    }

    fn random(rng: &mut Rng) -> (Case, Vec<Tensor>) {
        Case::random(false, rng)
    }

    fn op(case: &Case) -> OpRef {
        case.op()
    }

    fn reference(case: &Case, inputs: &[Array]) -> Vec<Expected> {
        vec![case.reference(inputs)]
    }

    fn gradient_through(case: &Case, _output: usize) -> bool {
        case.activation != Activation::Silu
    }

    fn gradient_into(case: &Case, _input: usize) -> bool {
        case.activation != Activation::Silu
    }
}

#[test]
fn conv2d() {
    check::<Spec>();
}

#[test]
fn conv2d_large_gradients() {
    Case::check_large_gradients(false);
}

#[test]
fn conv2d_large_tiles() {
    Case::check_large_tiles(false);
}

#[test]
fn conv2d_names_what_does_not_fit() {
    let fails = |op: Conv2d, x: [usize; 4], w: [usize; 4], words: &str| {
        let e =
            run_op(gpu(), Arc::new(op), &[&Tensor::full(x, 0.0), &Tensor::full(w, 0.0)]).expect_err(words).to_string();
        assert!(e.contains(words), "{e}");
    };
    let op = Conv2d::default();
    fails(op, [1, 8, 8, 32], [3, 3, 64, 8], "weight: expected 32 input channels (x has 32, groups 1), got 64");
    fails(op, [1, 2, 8, 4], [3, 3, 4, 8], "x: padded height: expected at least the kernel's 3, got 2");
    fails(
        Conv2d { groups: 2, ..op },
        [1, 8, 8, 4],
        [3, 3, 2, 7],
        "weight: expected output channels in 2 groups, got 7",
    );
    fails(Conv2d { stride: [1, 0], ..op }, [1, 8, 8, 4], [3, 3, 4, 8], "stride: expected at least 1");
    fails(Conv2d { bias: true, ..op }, [1, 8, 8, 4], [3, 3, 4, 8], "inputs: expected 3, got 2");
}

#[test]
fn conv2d_absorbs_what_comes_in_order() {
    let op = Conv2d::default();
    let types = [TensorType::f32([1, 4, 4, 2]), TensorType::f32([1, 1, 2, 3])];
    let fused = op.absorb(&Epilogue::Bias).expect("bias first");
    let fused = fused.absorb(&Epilogue::Residual).expect("then a residual");
    let fused = fused.absorb(&Epilogue::Activation(Activation::Relu)).expect("then an activation");
    let all = [&types[..], &[TensorType::f32([3]), TensorType::f32([1, 4, 4, 3])]].concat();
    assert_eq!(fused.infer("node", &all).expect("four inputs")[0], TensorType::f32([1, 4, 4, 3]));
    assert!(fused.absorb(&Epilogue::Activation(Activation::Silu)).is_none());
    assert!(fused.absorb(&Epilogue::Residual).is_none());
    assert!(op.absorb(&Epilogue::Residual).expect("fits").absorb(&Epilogue::Bias).is_none(), "inputs keep their order");
}
