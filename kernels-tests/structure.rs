//! The crate's shape, read from its text: imports point downward, every op has its whole room, the GPU's API stays in its
//! layer, no shader lies unused. Uses nothing but the standard library and the registry's names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wgvision::gpu::{HalfForm, PROBES};
use wgvision::ops::{REGISTRY, ceiling};

/// Layers from the ground up; a module may use those of its own layer's module and of lower layers only.
const LAYERS: &[(&str, u8)] = &[
    ("error", 0),
    ("tensor", 1),
    ("gpu", 2),
    ("ops", 3),
    ("graph", 4),
    ("nn", 5),
    ("losses", 6),
    ("optim", 6),
    ("detection", 6),
    ("models", 7),
    ("data", 7),
    ("weights", 7),
    ("metrics", 7),
    ("draw", 7),
    ("engine", 8),
    ("cli", 9),
    ("main", 10),
];

/// Folders of `src/ops` that hold what several rooms share, or ops that measure a device and that no network uses.
const SHARED: &[&str] = &["ceiling", "overlap_loss", "pointwise_loss"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files under a folder with an extension, as paths relative to the crate.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{folder} has files");
    found.iter().map(|p| p.strip_prefix(root()).expect("under the crate").to_path_buf()).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The code of a file: comments and everything from the unit tests on left out (tests may look upward).
fn code(path: &Path) -> String {
    let text = read(path);
    let before = text.split("\n#[cfg(test)]\nmod ").next().expect("a first piece");
    before.lines().map(|l| l.split("//").next().expect("a first piece")).collect::<Vec<_>>().join("\n")
}

/// The module of `src` a file belongs to: `src/gpu/pace.rs` to `gpu`, `src/error.rs` to `error`.
fn module(path: &Path) -> String {
    let part = path.iter().nth(1).expect("src/...").to_str().expect("UTF-8");
    part.trim_end_matches(".rs").to_string()
}

fn level(module: &str) -> u8 {
    LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .unwrap_or_else(|| panic!("module '{module}' has no layer: add it to LAYERS in {}", file!()))
        .1
}

/// Modules that a piece of code names after `crate::` (or after the crate's own name, as the binary does).
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for mark in ["crate::", "wgvision::"] {
        for (at, _) in code.match_indices(mark) {
            let boundary = code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
            if !boundary || code[..at].ends_with('$') {
                continue;
            }
            let rest = &code[at + mark.len()..];
            match rest.strip_prefix('{') {
                None => found.extend(identifier(rest)),
                Some(list) => found.extend(top_level(list).iter().filter_map(|item| identifier(item))),
            }
        }
    }
    // Types and macros at the crate's root are no modules.
    found.into_iter().filter(|n| LAYERS.iter().any(|(m, _)| m == n)).collect()
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The items of a `{a, b::{c, d}, e}` list at its own depth; `list` starts behind the brace.
fn top_level(list: &str) -> Vec<String> {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ if depth == 0 => items.last_mut().expect("one item").push(c),
            _ => {}
        }
    }
    items
}

/// What is wrong with one file's imports, if anything.
fn upward(own: &str, code: &str) -> Vec<String> {
    let wrong = |m: &String| *m != own && level(m) >= level(own);
    named(code).into_iter().filter(wrong).collect()
}

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let own = module(&path);
        if own == "lib" {
            continue;
        }
        for other in upward(&own, &code(&path)) {
            wrong.push(format!("{}: uses crate::{other}, which is not below {own}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_check_sees_upward_imports() {
    assert_eq!(upward("gpu", "use crate::tensor::Shape;"), Vec::<String>::new());
    assert_eq!(upward("gpu", "use crate::{tensor::{Shape, graph}, Error};"), Vec::<String>::new());
    assert_eq!(upward("gpu", "use crate::{Error, ops::Op};"), ["ops"]);
    assert_eq!(upward("ops", "fn f() -> crate::graph::Graph {}"), ["graph"]);
    assert_eq!(upward("data", "use crate::metrics::x;"), ["metrics"]);
}

/// Each op: an entry, a folder of code, a folder of shaders if it has kernels of its own, a test file.
#[test]
fn every_op_has_its_whole_room() {
    let ops: BTreeSet<String> = REGISTRY.iter().map(|e| e.name.to_string()).collect();
    assert_eq!(ops.len(), REGISTRY.len(), "names are distinct");
    let sorted: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
    assert!(sorted.is_sorted(), "the registry is in alphabetical order: {sorted:?}");
    let main = read(Path::new("kernels-tests/main.rs"));
    let mut wrong = Vec::new();
    for entry in REGISTRY {
        let name = entry.name;
        let room = format!("src/ops/{name}");
        if !root().join(&room).join("mod.rs").exists() {
            wrong.push(format!("{name}: no {room}/mod.rs"));
        }
        if !root().join(format!("kernels-tests/{name}.rs")).exists() || !main.contains(&format!("mod {name};\n")) {
            wrong.push(format!("{name}: no kernels-tests/{name}.rs listed in main.rs"));
        }
        let own = entry.kernels.iter().any(|k| k.label.split('.').next() == Some(name));
        if own && !root().join(format!("shaders/{name}")).is_dir() {
            wrong.push(format!("{name}: no shaders/{name}"));
        }
    }
    for entry in std::fs::read_dir(root().join("src/ops")).expect("src/ops") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !ops.contains(&name) && !SHARED.contains(&name.as_str()) {
            wrong.push(format!("src/ops/{name} is in no registry line"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `wgpu::` occurs in the GPU layer, and nowhere above it but where ops choose kernels.
#[test]
fn wgpu_is_named_in_its_layer_only() {
    for path in files("src", "rs") {
        let allowed = module(&path) == "gpu" || path.file_name().is_some_and(|n| n == "dispatch.rs");
        assert!(allowed || !code(&path).contains("wgpu::"), "{} names wgpu", path.display());
    }
}

/// Every file under `shaders/` is the text of a kernel or a piece that one of them brings in.
#[test]
fn no_shader_lies_unused() {
    let all = REGISTRY.iter().flat_map(|e| e.kernels).chain(PROBES).copied().chain(ceiling::KERNELS);
    let kernels: BTreeSet<&str> = all.map(|k| k.source).collect();
    let pieces: BTreeMap<String, String> = files("shaders/lib", "wgsl")
        .iter()
        .map(|p| (p.file_stem().expect("a name").to_string_lossy().into_owned(), read(p)))
        .collect();
    let mut used = BTreeSet::new();
    let stored = [HalfForm::Native, HalfForm::Packed].map(HalfForm::piece);
    let mut open: Vec<&str> = kernels.iter().copied().chain(stored).collect();
    while let Some(text) = open.pop() {
        for line in text.lines().filter_map(|l| l.strip_prefix("// uses:")) {
            for name in line.split(',').map(str::trim) {
                // A piece that every kernel with subgroups gets in the place of another.
                let twin = format!("{name}_subgroups");
                for piece in [name, &twin].into_iter().filter(|p| pieces.contains_key(*p)) {
                    if used.insert(piece.to_string()) {
                        open.push(&pieces[piece]);
                    }
                }
            }
        }
    }
    // A kernel may put lines of its own before the file's text.
    let whole = |text: &str| kernels.iter().any(|k| k.ends_with(text));
    let mut unused = Vec::new();
    for path in files("shaders", "wgsl") {
        let piece = path.iter().nth(1).is_some_and(|p| p == "lib");
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let found = if piece { used.contains(&stem) } else { whole(&read(&path)) };
        if !found {
            unused.push(path.display().to_string());
        }
    }
    assert!(unused.is_empty(), "no kernel of the registry uses: {}", unused.join(", "));
}

/// Every file says what it is for before anything else.
#[test]
fn every_file_opens_with_what_it_is_for() {
    for path in files("src", "rs").into_iter().chain(files("kernels-tests", "rs")) {
        assert!(read(&path).starts_with("//!"), "{} does not open with //!", path.display());
    }
    for path in files("shaders", "wgsl") {
        assert!(read(&path).starts_with("//"), "{} does not open with a comment", path.display());
    }
}
