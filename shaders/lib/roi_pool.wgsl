// What the kernels of roi_pool share: the uniform, and which elements a region and its bins cover (Girshick 2015; torchvision's roi_pool).

struct Params {
    origin: vec4<u32>,
    // Forward: outputs of a region, in LANES channels. Prepare: regions of the launch.
    n: u32,
    // In LANES.
    channels: u32,
    bins_height: i32,
    bins_width: i32,
    height: i32,
    width: i32,
    // Of one picture.
    rois: u32,
    // Words of 32 regions.
    words: u32,
    scale: f32,
    tiles_height: u32,
    tiles_width: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Nearest whole number, halves away from zero. Numbers beyond any map are cut.
fn rounded(v: f32) -> i32 {
    let near = clamp(v, -524288.0, 524288.0);
    let whole = trunc(near);
    return i32(whole) + select(0, select(-1, 1, near > 0.0), abs(near - whole) >= 0.5);
}

// First row, first column, rows, columns of the region with these corners, the last row and column being inside; none where the box is all zeros
// or holds a NaN or an infinity.
fn covered(bits: vec4<u32>) -> vec4<i32> {
    let absent = all((bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u));
    let wild = any((bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
    if absent || wild {
        return vec4<i32>(0);
    }
    let box = bitcast<vec4<f32>>(bits) * params.scale;
    let top = rounded(box.y);
    let left = rounded(box.x);
    return vec4<i32>(top, left, max(rounded(box.w) - top + 1, 1), max(rounded(box.z) - left + 1, 1));
}
