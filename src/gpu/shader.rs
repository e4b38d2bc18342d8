//! Joins a kernel's text with the pieces of `shaders/lib` it names, and specialises it for in-place use.
//!
//! Nothing is generated: every file is WGSL as it stands. Only declarations are rewritten. Of storage, because WebGPU tracks whole
//! buffers: planned tensors share one buffer, so inputs are bound as `read_write`; and a tensor that an op overwrites in
//! place is bound once, under the output's name. Of the uniform, where the device takes parameters as immediates.

use std::borrow::Cow;

/// `shaders/lib`, by name.
const LIBRARY: &[(&str, &str)] = &[
    ("activation", include_str!("../../shaders/lib/activation.wgsl")),
    ("adam_rule", include_str!("../../shaders/lib/adam_rule.wgsl")),
    ("affine", include_str!("../../shaders/lib/affine.wgsl")),
    ("binary", include_str!("../../shaders/lib/binary.wgsl")),
    ("box_coder", include_str!("../../shaders/lib/box_coder.wgsl")),
    ("columns_pairs", include_str!("../../shaders/lib/columns_pairs.wgsl")),
    ("columns_single", include_str!("../../shaders/lib/columns_single.wgsl")),
    ("conv_gather", include_str!("../../shaders/lib/conv_gather.wgsl")),
    ("conv_weight", include_str!("../../shaders/lib/conv_weight.wgsl")),
    ("conv_winograd", include_str!("../../shaders/lib/conv_winograd.wgsl")),
    ("coop16_f16", include_str!("../../shaders/lib/coop16_f16.wgsl")),
    ("coop8_f16", include_str!("../../shaders/lib/coop8_f16.wgsl")),
    ("coop8_f32", include_str!("../../shaders/lib/coop8_f32.wgsl")),
    ("counted_rows", include_str!("../../shaders/lib/counted_rows.wgsl")),
    ("cross_entropy", include_str!("../../shaders/lib/cross_entropy.wgsl")),
    ("elements", include_str!("../../shaders/lib/elements.wgsl")),
    ("exponential", include_str!("../../shaders/lib/exponential.wgsl")),
    ("gang", include_str!("../../shaders/lib/gang.wgsl")),
    ("half_bits", include_str!("../../shaders/lib/half_bits.wgsl")),
    ("half_native", include_str!("../../shaders/lib/half_native.wgsl")),
    ("half_packed", include_str!("../../shaders/lib/half_packed.wgsl")),
    ("hash", include_str!("../../shaders/lib/hash.wgsl")),
    ("head", include_str!("../../shaders/lib/head.wgsl")),
    ("head_truth", include_str!("../../shaders/lib/head_truth.wgsl")),
    ("iou", include_str!("../../shaders/lib/iou.wgsl")),
    ("lane_sums", include_str!("../../shaders/lib/lane_sums.wgsl")),
    ("lanes1", include_str!("../../shaders/lib/lanes1.wgsl")),
    ("lanes4", include_str!("../../shaders/lib/lanes4.wgsl")),
    ("largest", include_str!("../../shaders/lib/largest.wgsl")),
    ("local_response", include_str!("../../shaders/lib/local_response.wgsl")),
    ("logistic", include_str!("../../shaders/lib/logistic.wgsl")),
    ("map", include_str!("../../shaders/lib/map.wgsl")),
    ("map_grad", include_str!("../../shaders/lib/map_grad.wgsl")),
    ("match_boxes", include_str!("../../shaders/lib/match_boxes.wgsl")),
    ("matmul", include_str!("../../shaders/lib/matmul.wgsl")),
    ("max_unpool2d", include_str!("../../shaders/lib/max_unpool2d.wgsl")),
    ("mish_gate", include_str!("../../shaders/lib/mish_gate.wgsl")),
    ("moments", include_str!("../../shaders/lib/moments.wgsl")),
    ("nms", include_str!("../../shaders/lib/nms.wgsl")),
    ("normal", include_str!("../../shaders/lib/normal.wgsl")),
    ("order_key", include_str!("../../shaders/lib/order_key.wgsl")),
    ("overlap_loss", include_str!("../../shaders/lib/overlap_loss.wgsl")),
    ("pair_sum", include_str!("../../shaders/lib/pair_sum.wgsl")),
    ("pointwise_loss", include_str!("../../shaders/lib/pointwise_loss.wgsl")),
    ("pool2d", include_str!("../../shaders/lib/pool2d.wgsl")),
    ("quotient", include_str!("../../shaders/lib/quotient.wgsl")),
    ("quotient_exact", include_str!("../../shaders/lib/quotient_exact.wgsl")),
    ("quotient_rounded", include_str!("../../shaders/lib/quotient_rounded.wgsl")),
    ("rectify", include_str!("../../shaders/lib/rectify.wgsl")),
    ("resample", include_str!("../../shaders/lib/resample.wgsl")),
    ("rmsprop_rule", include_str!("../../shaders/lib/rmsprop_rule.wgsl")),
    ("roi_align", include_str!("../../shaders/lib/roi_align.wgsl")),
    ("roi_axis", include_str!("../../shaders/lib/roi_axis.wgsl")),
    ("roi_pool", include_str!("../../shaders/lib/roi_pool.wgsl")),
    ("roi_tiles", include_str!("../../shaders/lib/roi_tiles.wgsl")),
    ("row_lanes", include_str!("../../shaders/lib/row_lanes.wgsl")),
    ("sample_balanced", include_str!("../../shaders/lib/sample_balanced.wgsl")),
    ("segments", include_str!("../../shaders/lib/segments.wgsl")),
    ("sgd_rule", include_str!("../../shaders/lib/sgd_rule.wgsl")),
    ("soft_nms", include_str!("../../shaders/lib/soft_nms.wgsl")),
    ("softmax", include_str!("../../shaders/lib/softmax.wgsl")),
    ("softmax_grad", include_str!("../../shaders/lib/softmax_grad.wgsl")),
    ("square_lanes", include_str!("../../shaders/lib/square_lanes.wgsl")),
    ("stable", include_str!("../../shaders/lib/stable.wgsl")),
    ("strided", include_str!("../../shaders/lib/strided.wgsl")),
    ("suppression", include_str!("../../shaders/lib/suppression.wgsl")),
    ("tanh_series", include_str!("../../shaders/lib/tanh_series.wgsl")),
    ("tile_product", include_str!("../../shaders/lib/tile_product.wgsl")),
    ("weight_f16", include_str!("../../shaders/lib/weight_f16.wgsl")),
    ("weight_f32", include_str!("../../shaders/lib/weight_f32.wgsl")),
    ("weight_packed", include_str!("../../shaders/lib/weight_packed.wgsl")),
    ("window", include_str!("../../shaders/lib/window.wgsl")),
    ("workgroup_reduce", include_str!("../../shaders/lib/workgroup_reduce.wgsl")),
    ("workgroup_reduce_subgroups", include_str!("../../shaders/lib/workgroup_reduce_subgroups.wgsl")),
    ("workgroup_scan", include_str!("../../shaders/lib/workgroup_scan.wgsl")),
    ("workgroup_scan_subgroups", include_str!("../../shaders/lib/workgroup_scan_subgroups.wgsl")),
];

/// The text of `shaders/lib/NAME.wgsl`, if there is one.
pub fn library_piece(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// Pieces that have a twin of the same names for devices with subgroups, called `NAME_subgroups`.
const WITH_TWINS: [&str; 2] = ["workgroup_reduce", "workgroup_scan"];

/// The kernel's text behind the library pieces it names (`// uses: activation, hash`), each once, in order of first use; with
/// `subgroups`, twins that need them instead of the pieces that have one. `enable` directives move to the front, where WGSL wants
/// them. Panics on an unknown piece: the files ship with the crate.
pub fn join(source: &str, subgroups: bool) -> String {
    let mut names = Vec::new();
    collect(source, subgroups, &mut names);
    let mut text = String::new();
    let pieces: Vec<&str> = names.iter().map(|n| library_piece(n).expect("piece exists")).chain([source]).collect();
    for piece in &pieces {
        for line in piece.lines().filter(|l| l.starts_with("enable ")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for piece in &pieces {
        for line in piece.lines().filter(|l| !l.starts_with("enable ")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn collect(source: &str, subgroups: bool, names: &mut Vec<String>) {
    for line in source.lines() {
        let Some(list) = line.strip_prefix("// uses:") else { continue };
        for name in list.split(',').map(str::trim) {
            let twin = subgroups && WITH_TWINS.contains(&name);
            let name = if twin { format!("{name}_subgroups") } else { name.to_string() };
            let piece = library_piece(&name).unwrap_or_else(|| panic!("shaders/lib has no piece named '{name}'"));
            if !names.contains(&name) {
                collect(piece, subgroups, names);
                names.push(name);
            }
        }
    }
}

/// Rewrites storage declarations: all become `read_write`, and for each pair `(read, written)` of `aliases`
/// (binding numbers) the first declaration goes and its uses take the second's name.
pub fn specialise(joined: &str, aliases: &[(u32, u32)]) -> String {
    let mut text = joined.replace("var<storage, read>", "var<storage, read_write>");
    for &(read, written) in aliases {
        let (line, from) = declaration(&text, read);
        let (_, to) = declaration(&text, written);
        let (line, from, to) = (line.to_string(), from.to_string(), to.to_string());
        text = text.replace(&line, "");
        text = rename_accesses(&text, &from, &to);
    }
    text
}

/// The form that takes its parameters as immediates: the uniform's declaration becomes one of the immediate address space.
pub fn immediate(text: &str) -> String {
    let uniform = "@group(0) @binding(0) var<uniform> params:";
    assert!(text.contains(uniform), "a kernel declares its parameters as `{uniform} Params;`");
    text.replace(uniform, "var<immediate> params:")
}

/// The declaration line of a storage binding of group 0 and the name it declares.
fn declaration(text: &str, binding: u32) -> (&str, &str) {
    let mark = format!("@binding({binding}) var<storage");
    let line = text.lines().find(|l| l.contains(&mark)).unwrap_or_else(|| panic!("no storage binding {binding}"));
    let name = line.split('>').nth(1).and_then(|rest| rest.split(':').next()).expect("`var<...> name: type;`");
    (line, name.trim())
}

/// Replaces `from[` by `to[` where `from` is a whole identifier.
fn rename_accesses(text: &str, from: &str, to: &str) -> String {
    let pattern = format!("{from}[");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&pattern) {
        let before = rest[..at].chars().next_back();
        let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
        out.push_str(&rest[..at]);
        out.push_str(if whole { to } else { from });
        out.push('[');
        rest = &rest[at + pattern.len()..];
    }
    out.push_str(rest);
    out
}

/// First line of a text, for error messages.
pub(super) fn first_line(text: &str) -> Cow<'_, str> {
    text.lines().next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "@group(0) @binding(1) var<storage, read> x: array<f32>;\n\
                          @group(0) @binding(2) var<storage, read_write> y: array<f32>;\n\
                          fn f(i: u32) { y[i] = x[i] + max[x[i]] + p.x[0]; }\n";

    #[test]
    fn an_alias_is_bound_once() {
        let text = specialise(SOURCE, &[(1, 2)]);
        assert!(!text.contains("@binding(1)"));
        assert!(text.contains("y[i] = y[i] + max[y[i]] + p.x[0];"), "{text}");
    }

    #[test]
    fn pieces_come_once_and_first() {
        let text = join("// uses: hash\n// uses: hash\nfn main_body() {}\n", false);
        assert_eq!(text.matches("fn pcg").count(), 1);
    }
}
