// uses: workgroup_scan
// starts[row, group] = tallies of the groups before it, summed; found[row] = number of pairs that the row will have. One workgroup
// for each row walks over its groups, 256 at a time.

struct Params {
    origin: vec4<u32>,
    m: u32,
    groups: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tallies: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> state: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> starts: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> found: array<u32>;

var<workgroup> carry: vec2<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y + params.origin.y;
    if lane == 0u {
        carry = vec2<u32>(0u);
        found[row] = state[row].w;
    }
    for (var first = 0u; first < params.groups; first += 256u) {
        let before = workgroupUniformLoad(&carry);
        let g = first + lane;
        var own = vec2<u32>(0u);
        if g < params.groups {
            own = tallies[row * params.groups + g];
        }
        let above = workgroup_scan(lane, own.x);
        let equal = workgroup_scan(lane, own.y);
        let sum = before + vec2<u32>(above, equal);
        if g < params.groups {
            starts[row * params.groups + g] = sum - own;
        }
        if lane == 255u {
            carry = sum;
        }
    }
}
