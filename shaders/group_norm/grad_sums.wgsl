// uses: segments, affine, rectify, lane_sums
// Sums over each chunk of an image's rows: partials[image, chunk, channel] = (sum g, sum g * (x - mean)), g being grad_y passed back through the
// rectifier, whose sign is computed again from x, and BY_ELEMENT times its weight.
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of channels, images). Lanes past the last row of lanes or channel add zero. Fixed order.

override BY_ELEMENT: bool = false;

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> x: array<V>;
@group(0) @binding(3) var<storage, read> weight: array<V>;
@group(0) @binding(4) var<storage, read> bias: array<V>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> rstd: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<P>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Sums(V(0.0), V(0.0));
    if used {
        let segment = group.z * params.groups + channel / params.per_group;
        let centre = mean[segment];
        let spread = rstd[segment];
        var own: Affine;
        if !BY_ELEMENT {
            own = affine_at(channel);
        }
        let base = group.z * params.rows * params.channels + channel;
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            let at = base + row * params.channels;
            let off = x[at] - centre;
            var g = grad_y[at];
            if BY_ELEMENT {
                own = affine_at(row * params.per_group + channel % params.per_group);
            }
            g = rectify_grad(g, off * (spread * own.scale) + own.offset, params.leak);
            if BY_ELEMENT {
                g *= own.scale;
            }
            mine.first += g;
            mine.second += g * off;
        }
    }
    let all = sum_lanes(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[(group.z * params.chunks + group.x) * params.channels + channel] = pairs(all.first, all.second);
    }
}
