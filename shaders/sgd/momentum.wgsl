// uses: lanes1, sgd_rule
// Gradient descent with momentum, sgd_rule.wgsl; control = (clip, finite, lr, ...). One invocation makes one element of each; the grid
// is ceil(n / 256).

@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> buffer: array<f32>;
@group(0) @binding(4) var<storage, read> control: array<f32>;
@group(0) @binding(5) var<storage, read_write> new_param: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_buffer: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let next = sgd_momentum(param[i], grad[i], buffer[i], control[0], control[1], control[2]);
        new_param[i] = next.param;
        new_buffer[i] = next.buffer;
    }
}
