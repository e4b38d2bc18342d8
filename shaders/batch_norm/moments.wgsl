// uses: row_lanes, moments

// Mean and sum of squared deviations of each chunk of rows, channel by channel: partials[image, chunk, channel] = (mean, m2),
// the mean counted from the image's first element of the channel.
// x is (images, rows, channels); batch norm sees one image whose rows are N * H * W, group norm sees each image alone.
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, ceil(channels / lane_channels), images). `channels` counts lanes of LANES channels. Lanes past `lane_rows` rows or the last channel contribute nothing.
// Numerics: that shift keeps the digits of small deviations from a large mean. Each lane updates mean and m2 in blocks of four
// rows (Welford, 1962, in Chan's form), so even a shift far from the mean does not cancel; lanes are merged in a fixed order.

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> partials: array<P>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Moments(0.0, V(0.0), V(0.0));
    if used {
        let stride = params.lane_rows * params.channels;
        let base = group.z * params.rows * params.channels + channel;
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        var row = group.x * params.chunk_rows + row_lane;
        let shift = x[base];
        var at = base + row * params.channels;
        while row + 3u * params.lane_rows < end {
            let a = x[at] - shift;
            let b = x[at + stride] - shift;
            let c = x[at + 2u * stride] - shift;
            let d = x[at + 3u * stride] - shift;
            let mean = 0.25 * ((a + b) + (c + d));
            let m2 = ((a - mean) * (a - mean) + (b - mean) * (b - mean)) + ((c - mean) * (c - mean) + (d - mean) * (d - mean));
            mine = merge_moments(mine, Moments(4.0, mean, m2));
            row += 4u * params.lane_rows;
            at += 4u * stride;
        }
        while row < end {
            mine = merge_moments(mine, Moments(1.0, x[at] - shift, V(0.0)));
            row += params.lane_rows;
            at += stride;
        }
    }
    let all = merge_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        let at = (group.z * params.chunks + group.x) * params.channels + channel;
        partials[at] = pairs(all.mean, all.m2);
    }
}
