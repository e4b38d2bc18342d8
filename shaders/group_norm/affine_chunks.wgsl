// uses: lanes1, segments, affine, rectify, pair_sum
// Sums over a chunk of what each weight touches: partials[chunk, weight] = (sum g, sum g * (x - mean) * rstd), g being grad_y passed back through the
// rectifier. For weights of each element of a segment (BY_ELEMENT), summed over images and groups, and for weights of each channel where a segment is one row, summed over
// images; a picture's channels are grad_sums' and affine_finish's.
// A workgroup takes `lane_channels` weights of one chunk; lane l reads weight l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of weights, 1). `channels` are the weights, `rows` the elements of each. Lanes past the last row of lanes or weight add zero. Fixed order.

override BY_ELEMENT: bool = false;

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> rstd: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        let own = affine_at(channel);
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            var at = row * params.channels + channel;
            var segment = row * params.groups + channel / params.per_group;
            if BY_ELEMENT {
                at = (row / params.groups * params.channels + channel) * params.groups + row % params.groups;
                segment = row;
            }
            let off = x[at] - mean[segment];
            let g = rectify_grad(grad_y[at], off * (rstd[segment] * own.scale) + own.offset, params.leak);
            mine += vec2<f32>(g, g * off * rstd[segment]);
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[group.x * params.channels + channel] = all;
    }
}
