// uses: row_lanes, pair_sum

// Adds the chunks of a channel: grad_bias = sum grad_y, grad_weight = rstd * sum grad_y * (x - mean). `spread` holds rstd, or
// with `from_variance` the variance. `both` gets grad_bias and behind it grad_weight, in one binding for those who go on.
// A workgroup takes `lane_channels` channels, its rows of lanes share the chunks; row 0 writes. Grid: (1, tiles of channels, 1).

@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> spread: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> both: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var chunk = row_lane; chunk < params.chunks; chunk += params.lane_rows) {
            mine += partials[chunk * params.channels + channel];
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        var rstd = spread[channel];
        if params.from_variance != 0u {
            rstd = 1.0 / sqrt(rstd + params.eps);
        }
        let slope = rstd * all.y;
        grad_weight[channel] = slope;
        grad_bias[channel] = all.x;
        both[channel] = all.x;
        both[params.channels + channel] = slope;
    }
}
