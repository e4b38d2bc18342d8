// uses: row_lanes, largest
// Maximum over the whole picture, second pass: y and indices[image, channel] of the largest of its chunks, of equal ones the first.
// A workgroup takes `lane_channels` channels of an image, its rows of lanes share the chunks; row 0 writes.
// Grid: (1, tiles of channels, images).

@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> indices: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Largest(0.0, nowhere);
    if used {
        for (var chunk = row_lane; chunk < params.chunks; chunk += params.lane_rows) {
            let at = (group.z * params.chunks + chunk) * params.channels + channel;
            mine = larger(mine, Largest(values[at], places[at]));
        }
    }
    mine = largest_of_column(mine, lane, row_lane);
    if used && row_lane == 0u {
        let to = group.z * params.channels + channel;
        y[to] = mine.value;
        indices[to] = mine.place;
    }
}
