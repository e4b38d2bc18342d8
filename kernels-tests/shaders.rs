//! Every kernel of the registry: naga validation with WebGPU's default limits and no optional capability, and the
//! uniform struct's layout on both sides. The writers (SPIR-V, MSL, HLSL) are in this file too.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use wgvision::gpu::{Kernel, Needs, join, specialise};
use wgvision::ops::REGISTRY;

fn kernels() -> impl Iterator<Item = &'static Kernel> {
    REGISTRY.iter().flat_map(|e| e.kernels.iter().copied())
}

fn capabilities(kernel: &Kernel) -> Capabilities {
    match kernel.needs {
        Needs::Nothing => Capabilities::empty(),
        Needs::F16 => Capabilities::SHADER_FLOAT16,
        Needs::Subgroups => Capabilities::SUBGROUP,
    }
}

#[test]
fn every_kernel_validates_as_it_stands_and_as_it_is_bound() {
    for kernel in kernels() {
        let joined = join(kernel.source);
        for text in [joined.clone(), specialise(&joined, &[])] {
            let module = naga::front::wgsl::parse_str(&text)
                .unwrap_or_else(|e| panic!("{}: {}", kernel.label, e.emit_to_string(&text)));
            Validator::new(ValidationFlags::all(), capabilities(kernel))
                .validate(&module)
                .unwrap_or_else(|e| panic!("{}: {}", kernel.label, e.emit_to_string(&text)));
        }
    }
}

#[test]
fn uniform_structs_agree_with_the_wgsl() {
    for kernel in kernels() {
        let text = join(kernel.source);
        let module = naga::front::wgsl::parse_str(&text).expect("validated by another test");
        let uniform = module
            .global_variables
            .iter()
            .find(|(_, v)| v.space == naga::AddressSpace::Uniform)
            .map(|(_, v)| &module.types[v.ty].inner)
            .unwrap_or_else(|| panic!("{} has no uniform", kernel.label));
        let naga::TypeInner::Struct { members, .. } = uniform else { panic!("{}: uniform is no struct", kernel.label) };
        let wgsl: Vec<(String, usize)> =
            members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize)).collect();
        let rust: Vec<(String, usize)> = kernel.params.iter().map(|f| (f.name.to_string(), f.offset)).collect();
        assert_eq!(wgsl, rust, "{}", kernel.label);
    }
}
