// y[i] = the sum of twelve recurrences s -> a * s + b, each `96 / 12 * rounds` steps long, started at different numbers: what a device computes
// when nothing but arithmetic is asked of it. a and b come from memory, so that no compiler knows the result.
// One invocation makes one element of y. The grid is ceil(n / 256); the tail is guarded here.
// Twelve accumulators that do not depend on one another, in registers; 96 fused multiply-adds a round.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rounds: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let a = vec4<f32>(factors[0]);
    let b = vec4<f32>(factors[1]);
    let start = f32(i & 1023u) / 1024.0;
    var s0 = vec4<f32>(start, start + 1.0, start + 2.0, start + 3.0);
    var s1 = s0 + 4.0;
    var s2 = s0 + 8.0;
    for (var round = 0u; round < params.rounds; round += 1u) {
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
        s0 = fma(s0, a, b);
        s1 = fma(s1, a, b);
        s2 = fma(s2, a, b);
    }
    if i < params.n {
        let s = s0 + s1 + s2;
        y[i] = (s.x + s.y) + (s.z + s.w);
    }
}
