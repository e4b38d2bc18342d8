//! corner_pool: running maxima towards one side.

use crate::harness::{Array, Expected, OpSpec, Rng, check, gpu};
use std::sync::Arc;
use wgvision::graph::{Options, run_op, run_op_checked};
use wgvision::ops::OpRef;
use wgvision::ops::corner_pool::{CornerPool, Direction};
use wgvision::tensor::Tensor;

const DIRECTIONS: [Direction; 4] = [Direction::Top, Direction::Bottom, Direction::Left, Direction::Right];

/// Places that an output looks at, in the order in which the walk meets them.
fn seen(direction: Direction, h: usize, w: usize, [y, x]: [usize; 2]) -> Vec<[usize; 2]> {
    match direction {
        Direction::Top => (y..h).rev().map(|r| [r, x]).collect(),
        Direction::Bottom => (0..=y).map(|r| [r, x]).collect(),
        Direction::Left => (x..w).rev().map(|c| [y, c]).collect(),
        Direction::Right => (0..=x).map(|c| [y, c]).collect(),
    }
}

/// Values of the maxima and their flat positions in x; of equals the one met first.
fn maxima(direction: Direction, x: &Array) -> (Array, Vec<usize>) {
    let [n, h, w, c] = x.shape[..].try_into().expect("rank 4");
    let (mut values, mut places) = (x.clone(), vec![0; x.data.len()]);
    for b in 0..n {
        for (row, column) in (0..h).flat_map(|r| (0..w).map(move |c| (r, c))) {
            for ch in 0..c {
                let positions = seen(direction, h, w, [row, column]).into_iter().map(|[r, q]| x.at(&[b, r, q, ch]));
                let best = positions.reduce(|a, b| if x.data[b] > x.data[a] { b } else { a }).expect("itself");
                let to = x.at(&[b, row, column, ch]);
                values.data[to] = x.data[best];
                places[to] = best;
            }
        }
    }
    (values, places)
}

struct Spec;

impl OpSpec for Spec {
    type Attrs = Direction;
    const NAME: &'static str = "corner_pool";
    const RANDOM: usize = 32;

    fn boundary(rng: &mut Rng) -> Vec<(Direction, Vec<Tensor>)> {
        let shapes = [[1, 1, 1, 1], [1, 3, 255, 1], [2, 5, 2, 64], [1, 17, 257, 1], [2, 13, 11, 7], [1, 256, 3, 2]];
        let cases = shapes.iter().flat_map(|&s| DIRECTIONS.map(|d| (d, s)));
        cases.map(|(d, s)| (d, vec![rng.tensor_distinct(s)])).collect()
    }

    fn random(rng: &mut Rng) -> (Direction, Vec<Tensor>) {
        let shape = [rng.range(1, 2), rng.range(1, 8), rng.range(1, 8), rng.range(1, 3)];
        (rng.pick(&DIRECTIONS), vec![rng.tensor_distinct(shape)])
    }

    fn op(direction: &Direction) -> OpRef {
        Arc::new(CornerPool(*direction))
    }

    fn reference(direction: &Direction, inputs: &[Array]) -> Vec<Expected> {
        vec![Expected::exact(maxima(*direction, &inputs[0]).0)]
    }
}

#[test]
fn corner_pool() {
    check::<Spec>();
}

#[test]
fn corner_pool_gives_ties_to_the_one_met_first() {
    let mut rng = Rng::for_test("corner_pool_ties");
    for direction in DIRECTIONS {
        let shape = [2, 9, 10, 3];
        let x = Tensor::f32(shape, (0..540).map(|_| rng.range(0, 3) as f32).collect());
        let seed = Tensor::f32(shape, (0..540).map(|_| rng.range(1, 9) as f32).collect());
        let (values, places) = maxima(direction, &Array::from_tensor(&x));
        let mut want = vec![0.0f32; 540];
        places.iter().zip(seed.as_f32()).for_each(|(&p, g)| want[p] += g);
        let op = Arc::new(CornerPool(direction));
        let got = run_op_checked(gpu(), op, &[&x], &[Some(&seed)], Options::default()).expect("runs");
        assert_eq!(Array::from_tensor(&got.outputs[0]).data, values.data, "{direction:?}");
        assert_eq!(got.grads[0].as_ref().expect("a gradient").as_f32(), want, "{direction:?}");
    }
}

#[test]
fn corner_pool_refuses_what_does_not_fit() {
    let refused =
        |x: Tensor| run_op(gpu(), Arc::new(CornerPool(Direction::Left)), &[&x]).expect_err("refused").to_string();
    let rank = refused(Tensor::full([4, 4, 1], 1.0));
    assert!(rank.contains("x: expected f32(N, H, W, C), got f32(4, 4, 1)"), "{rank}");
    let dtype = refused(Tensor::i32([1, 1, 2, 1], vec![1, 2]));
    assert!(dtype.contains("got i32(1, 1, 2, 1)"), "{dtype}");
}
