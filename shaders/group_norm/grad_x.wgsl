// grad_x = rstd * (g - (sum g + xhat * sum g * xhat) / elements), g = grad_y * weight, xhat = (x - mean) * rstd, sums over the
// segment (Wu and He, 2018). x is (images, plane, groups, per_group); a segment is what one image
// and group holds, plane * per_group elements.
// A workgroup takes `lane_channels` channels of one chunk of the images * plane rows; lane l makes channel l % lane_channels of
// every `lane_rows`-th row. Grid: (chunks, tiles of channels, 1). Lanes past the last channel do nothing.

struct Params {
    origin: vec4<u32>,
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
    affine: u32,
    by_element: u32,
    eps: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read> sums: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> grad_x: array<f32>;

// The weight of channel `c` in row `p` of a plane: one for each channel, or one for each element of a segment.
fn weight_at(p: u32, c: u32) -> u32 {
    return select(c, p * params.per_group + c % params.per_group, params.by_element != 0u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    if !used {
        return;
    }
    let elements = f32(params.plane * params.per_group);
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        let at = row * params.channels + channel;
        let segment = row / params.plane * params.groups + channel / params.per_group;
        var g = grad_y[at];
        if params.affine != 0u {
            g *= weight[weight_at(row % params.plane, channel)];
        }
        let spread = rstd[segment];
        let sum = sums[segment] / elements;
        grad_x[at] = spread * (g - sum.x - (x[at] - mean[segment]) * spread * spread * sum.y);
    }
}
