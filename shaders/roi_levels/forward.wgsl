// y[i] = which of the levels 0..count box i belongs to: floor(canonical_level + log2(sqrt(area) / canonical_scale) + 1e-6) less the lowest level,
// kept within them (Lin et al. 2017; torchvision's LevelMapper); -1 for a box that is all zeros. `first` is the least area of level 1; each further
// level wants four times as much, so nothing but areas is compared and no device's logarithm matters.
// One invocation makes one element; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    count: u32,
    first: f32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rois: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<i32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let box = vec4<f32>(rois[4u * i], rois[4u * i + 1u], rois[4u * i + 2u], rois[4u * i + 3u]);
    let area = (box.z - box.x) * (box.w - box.y);
    var level = 0;
    var least = params.first;
    for (var k = 1u; k < params.count; k++) {
        level += select(0, 1, area >= least);
        least *= 4.0;
    }
    y[i] = select(level, -1, all(box == vec4<f32>(0.0)));
}
