// uses: lanes1, sgd_rule
// p -= lr (clip grad + decay p); control = (clip, finite, lr, ...). One invocation makes one element; the grid is ceil(n / 256).

@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read_write> new_param: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        new_param[i] = sgd_plain(param[i], grad[i], control[0], control[1], control[2]);
    }
}
