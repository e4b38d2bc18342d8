// uses: nms
// Keeps what the present block has to keep: in order, a box that nothing has suppressed is kept and suppresses those its row of the
// matrix names. One workgroup of 32 invocations for each row of boxes; invocation w has the block's word w of suppressed boxes.
// 32 boxes are resolved at a time, by all invocations alike from the words on the diagonal; then each invocation adds what
// the kept ones suppress in its own word. keep[row, n] = original index of the n-th kept box, fresh[row, n] = places
// of those kept now. Stops at max_out.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> flags: array<u32>;
@group(0) @binding(2) var<storage, read> matrix: array<u32>;
@group(0) @binding(3) var<storage, read> pairs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> keep: array<i32>;
@group(0) @binding(6) var<storage, read_write> fresh: array<u32>;

var<workgroup> removed: array<u32, WORDS>;
var<workgroup> diagonal: array<u32, 32>;
var<workgroup> counts: Row;
var<workgroup> open_words: u32;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x + params.origin.x;
    let first = params.block * BLOCK;
    if lane == 0u {
        counts = state[row];
    }
    let before = workgroupUniformLoad(&counts);
    if before.kept >= params.max_out || first >= before.scored {
        // Later blocks are no further either: nothing is fresh for them.
        if lane == 0u {
            state[row].fresh = 0u;
        }
        return;
    }
    let length = min(before.scored - first, BLOCK);
    let start = lane * 32u;
    var own = 0xffffffffu;
    let end = min(start + 32u, length);
    for (var i = start; i < end; i++) {
        if flags[row * params.k + first + i] == 0u {
            own &= ~(1u << (i - start));
        }
    }
    // Words behind the last box that is still open, often all of them, need no look.
    removed[lane] = own;
    workgroupBarrier();
    if lane == 0u {
        var last = (length + 31u) / 32u;
        while last > 0u && removed[max(last, 1u) - 1u] == 0xffffffffu {
            last--;
        }
        open_words = last;
    }
    let words = workgroupUniformLoad(&open_words);
    if words == 0u {
        if lane == 0u {
            state[row].fresh = 0u;
        }
        return;
    }
    let base = row * BLOCK * WORDS;
    for (var word = 0u; word < words; word++) {
        if lane == word {
            removed[word] = own;
        }
        // Rows of suppressed boxes hold nothing of use, and are not looked at below.
        diagonal[lane] = matrix[base + (word * 32u + lane) * WORDS + word];
        workgroupBarrier();
        var alive = ~removed[word];
        for (var left = alive; left != 0u;) {
            let t = firstTrailingBit(left);
            alive &= ~diagonal[t];
            left = alive & (0xfffffffeu << t);
        }
        if lane == word {
            own = ~alive;
        }
        if lane > word {
            for (var left = alive; left != 0u; left &= left - 1u) {
                own |= matrix[base + (word * 32u + firstTrailingBit(left)) * WORDS + lane];
            }
        }
        workgroupBarrier();
    }
    removed[lane] = own;
    workgroupBarrier();
    var rank = 0u;
    var all = 0u;
    for (var word = 0u; word < words; word++) {
        // Not removed[word]: Mesa would take the array's length for a bound and unroll.
        let count = countOneBits(~removed[min(word, WORDS - 1u)]);
        rank += select(0u, count, word < lane);
        all += count;
    }
    let room = params.max_out - before.kept;
    for (var left = ~own; left != 0u; left &= left - 1u) {
        if rank < room {
            let place = first + start + firstTrailingBit(left);
            keep[row * params.max_out + before.kept + rank] = i32(pairs[row * params.k + place].y);
            fresh[row * BLOCK + rank] = place;
        }
        rank++;
    }
    if lane == 0u {
        let added = min(all, room);
        state[row] = Row(before.scored, before.kept + added, added, 0u);
    }
}
