// uses: overlap_loss, workgroup_reduce, stable
// sums[r] = sum of piece[r, .], and y = mean over the rows of the loss of each row's sums (I, P, T, E):
//   dice 1 - (2 I + eps) / (P + T + eps); Jaccard with J = (I + eps) / (P + T - I + eps): 1 - J or 1 - log J;
//   both: alpha E / row + (1 - alpha) Jaccard.
// One workgroup goes through the rows in order: invocation l adds pieces l, l + 256, ... and the workgroup adds its 256
// sums (workgroup_reduce).

@group(0) @binding(1) var<storage, read> piece: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<f32>>;

fn loss_of(s: vec4<f32>) -> f32 {
    if params.kind == 0u {
        return 1.0 - (2.0 * s.x + params.eps) / (s.y + s.z + params.eps);
    }
    let overlap = (s.x + params.eps) / (s.y + s.z - s.x + params.eps);
    let jaccard = 1.0 - select(overlap, log_of(overlap), params.log == 1u);
    if params.kind == 1u {
        return jaccard;
    }
    return params.alpha * (s.w / f32(params.row)) + (1.0 - params.alpha) * jaccard;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var loss = 0.0;
    for (var r = 0u; r < params.rows; r++) {
        var sum = vec4<f32>(0.0);
        for (var c = lane; c < params.chunks; c += 256u) {
            sum += piece[r * params.chunks + c];
        }
        let all = workgroup_sum4(sum, lane);
        if lane == 0u {
            sums[r] = all;
            loss += loss_of(all);
        }
    }
    if lane == 0u {
        y[0] = loss / f32(params.rows);
    }
}
