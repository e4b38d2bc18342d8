// uses: cross_entropy, workgroup_reduce
// sums = the pairs of `partial` added up; y = sums[0], or sums[0] / sums[1] for the mean, 0 where no pixel counts. One workgroup:
// invocation l adds pairs l, l + 256, ... in order, then the workgroup adds its 256 sums (workgroup_reduce). `pixels` counts the pairs.

@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < params.pixels; i += 256u) {
        sum += vec2<f32>(partial[2u * i], partial[2u * i + 1u]);
    }
    let losses = workgroup_sum(sum.x, lane);
    let weights = workgroup_sum(sum.y, lane);
    if lane == 0u {
        sums[0] = losses;
        sums[1] = weights;
        var result = losses;
        if params.mean == 1u {
            result = select(0.0, losses / weights, weights > 0.0);
        }
        y[0] = result;
    }
}
