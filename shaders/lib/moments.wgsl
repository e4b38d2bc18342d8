// Mean and sum of squared deviations of parts of a sample, merged without cancellation (Chan, Golub, LeVeque, 1983), and
// their merging over a workgroup of 256 lanes laid out in columns of `rows` lanes. Of one channel to a lane or of four:
// joined behind lanes1 or lanes4.

struct Moments {
    count: f32,
    mean: V,
    m2: V,
}

fn merge_moments(a: Moments, b: Moments) -> Moments {
    let count = a.count + b.count;
    if b.count == 0.0 {
        return a;
    }
    let delta = b.mean - a.mean;
    let share = b.count / count;
    return Moments(count, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.count * share);
}

var<workgroup> shared_moments: array<Moments, 256>;

// Every lane of the workgroup calls this; lanes of row 0 get the moments of their channel's column. `half_rows` is the
// largest power of two below `lane_rows` (0 for one row), the same for all lanes. The order of merging is fixed.
fn merge_rows(mine: Moments, lane: u32, row: u32, step: u32, rows: u32, half_rows: u32) -> Moments {
    shared_moments[lane] = mine;
    var all = mine;
    for (var half = half_rows; half > 0u; half = half >> 1u) {
        workgroupBarrier();
        if row < half && row + half < rows {
            all = merge_moments(all, shared_moments[lane + half * step]);
            shared_moments[lane] = all;
        }
    }
    return all;
}
