// The largest element of a column and its place; of equals the first. For workgroups of 256 lanes laid out in columns of `params.lane_rows` lanes,
// `params.lane_channels` apart.

struct Largest {
    value: f32,
    place: u32,
}

var<workgroup> shared_largest: array<Largest, 256>;

// The larger; of equals the one that comes first. A place of `nowhere` has no value yet.
const nowhere = 0xffffffffu;

fn larger(a: Largest, b: Largest) -> Largest {
    let take = b.place != nowhere && (a.place == nowhere || b.value > a.value || (b.value == a.value && b.place < a.place));
    return Largest(select(a.value, b.value, take), select(a.place, b.place, take));
}

// Every lane of the workgroup calls this; lanes of row 0 get the largest of their column.
fn largest_of_column(own: Largest, lane: u32, row_lane: u32) -> Largest {
    var mine = own;
    shared_largest[lane] = mine;
    for (var half = params.half_rows; half > 0u; half = half >> 1u) {
        workgroupBarrier();
        if row_lane < half && row_lane + half < params.lane_rows {
            mine = larger(mine, shared_largest[lane + half * params.lane_channels]);
            shared_largest[lane] = mine;
        }
    }
    return mine;
}
