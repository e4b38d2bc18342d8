// Sums of pairs over a workgroup of 256 lanes laid out as `lane_rows` rows of `lane_channels` channels.

var<workgroup> shared_pairs: array<vec2<f32>, 256>;

// Every lane of the workgroup calls this; lanes of row 0 get the sum of their channel's column. `half_rows` is the largest
// power of two below `lane_rows` (0 for one row), the same for all lanes. The order of adding is fixed.
fn sum_rows(mine: vec2<f32>, lane: u32, lane_channels: u32, lane_rows: u32, half_rows: u32) -> vec2<f32> {
    shared_pairs[lane] = mine;
    var all = mine;
    let row = lane / lane_channels;
    for (var half = half_rows; half > 0u; half = half >> 1u) {
        workgroupBarrier();
        if row < half && row + half < lane_rows {
            all = all + shared_pairs[lane + half * lane_channels];
            shared_pairs[lane] = all;
        }
    }
    return all;
}
