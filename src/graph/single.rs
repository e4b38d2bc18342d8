//! One op alone: a graph of one node, and of its gradient where asked. The command line and the tests run ops through here.

use super::{Executable, Graph, Options, Variables};
use crate::gpu::{Gpu, Pace};
use crate::ops::{Attrs, Entry, OpRef};
use crate::tensor::Tensor;
use crate::tensor::layout::Layout;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Runs an op on tensors of this crate's layouts and returns its outputs.
pub fn run_op(gpu: &Gpu, op: OpRef, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    Ok(run_op_checked(gpu, op, inputs, &[], Options::default())?.outputs)
}

/// Outputs and gradients of one op, and the name of a tensor whose sentinel was damaged (with [`Options::sentinels`]).
#[derive(Debug)]
pub struct Single {
    /// Outputs in order.
    pub outputs: Vec<Tensor>,
    /// Gradients of the inputs, where they exist and were asked for.
    pub grads: Vec<Option<Tensor>>,
    /// A tensor around which memory was overwritten.
    pub damaged: Option<String>,
}

/// Runs an op; with `grad_outputs` (one entry for each output, `None` where none arrives) also its gradient with respect
/// to every float input.
pub fn run_op_checked(
    gpu: &Gpu,
    op: OpRef,
    inputs: &[&Tensor],
    grad_outputs: &[Option<&Tensor>],
    options: Options,
) -> Result<Single> {
    let mut graph = Graph::new();
    let name = |i: usize| format!("input {i}");
    let grad_name = |i: usize| format!("gradient of output {i}");
    let leaves: Vec<_> =
        inputs.iter().enumerate().map(|(i, t)| graph.input(&name(i), t.ty())).collect::<Result<_>>()?;
    let op_name = op.name();
    let values = graph.named_all(op_name, op, &leaves)?;
    let mut given: Vec<(String, &Tensor)> = inputs.iter().enumerate().map(|(i, t)| (name(i), *t)).collect();
    let mut seeds = Vec::new();
    for (i, grad) in grad_outputs.iter().enumerate() {
        let Some(grad) = grad else { continue };
        if grad.shape() != &graph.shape(values[i]) {
            let (want, got) = (graph.shape(values[i]), grad.shape());
            return Err(Error::Usage(format!(
                "{op_name}: the gradient of output {i} has shape {got}, the output {want}"
            )));
        }
        seeds.push((values[i], graph.input(&grad_name(i), grad.ty())?));
        given.push((grad_name(i), *grad));
    }
    let float = |t: &&Tensor| t.dtype() == crate::tensor::DType::F32;
    let wrt: Vec<_> = leaves.iter().zip(inputs).filter(|(_, t)| float(t)).map(|(v, _)| *v).collect();
    let found = if seeds.is_empty() { vec![None; wrt.len()] } else { graph.gradients_from(&seeds, &wrt)? };

    let out_names: Vec<String> = (0..values.len()).map(|i| format!("output {i}")).collect();
    let mut wanted: Vec<(&str, _)> = out_names.iter().map(String::as_str).zip(values.iter().copied()).collect();
    let grads: Vec<(String, _)> = leaves
        .iter()
        .enumerate()
        .filter_map(|(i, v)| {
            let at = wrt.iter().position(|w| w == v)?;
            found[at].map(|g| (format!("grad {i}"), g))
        })
        .collect();
    wanted.extend(grads.iter().map(|(n, v)| (n.as_str(), *v)));
    let mut exec = Executable::with(&graph, &wanted, &Variables::new(gpu), options, Pace::new(gpu))?;
    let given: Vec<(&str, &Tensor)> = given.iter().map(|(n, t)| (n.as_str(), *t)).collect();
    let mut results = exec.run(&given)?.wait()?;
    let damaged = if options.sentinels { exec.damaged_sentinel()? } else { None };
    let outputs = out_names.iter().map(|n| results.remove(n).expect("asked for")).collect();
    let grads = (0..inputs.len()).map(|i| results.remove(&format!("grad {i}"))).collect();
    Ok(Single { outputs, grads, damaged })
}

/// Runs a registered op in PyTorch's language: tensors by name in NCHW and OIHW, attributes as JSON. With `grad`, `inputs` also
/// holds `grad_y` (`grad_` and the output's name) and the result holds `grad_x` and so on. Fails on missing, unknown or ill-shaped tensors.
pub fn run_entry(
    gpu: &Gpu,
    entry: &'static Entry,
    attrs: &serde_json::Value,
    inputs: &BTreeMap<String, Tensor>,
    grad: bool,
) -> Result<BTreeMap<String, Tensor>> {
    let attrs = Attrs::new(entry.name, attrs)?;
    let usage = |m: String| Error::Usage(format!("{}: {m}", entry.name));
    let known = |n: &str| {
        let output = n.strip_prefix("grad_").is_some_and(|o| grad && entry.outputs.contains(&o));
        output || entry.args.iter().any(|a| a.name == n)
    };
    if let Some(name) = inputs.keys().find(|n| !known(n)) {
        let args: Vec<&str> = entry.args.iter().map(|a| a.name).collect();
        return Err(usage(format!("no tensor is named '{name}'; there are: {}", args.join(", "))));
    }
    let mut given = Vec::new();
    for arg in entry.args {
        let tensor = inputs.get(arg.name);
        match tensor {
            None if !arg.optional => return Err(usage(format!("tensor '{}' is missing", arg.name))),
            Some(t) if t.dtype() != arg.dtype => {
                return Err(usage(format!("tensor '{}' is {}, {} is wanted", arg.name, t.dtype(), arg.dtype)));
            }
            _ => given.push(tensor),
        }
    }
    let types: Vec<_> = given.iter().map(|t| t.map(Tensor::ty)).collect();
    let built = (entry.build)(&attrs, &types)?;
    attrs.finish()?;
    let present: Vec<(&str, &Tensor)> =
        entry.args.iter().zip(&given).filter_map(|(a, t)| t.map(|t| (a.name, t))).collect();
    assert_eq!(built.inputs.len(), present.len(), "{}: a layout for each given tensor", entry.name);
    let imported: Vec<Tensor> = present.iter().zip(&built.inputs).map(|((_, t), layout)| layout.import(t)).collect();
    let mut seeds = Vec::new();
    if grad {
        for (name, layout) in entry.outputs.iter().zip(&built.outputs) {
            seeds.push(inputs.get(&format!("grad_{name}")).map(|t| layout.import(t)));
        }
        if seeds.iter().all(Option::is_none) {
            return Err(usage(format!("a gradient needs the tensor 'grad_{}'", entry.outputs[0])));
        }
    }
    let tensors: Vec<&Tensor> = imported.iter().collect();
    let seeds: Vec<Option<&Tensor>> = seeds.iter().map(Option::as_ref).collect();
    let single = run_op_checked(gpu, built.op, &tensors, &seeds, Options::default())?;
    let export = |(layout, t): (&Layout, &Tensor)| layout.export(t);
    let mut results: BTreeMap<String, Tensor> = entry
        .outputs
        .iter()
        .zip(built.outputs.iter().zip(&single.outputs))
        .map(|(name, pair)| (name.to_string(), export(pair)))
        .collect();
    for (((name, _), layout), g) in present.iter().zip(&built.inputs).zip(&single.grads) {
        if let Some(g) = g {
            results.insert(format!("grad_{name}"), layout.export(g));
        }
    }
    Ok(results)
}
