// What the kernels of group, instance and layer norm share. x is (images, plane, groups, per_group); a segment is what one image and group
// hold, plane * per_group elements, with one mean. Weight and bias have an element for each channel (group and channel of it) or, BY_ELEMENT, for
// each element of a segment.

struct Params {
    origin: vec4<u32>,
    // Of an image, or of what a kernel says. Channels and channels of a group are counted in lanes of LANES.
    rows: u32,
    channels: u32,
    lane_channels: u32,
    lane_rows: u32,
    half_rows: u32,
    chunks: u32,
    chunk_rows: u32,
    plane: u32,
    groups: u32,
    per_group: u32,
    images: u32,
    affine: u32,
    eps: f32,
    // Slope of the rectifier below zero; 1 for none.
    leak: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
