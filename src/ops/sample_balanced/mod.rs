//! A random sample of fixed size in which positives are at most a given number, as torchvision's BalancedPositiveNegativeSampler. Ren et al.,
//! "Faster R-CNN", 2015.
//!
//! Each element has a key, a hash of seed, step, node and its number, and those of the smallest keys are taken. A radix selection (as in
//! `top_k`) finds the largest key that is, for positives and for negatives; nothing is sorted.

use super::{Arg, Attr, Built, Entry, GradCx, LaunchCx, Op, Value, Work, shape_error};
use crate::gpu::{Kernel, Launch, Needs, Slot, Uniform};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, TensorType};
use crate::{Error, Result};
use std::sync::Arc;

crate::uniform! {
    /// Uniform of all kernels.
    pub struct Params {
        length: u32, groups: u32, shift: u32, size: u32,
        positives: u32, seed: u32, node: u32, pad0: u32,
    }
}

macro_rules! kernel {
    ($name:ident, $file:literal) => {
        static $name: Kernel = Kernel {
            label: concat!("sample_balanced.", $file),
            source: include_str!(concat!("../../../shaders/sample_balanced/", $file, ".wgsl")),
            params: Params::FIELDS,
            variants: &[],
            needs: Needs::Nothing,
        };
    };
}

kernel!(HISTOGRAM, "histogram");
kernel!(PICK, "pick");
kernel!(MARK, "mark");
kernel!(LIST, "list");

/// The registry's entry.
pub static ENTRY: Entry = Entry {
    name: "sample_balanced",
    summary: "a random sample of positives and negatives",
    args: &[Arg::i32("matched"), Arg::u32("step")],
    attrs: &[
        Attr { name: "size", default: "256", doc: "elements of a sample" },
        Attr { name: "positives", default: "size / 2", doc: "how many of them may be positive" },
        Attr { name: "seed", default: "0", doc: "seed of the run" },
        Attr { name: "node", default: "0", doc: "tells the samplers of one network apart" },
    ],
    outputs: &["indices", "counts", "sampled", "positive"],
    gradient: Err("it chooses; nothing of what it makes depends on numbers smoothly"),
    kernels: &[&HISTOGRAM, &PICK, &MARK, &LIST],
    build: |attrs, _| {
        let counter =
            |name: &'static str| u32::try_from(attrs.size(name, 0)?).map_err(|_| attrs.fail(name, "must fit 32 bits"));
        let size = attrs.size("size", 256)?;
        let positives = attrs.size("positives", size / 2)?;
        let op = SampleBalanced { size, positives, seed: counter("seed")?, node: counter("node")? };
        Ok(Built { op: Arc::new(op), inputs: vec![Layout::Plain; 2], outputs: vec![Layout::Plain; 4] })
    },
};

/// (matched i32 (N, R), step u32 (1)) -> (indices i32 (N, size), counts i32 (N, 2), sampled f32 (N, R), positive f32 (N, R)).
///
/// Elements of 0 or more are positive, those of -1 negative, others neither; `match_boxes` makes such. Of each row, min(its
/// positives, `positives`) positives are taken and then as many negatives as there are and as fit into `size`, every choice as likely
/// as any other. `indices` has the positives in ascending order, the negatives in ascending order, then -1; `counts` how many of
/// both; `sampled` is 1 where an element is taken, `positive` where it is positive besides, both 0 elsewhere.
///
/// Element r of row n is taken by its key pcg((n * R + r) ^ pcg(node ^ pcg(step ^ pcg(seed)))): the smallest are. No two
/// elements have the same key.
#[derive(Clone, Copy, Debug)]
pub struct SampleBalanced {
    /// Elements of a sample at most.
    pub size: usize,
    /// How many of them may be positive; torchvision has int(size * fraction).
    pub positives: usize,
    /// Seed of the run.
    pub seed: u32,
    /// Tells the samplers of one network apart.
    pub node: u32,
}

/// Elements that a workgroup looks at; `shaders/lib/sample_balanced.wgsl` has the same.
const CHUNK: u32 = 4096;

impl Op for SampleBalanced {
    fn name(&self) -> &'static str {
        "sample_balanced"
    }

    fn infer(&self, node: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [matched, step] = inputs else {
            return Err(shape_error("sample_balanced", node, "inputs", "matched and step", inputs.len()));
        };
        if matched.dtype != DType::I32 || matched.shape.rank() != 2 || matched.elements() == 0 {
            return Err(shape_error("sample_balanced", node, "matched", "i32 of rank 2 with elements", matched));
        }
        if step.dtype != DType::U32 || step.elements() != 1 {
            return Err(shape_error("sample_balanced", node, "step", "u32(1)", step));
        }
        if self.size == 0 || self.positives > self.size || i32::try_from(self.size).is_err() {
            let message = format!(
                "'{node}': size must be at least 1 and positives at most size, got {} and {}",
                self.size, self.positives
            );
            return Err(Error::Attribute { op: "sample_balanced".into(), message });
        }
        let n = matched.shape[0];
        let mask = TensorType::f32(&matched.shape);
        Ok(vec![TensorType::i32([n, self.size]), TensorType::i32([n, 2]), mask.clone(), mask])
    }

    fn launches(&self, cx: &LaunchCx<'_>) -> Result<Work> {
        let [n, length] = [0, 1].map(|d| cx.inputs[0].shape[d] as u32);
        let groups = length.div_ceil(CHUNK);
        let params = |shift| Params {
            length,
            groups,
            shift,
            size: self.size as u32,
            positives: self.positives as u32,
            seed: self.seed,
            node: self.node,
            ..Default::default()
        };
        let (matched, step) = (Slot::Input(0), Slot::Input(1));
        let [indices, counts, sampled, positive] = [0, 1, 2, 3].map(Slot::Output);
        let [selections, partial, tallies] = [0, 1, 2].map(Slot::Scratch);
        let (elements, chunks) = (u64::from(n) * u64::from(length), u64::from(n) * u64::from(groups));
        let grid = [groups, n, 1];
        let mut launches = Vec::new();
        for shift in [24, 16, 8, 0] {
            let slots = vec![matched, step, selections, partial];
            let histogram = Launch::new(&HISTOGRAM, params(shift), slots, grid);
            launches.push(histogram.costing(25 * elements, 4 * elements + 2048 * chunks));
            let pick = Launch::new(&PICK, params(shift), vec![partial, selections], [n, 1, 1]);
            launches.push(pick.costing(512 * chunks, 2048 * chunks));
        }
        let slots = vec![matched, step, selections, sampled, positive, tallies];
        launches.push(Launch::new(&MARK, params(0), slots, grid).costing(25 * elements, 12 * elements));
        let slots = vec![sampled, positive, selections, tallies, indices, counts];
        launches.push(Launch::new(&LIST, params(0), slots, grid).costing(8 * elements, 16 * elements));
        Ok(Work { launches, scratch: vec![32 * u64::from(n), 2048 * chunks, 8 * chunks] })
    }

    fn grad(&self, cx: &mut GradCx<'_>) -> Result<Vec<Option<Value>>> {
        cx.not_differentiable("sample_balanced", ENTRY.gradient.expect_err("none"))
    }
}
