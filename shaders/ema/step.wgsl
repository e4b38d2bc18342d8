// uses: elements
// shadow' = shadow + share (param - shadow) with share = control[5]; control = (clip, finite, ...). Where finite is 0 the shadow stays
// as it was. One invocation makes one element; the grid is ceil(n / 256).

@group(0) @binding(1) var<storage, read> shadow: array<f32>;
@group(0) @binding(2) var<storage, read> param: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read_write> new_shadow: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let old = shadow[i];
        new_shadow[i] = select(old + control[5] * (param[i] - old), old, control[1] < 0.5);
    }
}
