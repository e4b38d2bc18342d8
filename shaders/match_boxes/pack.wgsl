// uses: match_boxes, workgroup_scan
// Brings the true boxes of a picture (those with a label of 0 or more) to the front, in order: packed[n, i] and tags[n, i] for i below
// counts[n]; maxima[n, t] = 0 everywhere. One workgroup for each picture walks over its true boxes, 256 at a time.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gt_boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gt_labels: array<i32>;
@group(0) @binding(3) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> tags: array<Tag>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;
@group(0) @binding(6) var<storage, read_write> maxima: array<u32>;

var<workgroup> carry: u32;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.x + params.origin.x;
    let base = n * params.truths;
    if lane == 0u {
        carry = 0u;
    }
    for (var first = 0u; first < params.truths; first += 256u) {
        let before = workgroupUniformLoad(&carry);
        let t = first + lane;
        var present = 0u;
        if t < params.truths {
            maxima[base + t] = 0u;
            present = select(0u, 1u, gt_labels[base + t] >= 0);
        }
        let sum = before + workgroup_scan(lane, present);
        if present == 1u {
            let box = gt_boxes[base + t];
            let at = base + sum - 1u;
            packed[at] = box;
            tags[at] = Tag(product(vec4<f32>(box.z - box.x), vec4<f32>(box.w - box.y)).x, i32(t));
        }
        if lane == 255u {
            carry = sum;
        }
    }
    let count = workgroupUniformLoad(&carry);
    if lane == 0u {
        counts[n] = count;
    }
}
