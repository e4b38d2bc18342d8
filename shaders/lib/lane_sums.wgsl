// Sums of two values over a workgroup of 256 lanes laid out in columns of `rows` lanes, of one channel to a lane or of four: joined
// behind lanes1 or lanes4.

struct Sums {
    first: V,
    second: V,
}

var<workgroup> shared_sums: array<Sums, 256>;

// Every lane of the workgroup calls this; lanes of row 0 get the sums of their column. `row` is the lane's place in its
// column, `step` the distance of lanes between rows, `half_rows` the largest power of two below `rows` (0 for one row), the
// same for all lanes. The order of adding is fixed.
fn sum_lanes(mine: Sums, lane: u32, row: u32, step: u32, rows: u32, half_rows: u32) -> Sums {
    shared_sums[lane] = mine;
    var all = mine;
    for (var half = half_rows; half > 0u; half = half >> 1u) {
        workgroupBarrier();
        if row < half && row + half < rows {
            all.first += shared_sums[lane + half * step].first;
            all.second += shared_sums[lane + half * step].second;
            shared_sums[lane] = all;
        }
    }
    return all;
}
