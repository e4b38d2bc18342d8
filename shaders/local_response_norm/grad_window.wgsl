// Second half: grad_x[c] -= 2 alpha / size beta x[c] sum of pull[i] over the elements i whose window holds c, which are
// c - (size - 1) / 2 to c + size / 2. One invocation owns one element. The grid is ceil(n / 256); the tail is guarded here.
// One f32 accumulator, channels in order.
// uses: local_response

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> pull: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let c = i % params.channels;
        let pixel = i - c;
        var sum = 0.0;
        for (var j = pixel + c - min(c, params.after); j <= pixel + min(c + params.before, params.channels - 1u); j++) {
            sum += pull[j];
        }
        grad_x[i] -= 2.0 * params.share * params.beta * x[i] * sum;
    }
}
