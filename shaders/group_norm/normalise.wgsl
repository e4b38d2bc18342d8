// uses: segments, affine, rectify
// y = rectify((x - mean) * rstd * weight + bias), mean and rstd by (image, group). Where a segment is one row (BY_ROW: plane is 1) all images' rows
// lie in one grid, and mean and rstd are fetched for each.
// A workgroup takes `lane_channels` channels of one chunk of an image's rows; lane l makes channel l % lane_channels of
// every `lane_rows`-th row. Grid: (chunks, tiles of channels, images, of BY_ROW 1). Lanes past the last channel do nothing.

override BY_ROW: bool = false;
override BY_ELEMENT: bool = false;

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read> weight: array<V>;
@group(0) @binding(3) var<storage, read> bias: array<V>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    if row_lane >= params.lane_rows || channel >= params.channels {
        return;
    }
    let part = channel / params.per_group;
    var centre = 0.0;
    var spread = 0.0;
    if !BY_ROW {
        centre = mean[group.z * params.groups + part];
        spread = rstd[group.z * params.groups + part];
    }
    var own: Affine;
    if !BY_ELEMENT {
        own = affine_at(channel);
    }
    let base = group.z * params.rows * params.channels + channel;
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        if BY_ROW {
            centre = mean[row * params.groups + part];
            spread = rstd[row * params.groups + part];
        }
        if BY_ELEMENT {
            own = affine_at(select(row, 0u, BY_ROW) * params.per_group + channel % params.per_group);
        }
        let at = base + row * params.channels;
        y[at] = rectify((x[at] - centre) * (spread * own.scale) + own.offset, params.leak);
    }
}
