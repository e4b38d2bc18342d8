// uses: lanes1, counted_rows, moments

// Merges the chunks of a channel: mean, rstd = 1 / sqrt(variance + eps) with the biased variance m2 / count, and the running
// statistics new = old + momentum * (batch - old), the variance with `unbiased` being m2 / (count - 1). Where no row counts, mean
// and rstd are 0; with fewer than two the running statistics stay.
// A workgroup takes `lane_channels` channels, its rows of lanes share the chunks; row 0 writes. Grid: (1, tiles of channels, 1).
// running_mean and running_var may lie where their new values go: one lane reads and writes a channel's.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read> running_var: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_running_mean: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_running_var: array<f32>;

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
            mine = merge_moments(mine, Moments(part.z, part.x, part.y));
        }
    }
    let all = merge_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        let old_mean = running_mean[channel];
        let old_var = running_var[channel];
        var batch_mean = 0.0;
        var spread = 0.0;
        if all.count > 0.0 {
            // Every chunk has the same shift.
            batch_mean = partials[channel].w + all.mean;
            spread = 1.0 / sqrt(all.m2 / all.count + params.eps);
        }
        var moved_mean = old_mean;
        var moved_var = old_var;
        if all.count > 1.0 {
            let divisor = select(all.count, all.count - 1.0, params.unbiased != 0u);
            moved_mean = old_mean + params.momentum * (batch_mean - old_mean);
            moved_var = old_var + params.momentum * (all.m2 / divisor - old_var);
        }
        mean[channel] = batch_mean;
        rstd[channel] = spread;
        new_running_mean[channel] = moved_mean;
        new_running_var[channel] = moved_var;
    }
}
