// y[0] = weights[0] x1 + weights[1] x2 + ..., the first `count` scalars in order. One invocation does it. Scalars that are not given
// are bound to the first and not read.

struct Params {
    origin: vec4<u32>,
    weights: vec4<f32>,
    more: vec4<f32>,
    count: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x1: array<f32>;
@group(0) @binding(2) var<storage, read> x2: array<f32>;
@group(0) @binding(3) var<storage, read> x3: array<f32>;
@group(0) @binding(4) var<storage, read> x4: array<f32>;
@group(0) @binding(5) var<storage, read> x5: array<f32>;
@group(0) @binding(6) var<storage, read> x6: array<f32>;
@group(0) @binding(7) var<storage, read> x7: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(1)
fn main() {
    var sum = params.weights.x * x1[0];
    if params.count > 1u { sum += params.weights.y * x2[0]; }
    if params.count > 2u { sum += params.weights.z * x3[0]; }
    if params.count > 3u { sum += params.weights.w * x4[0]; }
    if params.count > 4u { sum += params.more.x * x5[0]; }
    if params.count > 5u { sum += params.more.y * x6[0]; }
    if params.count > 6u { sum += params.more.z * x7[0]; }
    y[0] = sum;
}
