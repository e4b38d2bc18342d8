// uses: head_truth, iou
// grad_x = grad_y / pictures * the derivative of the loss of forward.wgsl by each raw number, with `found`, the targets (IoU targets too) and
// CIoU's alpha held constant. Invocation i makes element i of the raw head; the grid is ceil(n / 256); the tail is guarded here.

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> truth_class: array<i32>;
@group(0) @binding(5) var<storage, read> prior: array<f32>;
@group(0) @binding(6) var<storage, read> found: array<i32>;
@group(0) @binding(7) var<storage, read_write> grad_x: array<f32>;

// A place, and which of its numbers.
struct Element {
    place: Place,
    k: u32,
}

// Undoes at(). A class of a detection head's cell belongs to its first box.
fn element_of(i: u32) -> Element {
    let cells = params.height * params.width;
    if KIND != DETECTION {
        let place = i / (5u + params.classes);
        return Element(place_of(place), i - place * (5u + params.classes));
    }
    let row = cells * (params.classes + 5u * params.boxes);
    let picture = i / row;
    var rest = i - picture * row;
    let first = picture * cells * params.boxes;
    if rest < cells * params.classes {
        let cell = rest / params.classes;
        return Element(place_of(first + cell * params.boxes), 5u + rest - cell * params.classes);
    }
    rest -= cells * params.classes;
    if rest < cells * params.boxes {
        return Element(place_of(first + rest), 4u);
    }
    rest -= cells * params.boxes;
    return Element(place_of(first + rest / 4u), rest % 4u);
}

fn found_at(p: Place) -> i32 {
    return found[((p.picture * params.height + p.row) * params.width + p.column) * params.boxes + p.slot];
}

// Derivative of the sigmoid.
fn sigmoid_slope(v: f32) -> f32 {
    return sigmoid(v) * sigmoid(-v);
}

// sigmoid(v) - goal without cancellation where they are close.
fn miss(v: f32, goal: f32) -> f32 {
    return (1.0 - goal) * sigmoid(v) - goal * sigmoid(-v);
}

// Derivative of the IoU loss by raw coordinate k, through the box and its corners.
fn iou_slope(p: Place, b: vec4<f32>, k: u32, raw: f32) -> f32 {
    let here = box_of(p);
    let by_corner = iou_loss_slope(params.coordinate, corners_of(here), corners_of(b));
    let axis = k % 2u;
    let low = select(by_corner.x, by_corner.y, axis == 1u);
    let high = select(by_corner.z, by_corner.w, axis == 1u);
    let pixels = select(params.input_width, params.input_height, axis == 1u);
    if k < 2u {
        let cells = f32(select(params.width, params.height, axis == 1u));
        let inner = select(params.scale_xy * sigmoid_slope(raw), 1.0, KIND == DETECTION);
        return params.iou_scale * (low + high) * pixels * inner / cells;
    }
    let by_size = 0.5 * (high - low) * pixels;
    if KIND == DETECTION {
        return params.iou_scale * by_size * select(1.0, 2.0 * raw, params.root == 1u);
    }
    let size = select(here.z, here.w, axis == 1u);
    return params.iou_scale * by_size * select(0.0, size, abs(raw) <= LARGEST_EXPONENT);
}

fn box_slope(p: Place, got: i32, k: u32) -> f32 {
    let raw = x[at(p, k)];
    if got < 0 {
        if params.has_prior == 0u {
            return 0.0;
        }
        return prior[0] * select(raw, miss(raw, 0.5) * sigmoid_slope(raw), k < 2u);
    }
    let b = truth[p.picture * params.truths + u32(got)];
    if params.coordinate > 0u {
        return iou_slope(p, b, k, raw);
    }
    let goal = coordinate_target(p, b)[k];
    let weight = coordinate_weight(b);
    if KIND == DETECTION {
        return 2.0 * weight * (raw - goal);
    }
    if k >= 2u {
        return weight * (raw - goal);
    }
    return weight * miss(raw, goal) * select(params.scale_xy, sigmoid_slope(raw), KIND == REGION);
}

fn objectness_slope(p: Place, got: i32) -> f32 {
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
    if KIND == DETECTION {
        return 2.0 * weight * (raw - goal);
    }
    return weight * miss(raw, goal) * select(1.0, sigmoid_slope(raw), KIND == REGION);
}

fn class_slope(cell: Place, c: u32) -> f32 {
    var p = cell;
    var got = found_at(p);
    if KIND == DETECTION {
        for (var b = 1u; b < params.boxes && got < 0; b++) {
            p.slot = b;
            got = found_at(p);
        }
    }
    if got < 0 {
        return 0.0;
    }
    let goal = select(0.0, 1.0, shows(p, got, c));
    let raw = x[at(p, 5u + c)];
    if params.softmax == 1u {
        let sum = class_sum(p);
        return params.class_scale * (exp(raw - sum.x) / sum.y - goal);
    }
    if KIND == DETECTION {
        return 2.0 * params.class_scale * (raw - goal);
    }
    return params.class_scale * miss(raw, goal);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let numbers = select(params.boxes * (5u + params.classes), params.classes + 5u * params.boxes, KIND == DETECTION);
    if i >= params.pictures * params.height * params.width * numbers {
        return;
    }
    let e = element_of(i);
    let scale = grad_y[0] / f32(params.pictures);
    if e.k >= 5u {
        grad_x[i] = scale * class_slope(e.place, e.k - 5u);
    } else if e.k == 4u {
        grad_x[i] = scale * objectness_slope(e.place, found_at(e.place));
    } else {
        grad_x[i] = scale * box_slope(e.place, found_at(e.place), e.k);
    }
}
