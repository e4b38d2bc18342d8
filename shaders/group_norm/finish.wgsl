// uses: lanes1, moments, segments

// Merges chunks and channels of a segment: mean and rstd = 1 / sqrt(variance + eps) of each (image, group). The means of the partial
// results count from the channel's first element in the image. x is (images, plane, groups, per_group); a segment is what one image
// and group holds, plane * per_group elements.
// A workgroup takes `lane_channels` segments; their `lane_rows` lanes share the chunks and channels; row 0 writes.
// Grid: (ceil(segments / lane_channels), 1, 1). Lanes past the last segment contribute nothing.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane / params.lane_channels;
    let segment = (workgroup.x + params.origin.x) * params.lane_channels + lane % params.lane_channels;
    let used = item_lane < params.lane_rows && segment < params.rows;

    let image = segment / params.groups;
    let first_channel = segment % params.groups * params.per_group;
    let first = image * params.plane * params.channels + first_channel;
    var reference = 0.0;
    var mine = Moments(0.0, 0.0, 0.0);
    if used {
        reference = x[first];
        let items = params.chunks * params.per_group;
        for (var item = item_lane; item < items; item += params.lane_rows) {
            let chunk = item / params.per_group;
            let d = item % params.per_group;
            let part = partials[(image * params.chunks + chunk) * params.channels + first_channel + d];
            let count = min(params.chunk_rows, params.plane - chunk * params.chunk_rows);
            let shift = x[first + d] - reference;
            mine = merge_moments(mine, Moments(f32(count), shift + part.x, part.y));
        }
    }
    let all = merge_rows(mine, lane, item_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        mean[segment] = reference + all.mean;
        rstd[segment] = 1.0 / sqrt(all.m2 / all.count + params.eps);
    }
}
