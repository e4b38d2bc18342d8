// uses: lanes1, row_lanes, moments

// Merges the chunks of a channel, whose means count from x[0, channel]: mean, rstd = 1 / sqrt(variance + eps) with the biased variance m2 / rows, and the running
// statistics new = old + momentum * (batch - old), the variance first multiplied by `variance_scale`
// (rows / (rows - 1) for the unbiased one, as PyTorch keeps it).
// A workgroup takes `lane_channels` channels, its rows of lanes share the chunks; row 0 writes. Grid: (1, tiles of channels, 1).
// running_mean and running_var may lie where their new values go: one lane reads and writes a channel's.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> running_mean: array<f32>;
@group(0) @binding(4) var<storage, read> running_var: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_running_mean: array<f32>;
@group(0) @binding(8) var<storage, read_write> new_running_var: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Moments(0.0, 0.0, 0.0);
    if used {
        for (var chunk = row_lane; chunk < params.chunks; chunk += params.lane_rows) {
            let part = partials[chunk * params.channels + channel];
            let first = chunk * params.chunk_rows;
            let count = min(params.chunk_rows, params.rows - first);
            mine = merge_moments(mine, Moments(f32(count), part.x, part.y));
        }
    }
    let all = merge_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        let variance = all.m2 / all.count;
        let batch_mean = x[channel] + all.mean;
        mean[channel] = batch_mean;
        rstd[channel] = 1.0 / sqrt(variance + params.eps);
        let old_mean = running_mean[channel];
        let old_var = running_var[channel];
        new_running_mean[channel] = old_mean + params.momentum * (batch_mean - old_mean);
        new_running_var[channel] = old_var + params.momentum * (variance * params.variance_scale - old_var);
    }
}
