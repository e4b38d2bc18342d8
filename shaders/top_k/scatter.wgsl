// uses: order_key, workgroup_scan
// Writes the pairs of the chosen elements: those above the cut one after another, behind them the first state[row].y of those equal to
// it, by index. A workgroup walks over 4096 elements, each invocation over 16 neighbours, and knows from `starts` how many came
// before; a group without any returns at once. The grid is ceil(m / 4096) by rows; the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    m: u32,
    groups: u32,
    k: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> tallies: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> starts: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> pairs: array<vec2<u32>>;

var<workgroup> own_tally: vec2<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let row = group.y + params.origin.y;
    let chosen = state[row];
    if lane == 0u {
        own_tally = tallies[row * params.groups + g];
        if chosen.y == 0u {
            own_tally.y = 0u;
        }
    }
    let tally = workgroupUniformLoad(&own_tally);
    if tally.x + tally.y == 0u {
        return;
    }
    let first = g * 4096u + lane * 16u;
    let last = min(first + 16u, params.m);
    // Counts of 4096 fit into half a word each.
    var counts = 0u;
    for (var i = first; i < last; i++) {
        let key = order_key(x[row * params.m + i]);
        counts += select(0u, 1u, key > chosen.x) + select(0u, 0x10000u, key == chosen.x);
    }
    let before = workgroup_scan(lane, counts) - counts;
    var next = starts[row * params.groups + g] + vec2<u32>(before & 0xffffu, before >> 16u);
    for (var i = first; i < last; i++) {
        let key = order_key(x[row * params.m + i]);
        if key > chosen.x {
            pairs[row * params.k + next.x] = vec2<u32>(key, i);
            next.x++;
        } else if key == chosen.x {
            if next.y < chosen.y {
                pairs[row * params.k + chosen.w - chosen.y + next.y] = vec2<u32>(key, i);
            }
            next.y++;
        }
    }
}
