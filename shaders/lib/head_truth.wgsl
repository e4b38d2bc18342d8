// uses: head
// Which true box trains which place of a head. The kernel that names this piece declares `truth: array<vec4<f32>>` (centre x, centre y,
// width, height in shares of the network's input) and `truth_class: array<i32>`, params.truths of them for each picture.
// A truth counts if its class is one of the head's, its numbers are finite, its sides positive and its centre in the picture. It belongs to
// the cell that holds its centre, and there
//   yolo       to the anchor, of all the network's, that is best by the IoU of shapes, and to others above params.match_thresh;
//   region     to the anchor best by the IoU of shapes, its own or (bias_match 0) its prediction's;
//   detection  to the prediction of best IoU or, where none overlaps, of least distance.
// Of equals the first is best. Of several truths that claim a place the last has it, as it is in Darknet, whose loop overwrites; a cell of
// a detection head knows the first truth alone, as Darknet's labels do.

// Words beside the number of the truth that a place got.
const BACKGROUND: i32 = -1;
const IGNORED: i32 = -2;

// Comparisons with infinities and NaN may be compiled away; bits may not.
fn finite(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

fn counts(t: u32) -> bool {
    // Padding comes first: most truths are.
    if truth_class[t] < 0 || truth_class[t] >= i32(params.classes) {
        return false;
    }
    let b = truth[t];
    let usable = finite(b.x) && finite(b.y) && finite(b.z) && finite(b.w);
    return usable && all(b.xy >= vec2<f32>(0.0)) && all(b.xy < vec2<f32>(1.0)) && all(b.zw > vec2<f32>(0.0));
}

fn in_cell(p: Place, b: vec4<f32>) -> bool {
    let column = min(u32(b.x * f32(params.width)), params.width - 1u);
    let row = min(u32(b.y * f32(params.height)), params.height - 1u);
    return column == p.column && row == p.row;
}

// IoU of two boxes by centre and size; 0 where the union is empty.
fn iou_of(a: vec4<f32>, b: vec4<f32>) -> f32 {
    let extent = min(a.xy + 0.5 * a.zw, b.xy + 0.5 * b.zw) - max(a.xy - 0.5 * a.zw, b.xy - 0.5 * b.zw);
    let both = max(extent.x, 0.0) * max(extent.y, 0.0);
    let either = a.z * a.w + b.z * b.w - both;
    return select(0.0, both / either, either > 0.0);
}

// IoU of two boxes around one centre.
fn shape_iou(a: vec2<f32>, b: vec2<f32>) -> f32 {
    let both = min(a.x, b.x) * min(a.y, b.y);
    return both / (a.x * a.y + b.x * b.y - both);
}

fn yolo_claims(p: Place, b: vec4<f32>) -> bool {
    var best = 0u;
    var best_iou = 0.0;
    for (var a = 0u; a < params.anchor_count; a++) {
        let iou = shape_iou(anchor_of(a), b.zw);
        if iou > best_iou {
            best_iou = iou;
            best = a;
        }
    }
    let own = own_anchor(p);
    return own == best || shape_iou(anchor_of(own), b.zw) > params.match_thresh;
}

fn region_claims(p: Place, b: vec4<f32>) -> bool {
    var best = 0u;
    var best_iou = 0.0;
    for (var a = 0u; a < params.boxes; a++) {
        let there = Place(p.picture, p.row, p.column, a);
        let size = select(box_of(there).zw, anchor_of(own_anchor(there)), params.bias_match == 1u);
        let iou = shape_iou(size, b.zw);
        if iou > best_iou {
            best_iou = iou;
            best = a;
        }
    }
    return p.slot == best;
}

fn detection_claims(p: Place, b: vec4<f32>) -> bool {
    var best = 0u;
    var best_iou = 0.0;
    var nearest = 0.0;
    for (var a = 0u; a < params.boxes; a++) {
        let there = box_of(Place(p.picture, p.row, p.column, a));
        let iou = iou_of(there, b);
        let apart = dot(there - b, there - b);
        let closer = best_iou == 0.0 && iou == 0.0 && apart < nearest;
        if a == 0u || iou > best_iou || closer {
            best = a;
            best_iou = iou;
            nearest = apart;
        }
    }
    return p.slot == best;
}

// Whether a truth that counts wants the place.
fn claims(p: Place, b: vec4<f32>) -> bool {
    if !in_cell(p, b) {
        return false;
    }
    if KIND == YOLO {
        return yolo_claims(p, b);
    }
    if KIND == REGION {
        return region_claims(p, b);
    }
    return detection_claims(p, b);
}

// Whether a place is to show class c: that of the truth it got, or of any truth that claims it where classes are independent.
fn shows(p: Place, got: i32, c: u32) -> bool {
    let first = p.picture * params.truths;
    if truth_class[first + u32(got)] == i32(c) {
        return true;
    }
    if KIND == DETECTION || params.softmax == 1u {
        return false;
    }
    for (var t = first; t < first + params.truths; t++) {
        if truth_class[t] == i32(c) && counts(t) && claims(p, truth[t]) {
            return true;
        }
    }
    return false;
}

// What the coordinates of a place that got truth b are to be, in the terms of its raw numbers: position in the cell (yolo: that of the
// unstretched sigmoid), and the raw width and height.
fn coordinate_target(p: Place, b: vec4<f32>) -> vec4<f32> {
    let within = b.xy * vec2<f32>(f32(params.width), f32(params.height)) - vec2<f32>(f32(p.column), f32(p.row));
    if KIND == DETECTION {
        return vec4<f32>(within, select(b.zw, sqrt(b.zw), params.root == 1u));
    }
    let ratio = b.zw / anchor_of(own_anchor(p));
    let s = params.scale_xy;
    return vec4<f32>((within + 0.5 * (s - 1.0)) / s, log_of(ratio.x), log_of(ratio.y));
}

// Weight of the coordinates of a place that got truth b, where they are trained by the head's own squares.
fn coordinate_weight(b: vec4<f32>) -> f32 {
    return params.coord_scale * select(2.0 - b.z * b.w, 1.0, KIND == DETECTION);
}

// What the objectness of a place that got truth b is to be.
fn objectness_target(p: Place, b: vec4<f32>) -> f32 {
    if params.rescore == 0u {
        return 1.0;
    }
    return iou_of(box_of(p), b);
}

// Corners in pixels of the network's input.
fn corners_of(b: vec4<f32>) -> vec4<f32> {
    let size = vec4<f32>(params.input_width, params.input_height, params.input_width, params.input_height);
    return vec4<f32>(b.xy - 0.5 * b.zw, b.xy + 0.5 * b.zw) * size;
}
