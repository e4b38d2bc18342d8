// Losses of the overlap of two boxes p and t, given by their corners x0, y0, x1, y1, and their gradients with respect to p.
// With I and U the areas of intersection and union, c the smallest box around both (area C, squared diagonal D), d the squared distance
// of the centres, v = 4/pi^2 (atan(w_t/h_t) - atan(w_p/h_p))^2 and alpha = v / (1 - IoU + v + eps), all with eps = 1e-7:
//   1 IoU   1 - I / (U + eps)
//   2 GIoU  ... + (C - U) / (C + eps)           Rezatofighi et al., 2019
//   3 DIoU  1 - I / (U + eps) + d / (D + eps)   Zheng et al., 2020
//   4 CIoU  ... + alpha v, alpha being a constant of the gradient
// Where an edge of p and one of t coincide, the gradient is the mean of the two sides'. All losses are symmetric in p and t.

const GIOU: u32 = 2u;
const DIOU: u32 = 3u;
const CIOU: u32 = 4u;
const IOU_EPS: f32 = 1e-7;
const PI: f32 = 3.14159265;

struct Overlap {
    // Extent of the intersection, 0 where there is none.
    shared_size: vec2<f32>,
    both: f32,
    either: f32,
    // Extent of the box around both.
    hull: vec2<f32>,
}

fn overlap_of(p: vec4<f32>, t: vec4<f32>) -> Overlap {
    let extent = min(p.zw, t.zw) - max(p.xy, t.xy);
    let shared_size = select(vec2<f32>(0.0), extent, extent.x > 0.0 && extent.y > 0.0);
    let both = shared_size.x * shared_size.y;
    let p_size = p.zw - p.xy;
    let t_size = t.zw - t.xy;
    let either = p_size.x * p_size.y + t_size.x * t_size.y - both;
    return Overlap(shared_size, both, either, max(p.zw, t.zw) - min(p.xy, t.xy));
}

// Arc tangent to a few units in the last place (WGSL's own need not be): Taylor's series below tan(pi/8), reached by
// atan(q) = pi/2 - atan(1/q) and atan(q) = pi/4 + atan((q - 1) / (q + 1)).
fn arctangent(q: f32) -> f32 {
    let a = abs(q);
    let inner = select(a, 1.0 / max(a, 1.0), a > 1.0);
    let folded = inner > 0.41421356;
    let u = select(inner, (inner - 1.0) / (inner + 1.0), folded);
    let z = u * u;
    let high = -1.0 / 11.0 + z * (1.0 / 13.0 + z * (-1.0 / 15.0 + z * (1.0 / 17.0)));
    let series = z * (-1.0 / 3.0 + z * (0.2 + z * (-1.0 / 7.0 + z * (1.0 / 9.0 + z * high))));
    let low = u + u * series + select(0.0, 0.25 * PI, folded);
    return sign(q) * select(low, 0.5 * PI - low, a > 1.0);
}

// atan(w_t / h_t) - atan(w_p / h_p), as one arc tangent.
fn aspect_angle(p_size: vec2<f32>, t_size: vec2<f32>) -> f32 {
    let across = t_size.x * p_size.y - p_size.x * t_size.y;
    return arctangent(across / (dot(t_size, p_size) + 1e-30));
}

fn aspect_alpha(v: f32, iou: f32) -> f32 {
    return v / (1.0 - iou + v + IOU_EPS);
}

fn iou_loss(kind: u32, p: vec4<f32>, t: vec4<f32>) -> f32 {
    let o = overlap_of(p, t);
    let iou = o.both / (o.either + IOU_EPS);
    var loss = 1.0 - iou;
    if kind == GIOU {
        let around = o.hull.x * o.hull.y;
        loss += (around - o.either) / (around + IOU_EPS);
    }
    if kind >= DIOU {
        let apart = 0.5 * (p.xy + p.zw - t.xy - t.zw);
        loss += dot(apart, apart) / (dot(o.hull, o.hull) + IOU_EPS);
    }
    if kind == CIOU {
        let angle = aspect_angle(p.zw - p.xy, t.zw - t.xy) * (2.0 / PI);
        let v = angle * angle;
        loss += aspect_alpha(v, iou) * v;
    }
    return loss;
}

// Derivatives by x0, y0, x1, y1 of p.
fn iou_loss_slope(kind: u32, p: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
    let o = overlap_of(p, t);
    let p_size = p.zw - p.xy;
    // How far p's edges are those of the intersection; those of the hull otherwise.
    let inner = 0.5 + 0.5 * sign(vec4<f32>(p.xy - t.xy, t.zw - p.zw));
    let outward = vec4<f32>(-1.0, -1.0, 1.0, 1.0);
    let d_both = outward * inner * o.shared_size.yxyx;
    let d_either = outward * p_size.yxyx - d_both;
    let d_hull = outward * (1.0 - inner);

    let iou = o.both / (o.either + IOU_EPS);
    var slope = (iou * d_either - d_both) / (o.either + IOU_EPS);
    if kind == GIOU {
        let around = o.hull.x * o.hull.y;
        let rest = (around - o.either) / (around + IOU_EPS);
        let d_around = d_hull * o.hull.yxyx;
        slope += (d_around * (1.0 - rest) - d_either) / (around + IOU_EPS);
    }
    if kind >= DIOU {
        let apart = 0.5 * (p.xy + p.zw - t.xy - t.zw);
        let diagonal = dot(o.hull, o.hull) + IOU_EPS;
        let share = dot(apart, apart) / diagonal;
        slope += (apart.xyxy - 2.0 * share * o.hull.xyxy * d_hull) / diagonal;
    }
    if kind == CIOU {
        let angle = aspect_angle(p_size, t.zw - t.xy);
        let alpha = aspect_alpha(4.0 / (PI * PI) * angle * angle, iou);
        let turn = vec2<f32>(-p_size.y, p_size.x) / (dot(p_size, p_size) + 1e-30);
        slope += alpha * (8.0 / (PI * PI)) * angle * outward * turn.xyxy;
    }
    return slope;
}
