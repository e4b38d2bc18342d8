// uses: lanes1, adam_rule
// A step of Adam or AdamW, adam_rule.wgsl; control = (clip, finite, lr, step, scale, ...). One invocation makes one element of each output;
// the grid is ceil(n / 256).

@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> m: array<f32>;
@group(0) @binding(4) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_param: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_m: array<f32>;
@group(0) @binding(8) var<storage, read_write> new_v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let now = vec4<f32>(control[0], control[1], control[2], control[3]);
    let next = adam_step(param[i], grad[i], m[i], v[i], now, control[4]);
    new_param[i] = next.param;
    new_m[i] = next.m;
    new_v[i] = next.v;
}
