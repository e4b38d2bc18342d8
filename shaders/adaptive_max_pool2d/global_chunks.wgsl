// uses: row_lanes, largest
// Maximum over the whole picture, first pass: values and places[image, chunk, channel] of the largest element of a chunk of rows, of
// equal ones the first; x is (images, rows, channels).
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of channels, images). Lanes past the last row of lanes or channel have no value.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> places: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Largest(0.0, nowhere);
    if used {
        let base = group.z * params.rows * params.channels + channel;
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            let v = x[base + row * params.channels];
            let take = mine.place == nowhere || v > mine.value;
            mine = Largest(select(mine.value, v, take), select(mine.place, row, take));
        }
    }
    mine = largest_of_column(mine, lane, row_lane);
    if used && row_lane == 0u {
        let to = (group.z * params.chunks + group.x) * params.channels + channel;
        values[to] = mine.value;
        places[to] = mine.place;
    }
}
