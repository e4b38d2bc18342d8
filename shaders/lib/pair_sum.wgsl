// Sums of pairs over a workgroup of 256 lanes laid out in columns of `rows` lanes.

var<workgroup> shared_pairs: array<vec2<f32>, 256>;

// Every lane of the workgroup calls this; lanes of row 0 get the sum of their column. `row` is the lane's place in its
// column, `step` the distance of lanes between rows, `half_rows` the largest power of two below `rows` (0 for one row), the
// same for all lanes. The order of adding is fixed.
fn sum_rows(mine: vec2<f32>, lane: u32, row: u32, step: u32, rows: u32, half_rows: u32) -> vec2<f32> {
    shared_pairs[lane] = mine;
    var all = mine;
    for (var half = half_rows; half > 0u; half = half >> 1u) {
        workgroupBarrier();
        if row < half && row + half < rows {
            all = all + shared_pairs[lane + half * step];
            shared_pairs[lane] = all;
        }
    }
    return all;
}
