// What the kernels of roi_align share: the uniform, which region a level pools, and its two axes on that level's map.
// uses: roi_axis

struct Params {
    origin: vec4<u32>,
    // Forward: outputs of a region, in LANES channels. Else: of the launch.
    n: u32,
    // In LANES.
    channels: u32,
    bins_height: u32,
    bins_width: u32,
    height: u32,
    width: u32,
    // Of one picture.
    rois: u32,
    // Regions that a workgroup of the forward kernel takes one after the other.
    each: u32,
    level: u32,
    levels: u32,
    aligned: u32,
    // Words of 32 regions.
    words: u32,
    scale: f32,
    ratio: f32,
    tiles_height: u32,
    tiles_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Region {
    down: Axis,
    across: Axis,
}

// The region with these corners, if it is there and on this launch's level. With one level there is no tensor of levels.
fn region(bits: vec4<u32>, level: u32) -> Region {
    if !roi_present(bits) || (params.levels > 1u && level != params.level) {
        return Region(NO_SAMPLES, NO_SAMPLES);
    }
    let box = bitcast<vec4<f32>>(bits) * params.scale;
    let aligned = params.aligned == 1u;
    let down = roi_axis(box.y, box.w, f32(params.bins_height), params.ratio, aligned);
    let across = roi_axis(box.x, box.z, f32(params.bins_width), params.ratio, aligned);
    return Region(down, across);
}
