// uses: overlap_loss, workgroup_reduce, stable
// Sums over a piece of a row, with p = sigmoid(x): (p t, p, t, w BCE(x, t)). Workgroup (c, r) makes piece[r * chunks + c]
// from elements [4096 c, 4096 (c + 1)) of row r: each invocation adds 16 terms 256 apart, then the workgroup adds its 256
// sums (workgroup_reduce). The tail is guarded here.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> truth: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> piece: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let chunk = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    var sum = vec4<f32>(0.0);
    let end = min((chunk + 1u) * 4096u, params.row);
    for (var j = chunk * 4096u + lane; j < end; j += 256u) {
        let i = row * params.row + j;
        let t = truth[i];
        let p = sigmoid(x[i]);
        var entropy = 0.0;
        if params.kind == 2u {
            entropy = (1.0 - t) * softplus(x[i]) + t * softplus(-x[i]);
            if params.weight_div > 0u {
                entropy *= weight[i / params.weight_div];
            }
        }
        sum += vec4<f32>(p * t, p, t, entropy);
    }
    let all = workgroup_sum4(sum, lane);
    if lane == 0u {
        piece[row * params.chunks + chunk] = all;
    }
}
