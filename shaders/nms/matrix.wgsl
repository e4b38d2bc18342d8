// uses: nms, quotient_exact, suppression
// matrix[row, i, w] = bits j of word w: box i of the present block overlaps box 32 w + j of it, which comes later and is of its
// group, by more than the threshold. One invocation makes one word: 256 boxes i for each word w, so that all invocations of a workgroup
// look at the same 32 boxes. The grid is 4 by 32 by rows. Rows of boxes that are suppressed already, and words below the
// diagonal, stay as they are: nobody reads them.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tags: array<Tag>;
@group(0) @binding(3) var<storage, read> flags: array<u32>;
@group(0) @binding(4) var<storage, read> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> matrix: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let own = (group.x + params.origin.x) * 256u + lane;
    let word = group.y + params.origin.y;
    let row = group.z + params.origin.z;
    let first = params.block * BLOCK;
    let counts = state[row];
    let i = first + own;
    if own / 32u > word || counts.kept >= params.max_out || i >= counts.scored {
        return;
    }
    let base = row * params.k;
    if flags[base + i] != 0u {
        return;
    }
    let box = sorted[base + i];
    let tag = tags[base + i];
    let start = first + word * 32u;
    let last = min(start + 32u, counts.scored);
    var bits = 0u;
    for (var j = start; j < last; j++) {
        let other = tags[base + j];
        let hit = overlaps(box, tag.area, sorted[base + j], other.area, params.threshold, params.zero);
        bits |= select(0u, 1u << (j - start), hit && other.group == tag.group && j > i);
    }
    matrix[(row * BLOCK + own) * WORDS + word] = bits;
}
