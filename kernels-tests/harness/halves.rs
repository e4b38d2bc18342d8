//! Ops with their tensors in half precision, against themselves: from inputs that halves can hold, the same numbers must come out
//! as in f32, each rounded once. The op and all nodes of its gradient are taken one by one, so the bits are known exactly.

use super::{Rng, gpu};
use half::f16;
use wgvision::gpu::Slot;
use wgvision::graph::{Graph, Kind, Options, run_op_checked};
use wgvision::ops::{LaunchCx, OpRef, Stored, refused};
use wgvision::tensor::{DType, Data, Tensor, TensorType};

/// Checks an op on these inputs and, where `gradient`, every op of its gradient on random ones. Returns how many tensors were halves.
pub fn check_halves(op: &OpRef, inputs: &[Tensor], gradient: bool, rng: &mut Rng) -> Result<usize, String> {
    let mut graph = Graph::new();
    let names: Vec<String> = (0..inputs.len()).map(|i| format!("input {i}")).collect();
    let leaves: Vec<_> =
        names.iter().zip(inputs).map(|(n, t)| graph.input(n, t.ty())).collect::<Result<_, _>>().map_err(text)?;
    let values = graph.named_all("op", op.clone(), &leaves).map_err(text)?;
    let mut found = compare_forms(op, inputs)?;
    if gradient {
        let ty = graph.ty(values[0]);
        let seed = graph.input("seed", ty).map_err(text)?;
        let floats: Vec<_> = leaves.iter().copied().filter(|&v| graph.ty(v).dtype == DType::F32).collect();
        graph.gradients_from(&[(values[0], seed)], &floats).map_err(text)?;
        for node in &graph.nodes()[values[0].node + 1..] {
            let Kind::Op(op) = &node.kind else { continue };
            let types: Vec<TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
            if op.is_view() || types.iter().any(|t| t.dtype != DType::F32) {
                continue;
            }
            let inputs: Vec<Tensor> = types.iter().map(|t| rng.tensor(t.shape.clone())).collect();
            found += compare_forms(op, &inputs).map_err(|e| format!("{}: {e}", op.name()))?;
        }
    }
    Ok(found)
}

fn text(e: wgvision::Error) -> String {
    e.to_string()
}

/// Runs `op` in f32 and with everything in half precision that its kernels take so.
fn compare_forms(op: &OpRef, inputs: &[Tensor]) -> Result<usize, String> {
    let types: Vec<TensorType> = inputs.iter().map(Tensor::ty).collect();
    let outputs = op.infer("node", &types).map_err(text)?;
    let of = |slot: Slot| match slot {
        Slot::Input(i) => types[i].dtype,
        Slot::Output(o) => outputs[o].dtype,
        Slot::Scratch(_) => DType::U32,
    };
    let all = || (0..types.len()).map(Slot::Input).chain((0..outputs.len()).map(Slot::Output));
    let wanted: Vec<Slot> = all().filter(|&s| of(s) == DType::F32 && op.stores_half(s)).collect();
    if wanted.is_empty() || op.is_view() {
        return Ok(0);
    }
    let cx = LaunchCx { inputs: &types, outputs: &outputs, profile: gpu().profile() };
    let work = op.launches(&cx).map_err(text)?;
    let no = refused(&work.launches, |s| wanted.contains(&s));
    let is_half = |s: Slot| wanted.contains(&s) && !no.contains(&s);
    let round = |t: &Tensor| -> Vec<f16> { t.as_f32().iter().map(|&v| f16::from_f32(v)).collect() };
    let halves =
        |i: usize, t: &Tensor| if is_half(Slot::Input(i)) { Tensor::f16(t.shape(), round(t)) } else { t.clone() };
    let wide = |i: usize, t: &Tensor| match is_half(Slot::Input(i)) {
        true => Tensor::f32(t.shape(), round(t).into_iter().map(f16::to_f32).collect()),
        false => t.clone(),
    };
    let run = |op: OpRef, inputs: Vec<Tensor>, options: Options| {
        let tensors: Vec<&Tensor> = inputs.iter().collect();
        run_op_checked(gpu(), op, &tensors, &[], options).map_err(text)
    };
    let each = |f: &dyn Fn(usize, &Tensor) -> Tensor| inputs.iter().enumerate().map(|(i, t)| f(i, t)).collect();
    let stored = || -> OpRef { std::sync::Arc::new(Stored::new(op, types.len(), outputs.len(), is_half)) };
    let plain = run(op.clone(), each(&wide), Options::default())?;
    for no_in_place in [true, false] {
        let made = run(stored(), each(&halves), Options { sentinels: no_in_place, no_in_place, ..Options::default() })?;
        if let Some(tensor) = made.damaged {
            return Err(format!("halves: memory around '{tensor}' was overwritten"));
        }
        for (o, (half, full)) in made.outputs.iter().zip(&plain.outputs).enumerate() {
            let want = if is_half(Slot::Output(o)) { Tensor::f16(full.shape(), round(full)) } else { full.clone() };
            same_numbers(half, &want).map_err(|e| format!("halves: output {o}: {e}"))?;
        }
    }
    Ok(all().filter(|&s| is_half(s)).count())
}

/// Bit for bit, but for what a NaN carries.
fn same_numbers(got: &Tensor, want: &Tensor) -> Result<(), String> {
    let bits = |t: &Tensor| -> Vec<u32> {
        let quiet = |v: f32| if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() };
        match t.data() {
            Data::F16(v) => v.iter().map(|h| quiet(h.to_f32())).collect(),
            Data::F32(v) => v.iter().map(|&v| quiet(v)).collect(),
            _ => bytemuck::pod_collect_to_vec(t.bytes()),
        }
    };
    let (a, b) = (bits(got), bits(want));
    match a.iter().zip(&b).position(|(a, b)| a != b) {
        _ if got.ty() != want.ty() => Err(format!("{}, expected {}", got.ty(), want.ty())),
        Some(i) => Err(format!("[{i}] is {:e}, {:e} expected", f32::from_bits(a[i]), f32::from_bits(b[i]))),
        None => Ok(()),
    }
}
