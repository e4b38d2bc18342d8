//! conv_transpose2d: every input pixel adds its products to the outputs its taps reach. The reference enumerates those terms
//! (see `conv2d`), the kernels gather.

use crate::conv2d::Case;
use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::run_op;
use wgvision::ops::conv_transpose2d::ConvTranspose2d;
use wgvision::ops::{Activation, OpRef};
use wgvision::tensor::Tensor;

struct Spec;

impl OpSpec for Spec {
    type Attrs = Case;
    const NAME: &'static str = "conv_transpose2d";
    const RANDOM: usize = 96;

    fn boundary(rng: &mut Rng) -> Vec<(Case, Vec<Tensor>)> {
        Case::boundary(true, rng)
    }

    fn random(rng: &mut Rng) -> (Case, Vec<Tensor>) {
        Case::random(true, rng)
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
fn conv_transpose2d() {
    check::<Spec>();
}

#[test]
fn conv_transpose2d_large_tiles() {
    Case::check_large_tiles(true);
}

#[test]
fn conv_transpose2d_large_gradients() {
    Case::check_large_gradients(true);
}

#[test]
fn conv_transpose2d_names_what_does_not_fit() {
    let fails = |op: ConvTranspose2d, x: [usize; 4], w: [usize; 4], words: &str| {
        let e =
            run_op(gpu(), Arc::new(op), &[&Tensor::full(x, 0.0), &Tensor::full(w, 0.0)]).expect_err(words).to_string();
        assert!(e.contains(words), "{e}");
    };
    let op = ConvTranspose2d { stride: [2, 2], ..ConvTranspose2d::default() };
    fails(op, [1, 8, 8, 32], [2, 2, 64, 8], "weight: expected 32 input channels (x has 32, groups 1), got 64");
    fails(
        ConvTranspose2d { output_padding: [2, 0], ..op },
        [1, 8, 8, 4],
        [2, 2, 4, 8],
        "output_padding: expected less than the stride 2 or the dilation 1, got 2",
    );
    fails(ConvTranspose2d { padding: [1; 4], ..op }, [1, 1, 8, 4], [2, 2, 4, 8], "padding: height");
}
