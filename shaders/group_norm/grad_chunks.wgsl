// uses: pair_sum

// Sums over each chunk of a plane's rows: partials[image, chunk, channel] = (sum g, sum g * (x - mean)), g = grad_y * weight. x is (images, plane, groups, per_group); a segment is what one image
// and group holds, plane * per_group elements.
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of channels, images). Lanes past the last row of lanes or channel add zero. Fixed order.

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
@group(0) @binding(5) var<storage, read_write> partials: array<vec2<f32>>;

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

    var mine = vec2<f32>(0.0);
    if used {
        let centre = mean[group.z * params.groups + channel / params.per_group];
        let base = group.z * params.plane * params.channels + channel;
        let end = min((group.x + 1u) * params.chunk_rows, params.plane);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            let at = base + row * params.channels;
            var g = grad_y[at];
            if params.affine != 0u {
                g *= weight[weight_at(row, channel)];
            }
            mine += vec2<f32>(g, g * (x[at] - centre));
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[(group.z * params.chunks + group.x) * params.channels + channel] = all;
    }
}
