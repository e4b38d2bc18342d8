// uses: lanes1, counted_rows, moments

// Moments of the rows that count in each chunk of rows, channel by channel: partials[chunk, channel] = (mean, m2, count, shift),
// the mean counted from the shift, which is the channel's first element of the first picture that counts (0 if none does).
// What does not count is not looked at: it may be NaN.
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, ceil(channels / lane_channels), 1). Lanes past `lane_rows` rows or the last channel contribute nothing.
// Numerics: as in moments.wgsl; a block of four rows has the mean of those of them that count.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> counted: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;

fn counts(row: u32) -> bool {
    return counted[row / params.picture_rows] > 0.0;
}

// x at `row` counted from the shift; 0 where the row does not count.
fn value(row: u32, channel: u32, valid: bool, shift: f32) -> f32 {
    if valid {
        return x[row * params.channels + channel] - shift;
    }
    return 0.0;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Moments(0.0, 0.0, 0.0);
    var shift = 0.0;
    if used {
        for (var picture = 0u; picture < params.pictures; picture++) {
            if counted[picture] > 0.0 {
                shift = x[picture * params.picture_rows * params.channels + channel];
                break;
            }
        }
        let step = params.lane_rows;
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        var row = group.x * params.chunk_rows + row_lane;
        while row + 3u * step < end {
            let valid = vec4<bool>(counts(row), counts(row + step), counts(row + 2u * step), counts(row + 3u * step));
            let weight = select(vec4<f32>(0.0), vec4<f32>(1.0), valid);
            let count = dot(weight, vec4<f32>(1.0));
            if count > 0.0 {
                let v = vec4<f32>(
                    value(row, channel, valid.x, shift),
                    value(row + step, channel, valid.y, shift),
                    value(row + 2u * step, channel, valid.z, shift),
                    value(row + 3u * step, channel, valid.w, shift),
                );
                let mean = ((v.x + v.y) + (v.z + v.w)) / count;
                let off = (v - mean) * weight;
                mine = merge_moments(mine, Moments(count, mean, dot(off, off)));
            }
            row += 4u * step;
        }
        while row < end {
            if counts(row) {
                mine = merge_moments(mine, Moments(1.0, value(row, channel, true, shift), 0.0));
            }
            row += step;
        }
    }
    let all = merge_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[group.x * params.channels + channel] = vec4<f32>(all.mean, all.m2, all.count, shift);
    }
}
