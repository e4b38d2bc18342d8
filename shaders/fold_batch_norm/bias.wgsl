// folded = (bias - mean) * bn_weight / sqrt(variance + eps) + bn_bias, with no bias as zero.
// One invocation makes one channel; the grid is ceil(channels / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    channels: u32,
    eps: f32,
    has_bias: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> bn_weight: array<f32>;
@group(0) @binding(3) var<storage, read> bn_bias: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> folded: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = (group.x + params.origin.x) * 256u + lane;
    if c < params.channels {
        let own = select(0.0, bias[c], params.has_bias != 0u);
        folded[c] = (own - mean[c]) * (bn_weight[c] / sqrt(variance[c] + params.eps)) + bn_bias[c];
    }
}
