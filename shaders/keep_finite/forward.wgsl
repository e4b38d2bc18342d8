// uses: elements
// y = new where the step was finite (control[1] is 1), else old; control = (clip, finite, ...). Words are copied, not numbers, so
// every bit arrives. One invocation makes one element; the grid is ceil(n / 256); the last workgroup guards the tail.

@group(0) @binding(1) var<storage, read> old: array<u32>;
@group(0) @binding(2) var<storage, read> new_value: array<u32>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        y[i] = select(new_value[i], old[i], control[1] < 0.5);
    }
}
