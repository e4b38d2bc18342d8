// Sum of squares of 16384 elements by a workgroup, or a NaN if any of them is a NaN or an infinity, told by exponent bits: comparisons with
// NaN may be optimised away. Invocation l adds the squares of four neighbours at a time, those from 4 l on first, then 1024
// further on; the workgroup adds its 256 sums (workgroup_reduce).

// uses: workgroup_reduce

struct Squares {
    sum: vec4<f32>,
    // Largest magnitude, as bits: they are ordered as the numbers are, infinity and then NaNs last.
    top: vec4<u32>,
}

fn add_squares(so_far: Squares, v: vec4<f32>) -> Squares {
    let magnitude = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    return Squares(so_far.sum + v * v, max(so_far.top, magnitude));
}

// `v` with what lies at or beyond `left` elements replaced by 0.
fn first_of(v: vec4<f32>, left: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}

// Every invocation calls this; all receive the result.
fn merge_squares(mine: Squares, lane: u32) -> f32 {
    let top = workgroup_top(max(max(mine.top.x, mine.top.y), max(mine.top.z, mine.top.w)), lane);
    let bad = select(0u, 1u, top >= 0x7f800000u);
    let total = workgroup_sum((mine.sum.x + mine.sum.y) + (mine.sum.z + mine.sum.w), lane);
    return bitcast<f32>(bitcast<u32>(total) | (bad * 0x7fc00000u));
}
