// uses: workgroup_reduce, head_truth, iou
// Finds the truth that each place of a head trains on, and the losses of the places, added for each workgroup.
//   found[i] = number of the truth that place i got, -1 background, -2 ignored (a yolo or region prediction that overlaps some truth by more
//   than params.ignore_thresh); part[g] = (box, objectness, class, 0) of the 256 places of workgroup g, before division by the pictures.
// The formulas are in the documentation of the op HeadLoss. Invocation i makes place i, places counted by picture, row, column, number, and
// walks over all truths of its picture in order; the grid is ceil(places / 256); the tail is guarded here. The workgroup adds by workgroup_reduce.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> truth: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth_class: array<i32>;
@group(0) @binding(4) var<storage, read> prior: array<f32>;
@group(0) @binding(5) var<storage, read_write> found: array<i32>;
@group(0) @binding(6) var<storage, read_write> part: array<vec4<f32>>;

fn find(p: Place) -> i32 {
    let first = p.picture * params.truths;
    let here = box_of(p);
    var got = BACKGROUND;
    var best_iou = 0.0;
    for (var t = 0u; t < params.truths; t++) {
        if !counts(first + t) {
            continue;
        }
        let b = truth[first + t];
        if KIND == DETECTION {
            if in_cell(p, b) {
                return select(BACKGROUND, i32(t), detection_claims(p, b));
            }
            continue;
        }
        best_iou = max(best_iou, iou_of(here, b));
        if claims(p, b) {
            got = i32(t);
        }
    }
    return select(got, IGNORED, got == BACKGROUND && best_iou > params.ignore_thresh);
}

// Cross-entropy of sigmoid(v) against t, in two terms that never cancel.
fn entropy(v: f32, t: f32) -> f32 {
    return (1.0 - t) * softplus(v) + t * softplus(-v);
}

fn box_loss(p: Place, got: i32) -> f32 {
    let raw = vec4<f32>(x[at(p, 0u)], x[at(p, 1u)], x[at(p, 2u)], x[at(p, 3u)]);
    if got < 0 {
        if params.has_prior == 0u {
            return 0.0;
        }
        let off = vec4<f32>(sigmoid(raw.x) - 0.5, sigmoid(raw.y) - 0.5, raw.zw);
        return 0.5 * prior[0] * dot(off, off);
    }
    let b = truth[p.picture * params.truths + u32(got)];
    if params.coordinate > 0u {
        return params.iou_scale * iou_loss(params.coordinate, corners_of(box_of(p)), corners_of(b));
    }
    let goal = coordinate_target(p, b);
    let weight = coordinate_weight(b);
    if KIND == DETECTION {
        return weight * dot(raw - goal, raw - goal);
    }
    let size = raw.zw - goal.zw;
    if KIND == REGION {
        let centre = vec2<f32>(sigmoid(raw.x), sigmoid(raw.y)) - goal.xy;
        return 0.5 * weight * (dot(centre, centre) + dot(size, size));
    }
    let centre = entropy(raw.x, goal.x) + entropy(raw.y, goal.y);
    return weight * (params.scale_xy * centre + 0.5 * dot(size, size));
}

fn objectness_loss(p: Place, got: i32) -> f32 {
    if got == IGNORED {
        return 0.0;
    }
    let raw = x[at(p, 4u)];
    var goal = 0.0;
    var weight = params.noobject_scale;
    if got >= 0 {
        goal = objectness_target(p, truth[p.picture * params.truths + u32(got)]);
        weight = params.object_scale;
    }
    if KIND == YOLO {
        return weight * entropy(raw, goal);
    }
    if KIND == REGION {
        let off = sigmoid(raw) - goal;
        return 0.5 * weight * off * off;
    }
    return weight * (raw - goal) * (raw - goal);
}

fn class_loss(p: Place, got: i32) -> f32 {
    if got < 0 {
        return 0.0;
    }
    let first = at(p, 5u);
    if params.softmax == 1u {
        let sum = class_sum(p);
        let c = u32(truth_class[p.picture * params.truths + u32(got)]);
        return params.class_scale * (log_of(sum.y) + (sum.x - x[first + c]));
    }
    var loss = 0.0;
    for (var c = 0u; c < params.classes; c++) {
        let goal = select(0.0, 1.0, shows(p, got, c));
        let raw = x[first + c];
        if KIND == DETECTION {
            loss += (raw - goal) * (raw - goal);
        } else {
            loss += softplus(select(raw, -raw, goal == 1.0));
        }
    }
    return params.class_scale * loss;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    let i = g * 256u + lane;
    var sum = vec4<f32>(0.0);
    if i < params.pictures * params.height * params.width * params.boxes {
        let p = place_of(i);
        let got = find(p);
        found[i] = got;
        sum = vec4<f32>(box_loss(p, got), objectness_loss(p, got), class_loss(p, got), 0.0);
    }
    let all = workgroup_sum4(sum, lane);
    if lane == 0u {
        part[g] = all;
    }
}
