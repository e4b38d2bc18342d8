//! Every shader of the registry, in every form the executor may bind it: as the file stands, with all storage `read_write`,
//! with each pair of bindings of one type merged (a superset of the in-place uses), with tensors in half precision, under each set of overrides.
//! Each form passes naga's validation with no optional capability beyond what the kernel declares, keeps within the
//! limits of WebGPU's default device, and is written as SPIR-V, MSL and HLSL; `spirv-val` reads the SPIR-V where it is installed.
//!
//! `WGVISION_SHADERS=DIR` also writes the texts into DIR for `tools/check-shaders`, which gives them to Dawn.
//! Nothing is run here: results are the other files' concern.

use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::Layouter;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use wgvision::gpu::{HalfForm, Kernel, Needs, PROBES, Variant, halve, immediate, join, specialise, takes_half};
use wgvision::ops::{REGISTRY, ceiling};

/// WebGPU's default limits that kernels can run into.
const STORAGE_BUFFERS: usize = 8;
const WORKGROUP_BYTES: u32 = 16 * 1024;
const INVOCATIONS: u32 = 256;

/// Every kernel, once.
fn kernels() -> Vec<&'static Kernel> {
    let mut seen = BTreeSet::new();
    let listed = REGISTRY.iter().flat_map(|e| e.kernels).chain(PROBES).copied();
    listed.chain(ceiling::KERNELS).filter(|k| seen.insert(k.label)).collect()
}

/// `unpack2x16float` belongs to every WebGPU device; naga counts it as a capability for the sake of older interfaces.
const CORE: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;

fn capabilities(needs: Needs) -> Capabilities {
    CORE | match needs {
        Needs::Nothing => Capabilities::empty(),
        Needs::F16 => Capabilities::SHADER_FLOAT16,
        Needs::Subgroups => Capabilities::SUBGROUP,
        Needs::F16Subgroups => Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP,
        Needs::Cooperative => Capabilities::COOPERATIVE_MATRIX,
        Needs::F16Cooperative => Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16,
    }
}

fn parse(what: &str, text: &str) -> Module {
    naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(text)))
}

fn validate(what: &str, text: &str, module: &Module, capabilities: Capabilities) -> ModuleInfo {
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(text)))
}

/// A storage binding of a module: number, whether it is written, type.
fn storage(module: &Module) -> Vec<(u32, bool, naga::Handle<naga::Type>)> {
    let vars = module.global_variables.iter().filter_map(|(_, v)| match v.space {
        AddressSpace::Storage { access } => {
            let binding = v.binding.as_ref().expect("storage has a binding").binding;
            Some((binding, access.contains(StorageAccess::STORE), v.ty))
        }
        _ => None,
    });
    vars.collect()
}

/// The texts of a kernel and what they need: as it stands, as it is bound, with each (read, written) pair of one type merged, with
/// everything that can be in half precision so, in both forms, and with pieces for devices with subgroups where it takes any.
fn texts(kernel: &'static Kernel) -> Vec<(String, String, Needs)> {
    let joined = join(kernel.source, false);
    let module = parse(kernel.label, &joined);
    let bindings = storage(&module);
    let mut texts = vec![(kernel.label.to_string(), joined.clone())];
    texts.push((format!("{} bound", kernel.label), specialise(&joined, &[])));
    for &(read, _, ty) in bindings.iter().filter(|b| !b.1) {
        for &(written, ..) in bindings.iter().filter(|b| b.1 && b.2 == ty) {
            let name = format!("{} {read} in {written}", kernel.label);
            texts.push((name, specialise(&joined, &[(read, written)])));
        }
    }
    let mut texts: Vec<_> = texts.into_iter().map(|(name, text)| (name, text, kernel.needs)).collect();
    let halves: Vec<u32> = bindings.iter().map(|b| b.0).filter(|&b| takes_half(kernel, b)).collect();
    if !halves.is_empty() {
        let form = |form| halve(&specialise(&joined, &[]), &halves, form).expect("each can");
        texts.push((format!("{} halves", kernel.label), form(HalfForm::Packed), kernel.needs));
        texts.push((format!("{} native halves", kernel.label), form(HalfForm::Native), with_f16(kernel.needs)));
    }
    let in_subgroups = join(kernel.source, true);
    if in_subgroups != joined {
        assert_eq!(kernel.needs, Needs::Nothing, "{}", kernel.label);
        let text = specialise(&in_subgroups, &[]);
        texts.push((format!("{} in subgroups", kernel.label), text, Needs::Subgroups));
    }
    texts
}

fn with_f16(needs: Needs) -> Needs {
    match needs {
        Needs::Nothing | Needs::F16 => Needs::F16,
        Needs::Subgroups | Needs::F16Subgroups => Needs::F16Subgroups,
        Needs::Cooperative | Needs::F16Cooperative => Needs::F16Cooperative,
    }
}

/// The default overrides and each declared set.
fn variants(kernel: &Kernel) -> impl Iterator<Item = Variant> {
    std::iter::once::<Variant>(&[]).chain(kernel.variants.iter().copied())
}

/// What of the module a default device would refuse, if anything.
fn beyond_limits(module: &Module) -> Option<String> {
    let buffers = storage(module).len();
    if buffers > STORAGE_BUFFERS {
        return Some(format!("{buffers} storage buffers, {STORAGE_BUFFERS} are allowed"));
    }
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("a valid module has layouts");
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size.next_multiple_of(16)).sum();
    if bytes > WORKGROUP_BYTES {
        return Some(format!("{bytes} bytes of workgroup memory, {WORKGROUP_BYTES} are allowed"));
    }
    let entry = &module.entry_points[0];
    let invocations: u32 = entry.workgroup_size.iter().product();
    if invocations > INVOCATIONS {
        return Some(format!("{invocations} invocations, {INVOCATIONS} are allowed"));
    }
    let one = module.entry_points.len() == 1 && entry.name == "main";
    (!one).then(|| "one entry point, main, is wanted".to_string())
}

/// The module in the three languages of the backends. Returns the SPIR-V.
fn write_all(what: &str, module: &Module, info: &ModuleInfo, needs: Needs) -> Vec<u32> {
    let main = || Some((ShaderStage::Compute, "main".to_string()));
    let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    let words = spv::write_vec(module, info, &options, Some(&entry)).unwrap_or_else(|e| panic!("{what}: SPIR-V: {e}"));
    // No other language that naga writes has cooperative matrices of every size.
    if is_cooperative(needs) {
        return words;
    }
    let resources = msl::EntryPointResources { immediates_buffer: Some(30), ..msl::EntryPointResources::default() };
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        per_entry_point_map: [("main".to_string(), resources)].into(),
        ..msl::Options::default()
    };
    let entry = msl::PipelineOptions { entry_point: main(), ..msl::PipelineOptions::default() };
    let (text, names) =
        msl::write_string(module, info, &options, &entry).unwrap_or_else(|e| panic!("{what}: MSL: {e}"));
    assert!(text.contains("kernel void") && names.entry_point_names.iter().all(Result::is_ok), "{what}: MSL");
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_2,
        immediates_target: Some(hlsl::BindTarget { space: 1, ..hlsl::BindTarget::default() }),
        ..hlsl::Options::default()
    };
    let entry = hlsl::PipelineOptions { entry_point: main() };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &entry)
        .write(module, info, None)
        .unwrap_or_else(|e| panic!("{what}: HLSL: {e}"));
    assert!(text.contains("numthreads"), "{what}: HLSL");
    words
}

/// Whether a kernel is written for an experiment of naga's, unknown to other compilers and to older versions of `spirv-val`.
fn is_cooperative(needs: Needs) -> bool {
    matches!(needs, Needs::Cooperative | Needs::F16Cooperative)
}

/// Whether the SPIR-V validator is installed.
fn has_spirv_val() -> bool {
    Command::new("spirv-val").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn spirv_val(what: &str, words: &[u32]) {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spirv-val answered before");
    child.stdin.take().expect("piped").write_all(bytemuck::cast_slice(words)).expect("spirv-val reads");
    let output = child.wait_with_output().expect("spirv-val ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: spirv-val: {said}");
}

/// The text as the standard wants it: naga takes subgroup functions without their directive, and does not yet know it.
fn standard(needs: Needs, text: &str) -> String {
    let subgroups = matches!(needs, Needs::Subgroups | Needs::F16Subgroups);
    let directive = if subgroups { "enable subgroups;\n" } else { "" };
    format!("{directive}{text}")
}

#[test]
fn every_form_validates_keeps_the_limits_and_is_written_for_every_backend() {
    let folder = std::env::var_os("WGVISION_SHADERS").map(PathBuf::from);
    let validator = has_spirv_val();
    let (mut forms, mut list) = (0, Vec::new());
    for kernel in kernels() {
        for (name, text, needs) in texts(kernel) {
            let module = parse(&name, &text);
            let info = validate(&name, &text, &module, capabilities(needs));
            for overrides in variants(kernel) {
                let what = format!("{name} {overrides:?}");
                let constants: PipelineConstants = overrides.iter().map(|&(n, v)| (n.to_string(), v)).collect();
                let known = |n: &str| module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(n));
                overrides.iter().for_each(|(n, _)| assert!(known(n), "{what}: no override is named {n}"));
                let (module, info) =
                    process_overrides(&module, &info, Some((ShaderStage::Compute, "main")), &constants)
                        .unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(beyond_limits(&module), None, "{what}");
                let words = write_all(&what, &module, &info, needs);
                if validator && !is_cooperative(needs) {
                    spirv_val(&what, &words);
                }
                if let Some(folder) = folder.as_ref().filter(|_| !is_cooperative(needs)) {
                    let file = format!("{forms:04}.wgsl");
                    std::fs::write(folder.join(&file), standard(needs, &text)).expect("WGVISION_SHADERS is a folder");
                    let constants: serde_json::Map<_, _> =
                        overrides.iter().map(|&(n, v)| (n.to_string(), v.into())).collect();
                    let needs = format!("{needs:?}");
                    list.push(
                        serde_json::json!({ "file": file, "name": name, "constants": constants, "needs": needs }),
                    );
                }
                forms += 1;
            }
        }
    }
    if let Some(folder) = folder {
        let text = serde_json::to_string_pretty(&list).expect("JSON");
        std::fs::write(folder.join("list.json"), text).expect("WGVISION_SHADERS is a folder");
    }
    let checked = if validator {
        "spirv-val read all but those with cooperative matrices"
    } else {
        "spirv-val is not installed and was left out"
    };
    println!("{} kernels in {forms} forms; {checked}", kernels().len());
    assert!(forms >= 2 * kernels().len());
}

/// The form with recorded parameters validates with that one capability more, and is written for every backend.
#[test]
fn every_kernel_takes_its_parameters_as_immediates() {
    let validator = has_spirv_val();
    for kernel in kernels() {
        let name = format!("{} immediate", kernel.label);
        let text = immediate(&specialise(&join(kernel.source, false), &[]));
        let module = parse(&name, &text);
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).expect("a valid module has layouts");
        let recorded: Vec<u32> = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::Immediate)
            .map(|(_, v)| layouter[v.ty].size)
            .collect();
        assert_eq!(recorded.len(), 1, "{name}");
        if recorded[0] > 256 {
            continue; // stays in a uniform buffer on every device
        }
        assert!(module.global_variables.iter().all(|(_, v)| v.space != AddressSpace::Uniform), "{name}");
        let info = validate(&name, &text, &module, capabilities(kernel.needs) | Capabilities::IMMEDIATES);
        for overrides in variants(kernel) {
            let what = format!("{name} {overrides:?}");
            let constants: PipelineConstants = overrides.iter().map(|&(n, v)| (n.to_string(), v)).collect();
            let (module, info) = process_overrides(&module, &info, Some((ShaderStage::Compute, "main")), &constants)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            let words = write_all(&what, &module, &info, kernel.needs);
            if validator && !is_cooperative(kernel.needs) {
                spirv_val(&what, &words);
            }
        }
    }
}

#[test]
fn uniform_structs_agree_with_the_wgsl() {
    for kernel in kernels() {
        let module = parse(kernel.label, &join(kernel.source, false));
        let uniform = module
            .global_variables
            .iter()
            .find(|(_, v)| v.space == AddressSpace::Uniform)
            .map(|(_, v)| &module.types[v.ty].inner)
            .unwrap_or_else(|| panic!("{} has no uniform", kernel.label));
        let naga::TypeInner::Struct { members, .. } = uniform else { panic!("{}: uniform is no struct", kernel.label) };
        let wgsl: Vec<(String, usize)> =
            members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize)).collect();
        let rust: Vec<(String, usize)> = kernel.params.iter().map(|f| (f.name.to_string(), f.offset)).collect();
        assert_eq!(wgsl, rust, "{}", kernel.label);
    }
}

/// Bindings are what the executor assumes: the uniform at 0, storage from 1 on without a gap, all in group 0.
#[test]
fn bindings_are_numbered_without_gaps() {
    for kernel in kernels() {
        let module = parse(kernel.label, &join(kernel.source, false));
        let mut found = Vec::new();
        for (_, var) in module.global_variables.iter() {
            if let Some(binding) = &var.binding {
                assert_eq!(binding.group, 0, "{}: all bindings are in group 0", kernel.label);
                found.push(binding.binding);
                let uniform = var.space == AddressSpace::Uniform;
                assert_eq!(uniform, binding.binding == 0, "{}: the uniform, and only it, is binding 0", kernel.label);
            }
        }
        found.sort_unstable();
        assert_eq!(found, (0..found.len() as u32).collect::<Vec<_>>(), "{}", kernel.label);
    }
}

/// The limits check can fail: a shader that breaks each of them is refused.
#[test]
fn the_limits_check_refuses_what_breaks_them() {
    let refused = |text: &str| beyond_limits(&parse("control", text)).is_some();
    assert!(!refused("var<workgroup> t: array<f32, 4096>; @compute @workgroup_size(256) fn main() { t[0] = 0.0; }"));
    assert!(refused("var<workgroup> t: array<f32, 4097>; @compute @workgroup_size(256) fn main() { t[0] = 0.0; }"));
    assert!(refused("@compute @workgroup_size(257) fn main() {}"));
    assert!(refused("@compute @workgroup_size(1) fn other() {}"));
    let mut many = String::new();
    for i in 0..9 {
        writeln!(many, "@group(0) @binding({i}) var<storage, read_write> b{i}: array<f32>;").expect("a string");
    }
    assert!(refused(&format!("{many}@compute @workgroup_size(1) fn main() {{}}")));
}
