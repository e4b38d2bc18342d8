// uses: order_key, soft_nms
// Chooses up to `steps` boxes of a row, one after another. A step weakens the scores by the box chosen last and finds the largest that
// remains, the lower index first among equals, in one pass: invocation l looks at boxes l, l + 256, ... A score that falls to the
// threshold or below dies. One workgroup for each row; how far it has come stays in `state` for the next launch.
// Soft-NMS, Bodla et al. 2017: score * (1 - iou) where iou > Nt, or score * exp(-iou^2 / sigma).

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> clean: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tags: array<Tag>;
@group(0) @binding(3) var<storage, read_write> live: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<Row>;
@group(0) @binding(5) var<storage, read_write> keep: array<i32>;
@group(0) @binding(6) var<storage, read_write> new_scores: array<u32>;

var<workgroup> keys: array<u32, 256>;
var<workgroup> places: array<u32, 256>;
var<workgroup> progress: Row;

fn iou(a: vec4<f32>, area_a: f32, b: vec4<f32>, area_b: f32) -> f32 {
    let size = max(min(a.zw, b.zw) - max(a.xy, b.xy), vec2<f32>(0.0));
    let both = size.x * size.y;
    if both > 0.0 {
        return both / (area_a + area_b - both);
    }
    return 0.0;
}

fn weakened(score: f32, overlap: f32) -> f32 {
    if params.gaussian == 1u {
        return score * exp(-overlap * overlap / params.parameter);
    }
    return select(score, score * (1.0 - overlap), overlap > params.parameter);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x + params.origin.x;
    let base = row * params.k;
    if lane == 0u {
        progress = state[row];
    }
    for (var step = 0u; step < params.steps; step++) {
        let now = workgroupUniformLoad(&progress);
        if now.done == 1u {
            break;
        }
        let weakening = now.chosen != NONE;
        let chosen = base + select(0u, now.chosen, weakening);
        let box = clean[chosen];
        let tag = tags[chosen];
        var best = 0u;
        var place = 0u;
        for (var i = lane; i < params.k; i += 256u) {
            var bits = live[base + i];
            if bits != DEAD {
                if weakening {
                    let other = tags[base + i];
                    if i == now.chosen {
                        bits = DEAD;
                        live[base + i] = bits;
                    } else if other.group == tag.group {
                        let overlap = iou(box, tag.area, clean[base + i], other.area);
                        if overlap > 0.0 {
                            bits = bitcast<u32>(weakened(bitcast<f32>(bits), overlap));
                            bits = select(DEAD, bits, order_key(bits) > params.bound);
                            live[base + i] = bits;
                        }
                    }
                }
                let key = order_key(bits);
                if key > best {
                    best = key;
                    place = i;
                }
            }
        }
        keys[lane] = best;
        places[lane] = place;
        workgroupBarrier();
        for (var half = 128u; half > 0u; half -= (half + 1u) / 2u) {
            if lane < half {
                let a = keys[lane];
                let b = keys[lane + half];
                if b > a || (b == a && places[lane + half] < places[lane]) {
                    keys[lane] = b;
                    places[lane] = places[lane + half];
                }
            }
            workgroupBarrier();
        }
        // The chosen one's score may have been written by another invocation.
        storageBarrier();
        if lane == 0u {
            if keys[0] == 0u {
                progress.done = 1u;
            } else {
                let to = row * params.max_out + now.count;
                keep[to] = i32(places[0]);
                new_scores[to] = live[base + places[0]];
                progress = Row(now.count + 1u, places[0], select(0u, 1u, now.count + 1u >= params.max_out), 0u);
            }
        }
    }
    if lane == 0u {
        state[row] = progress;
    }
}
