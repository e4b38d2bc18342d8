// uses: pair_sum

// Sums over a chunk of what each weight touches: partials[chunk, weight] = (sum grad_y, sum grad_y * (x - mean) * rstd). Weights are one for
// each channel, summed over images and plane, or one for each element of a segment, summed over images and groups. x is (images, plane, groups, per_group); a segment is what one image
// and group holds, plane * per_group elements.
// A workgroup takes `lane_channels` weights of one chunk; lane l reads weight l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of weights, 1). Lanes past the last row of lanes or weight add zero. Fixed order.

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
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> rstd: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            var at = row * params.channels + channel;
            var segment = row / params.plane * params.groups + channel / params.per_group;
            if params.by_element != 0u {
                at = (row / params.groups * params.channels + channel) * params.groups + row % params.groups;
                segment = row;
            }
            let g = grad_y[at];
            mine += vec2<f32>(g, g * (x[at] - mean[segment]) * rstd[segment]);
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[group.x * params.channels + channel] = all;
    }
}
