// uses: workgroup_reduce
// y[0] = (sum of partial) / divisor. One workgroup: invocation l adds partial[l], partial[l + 256], ... in order, then the
// workgroup adds its 256 sums (workgroup_reduce).

struct Params {
    origin: vec4<u32>,
    n: u32,
    divisor: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.n; i += 256u) {
        sum += partial[i];
    }
    let total = workgroup_sum(sum, lane);
    if lane == 0u {
        y[0] = total / params.divisor;
    }
}
