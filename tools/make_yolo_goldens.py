#!/usr/bin/env python3
"""Makes the files of kernels-tests/golden that belong to YOLO: decoded heads, their losses, the IoU losses.

    python3 tools/make_yolo_goldens.py [OP ...]

Everything is built here from the definitions with PyTorch's tensor operations and differentiated by autograd; the IoU losses are
torchvision's. Format, seeds and precision are those of tools/make_goldens.py, whose collector this uses.
"""
import sys

import torch
import torch.nn.functional as F
from torchvision import ops

from make_goldens import Golden, uniform

MAKERS = {}


def golden(fn):
    """Registers the maker of an op's file; the function is named after the op."""
    MAKERS[fn.__name__] = fn
    return fn


def boxes_per_cell(head):
    return head["num"] if head["kind"] == "detection" else len(head.get("mask") or head["anchors"][::2])


def split(x, head):
    """(xy, wh, objectness, classes) of a raw head in PyTorch's layout, each (N, H, W, A, .), and the grid's extents."""
    c, a = head["classes"], boxes_per_cell(head)
    if head["kind"] == "detection":
        n, s = x.shape[0], head["side"]
        cells = s * s
        classes = x[:, : cells * c].reshape(n, s, s, 1, c).expand(n, s, s, a, c)
        confidence = x[:, cells * c : cells * (c + a)].reshape(n, s, s, a, 1)
        boxes = x[:, cells * (c + a) :].reshape(n, s, s, a, 4)
        return boxes[..., :2], boxes[..., 2:], confidence[..., 0], classes, (s, s)
    n, _, h, w = x.shape
    y = x.reshape(n, a, 5 + c, h, w).permute(0, 3, 4, 1, 2)
    return y[..., :2], y[..., 2:4], y[..., 4], y[..., 5:], (h, w)


def shares(head, grid):
    """All anchors as shares of the network's input, (count, 2)."""
    h, w = head["input"] if head["kind"] == "yolo" else grid
    return torch.tensor(head.get("anchors", []), dtype=torch.float32).double().reshape(-1, 2) / torch.tensor([w, h]).double()


def predicted(x, head):
    """Predicted boxes, centre and size in shares of the input, (N, H, W, A, 4)."""
    xy, wh, _, _, (h, w) = split(x, head)
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    corner = torch.stack([columns, rows], -1)[None, :, :, None].double()
    if head["kind"] == "detection":
        size = wh**2 if head.get("sqrt") else wh
        return torch.cat([(corner + xy) / torch.tensor([w, h]).double(), size], -1)
    s = float(torch.tensor(head.get("scale_x_y", 1.0), dtype=torch.float32))
    centre = (corner + s * torch.sigmoid(xy) - (s - 1) / 2) / torch.tensor([w, h]).double()
    own = shares(head, (h, w))[head.get("mask") or slice(None)]
    return torch.cat([centre, wh.exp() * own], -1)


def corners(box):
    centre, size = box[..., :2], box[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1)


DECODED = {
    "v3": ((2, 21, 3, 4), {"kind": "yolo", "anchors": [10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119], "mask": [3, 4, 5], "classes": 2, "input": [96, 128]}),
    "stretched": ((1, 20, 2, 5), {"kind": "yolo", "anchors": [10, 13, 16, 30], "mask": [1, 0], "classes": 5, "input": [64, 160], "scale_x_y": 1.05}),
    "v2": ((2, 16, 5, 3), {"kind": "region", "anchors": [1.08, 1.19, 3.42, 4.41], "classes": 3, "input": [160, 96], "softmax": True}),
    "v2_sigmoids": ((1, 24, 2, 2), {"kind": "region", "anchors": [0.57, 0.68, 1.87, 2.06, 3.34, 5.47], "classes": 3, "input": [64, 64]}),
    "v1": ((2, 9 * 14), {"kind": "detection", "side": 3, "num": 2, "classes": 4, "sqrt": True, "input": [96, 96]}),
    "v1_softmax": ((1, 4 * 18), {"kind": "detection", "side": 2, "num": 3, "classes": 3, "softmax": True, "input": [64, 32]}),
}


@golden
def head_decode(g):
    for name, (shape, head) in DECODED.items():

        def decode(x):
            _, _, objectness, classes, (h, w) = split(x, head)
            n, size = x.shape[0], torch.tensor([head["input"][1], head["input"][0]]).double()
            boxes = (corners(predicted(x, head)) * torch.cat([size, size])).reshape(n, -1, 4)
            if head["kind"] != "detection":
                objectness = torch.sigmoid(objectness)
            if head.get("softmax"):
                classes = classes.softmax(-1)
            elif head["kind"] != "detection":
                classes = torch.sigmoid(classes)
            return boxes, (objectness[..., None] * classes).reshape(n, h * w * boxes_per_cell(head), -1)

        low, high = (-0.2, 1.2) if head["kind"] == "detection" else (-3.0, 3.0)
        g.case(name, decode, lambda: {"x": uniform(*shape, low=low, high=high)}, head, wrt=[], outputs=("boxes", "scores"))


def plain_iou_loss(p, t):
    """1 - IoU with eps 1e-7 below the line, as torchvision's other IoU losses have it."""
    low, high = torch.maximum(p[..., :2], t[..., :2]), torch.minimum(p[..., 2:], t[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return 1 - both / (area(p) + area(t) - both + 1e-7)


IOU_LOSSES = {
    "iou": plain_iou_loss,
    "giou": ops.generalized_box_iou_loss,
    "diou": ops.distance_box_iou_loss,
    "ciou": ops.complete_box_iou_loss,
}


def some_boxes(*shape, unit=1.0):
    corner = torch.rand(*shape, 2)
    return torch.cat([corner, corner + 0.2 + torch.rand(*shape, 2)], -1) * unit


@golden
def iou_loss(g):
    for kind, loss in IOU_LOSSES.items():
        for shape in ((1,), (40,), (3, 5)):
            for unit in (1.0, 50.0):
                name = f"{kind}_{'x'.join(map(str, shape))}_{unit:g}"
                draw = lambda: {"x": some_boxes(*shape, unit=unit), "target": some_boxes(*shape, unit=unit)}
                g.case(name, lambda x, target: loss(x, target), draw, {"kind": kind})
        apart = lambda: {"x": some_boxes(9), "target": some_boxes(9) + 2}
        g.case(f"{kind}_apart", lambda x, target: loss(x, target), apart, {"kind": kind})


def iou_of(a, b):
    """IoU of single boxes by centre and size."""
    return ops.box_iou(corners(a)[None], corners(b)[None])[0, 0]


def assignment(x, boxes, classes, head, own):
    """Walks over the truths as Darknet does. Returns {place: (truth, classes)} and the set of ignored places."""
    with torch.no_grad():
        guess = predicted(x, head)
        n, h, w, a, _ = guess.shape
        kind, anchors, mask = head["kind"], shares(head, (h, w)), None
        mask = list(head.get("mask") or range(len(anchors)))
        shape_iou = lambda p, q: iou_of(torch.cat([torch.zeros(2).double(), p]), torch.cat([torch.zeros(2).double(), q]))
        owner, ignored = {}, set()
        for i in range(n):
            usable = [t for t in range(classes.shape[1]) if 0 <= classes[i, t] < head["classes"]]
            for t in usable:
                b = boxes[i, t]
                column, row = int(b[0] * w), int(b[1] * h)
                if kind == "yolo":
                    ious = torch.stack([shape_iou(anchor, b[2:]) for anchor in anchors])
                    limit = own.get("match_thresh", 1)
                    slots = [s for s, m in enumerate(mask) if m == int(ious.argmax()) or ious[m] > limit]
                elif kind == "region":
                    by_anchor = own.get("bias_match", True)
                    sizes = anchors if by_anchor else guess[i, row, column, :, 2:]
                    slots = [int(torch.stack([shape_iou(s, b[2:]) for s in sizes]).argmax())]
                else:
                    if any((i, row, column, s) in owner for s in range(a)):
                        continue
                    ious = torch.stack([iou_of(guess[i, row, column, s], b) for s in range(a)])
                    far = ((guess[i, row, column] - b) ** 2).sum(-1)
                    slots = [int(ious.argmax() if ious.max() > 0 else far.argmin())]
                for s in slots:
                    place = (i, row, column, s)
                    union = owner[place][1] if place in owner and kind != "detection" and not head.get("softmax") else set()
                    owner[place] = (t, union | {int(classes[i, t])})
            if kind == "detection":
                continue
            overlap = ops.box_iou(corners(guess[i]).reshape(-1, 4), corners(boxes[i, usable])) if usable else None
            limit = own.get("ignore_thresh", 0.7 if kind == "yolo" else 0.6)
            for j in range(h * w * a if usable else 0):
                place = (i, j // a // w, j // a % w, j % a)
                if place not in owner and overlap[j].max() > limit:
                    ignored.add(place)
    return owner, ignored


def head_losses(x, boxes, classes, head, own, prior=None):
    """(total, box, objectness, class) and the assignment; targets carry no gradient."""
    kind = head["kind"]
    owner, ignored = assignment(x, boxes, classes, head, own)
    xy, wh, objectness, logits, (h, w) = split(x, head)
    guess, anchors = predicted(x, head), shares(head, (h, w))
    mask = list(head.get("mask") or range(len(anchors)))
    n, a = x.shape[0], boxes_per_cell(head)
    f32 = lambda v: float(torch.tensor(float(v), dtype=torch.float32))
    get = lambda name, usual: f32(own.get(name, usual))
    object_scale = get("object_scale", 5 if kind == "region" else 1)
    noobject_scale = get("noobject_scale", 0.5 if kind == "detection" else 1)
    coord_scale = get("coord_scale", 5 if kind == "detection" else 1)
    class_scale, iou_scale = get("class_scale", 1), get("iou_scale", 1)
    rescore, coordinates = own.get("rescore", kind != "yolo"), own.get("coordinates", "own")
    stretch = f32(head.get("scale_x_y", 1))
    pixels = torch.tensor([head["input"][1], head["input"][0]] * 2).double()
    zero = x.sum() * 0
    box, obj, cls = zero, zero, zero
    bce = lambda v, t: F.binary_cross_entropy_with_logits(v, t, reduction="sum")
    sse = lambda v, t: ((v - t) ** 2).sum()
    found = torch.full((n, h, w, a), -1, dtype=torch.int32)
    for i, row, column, s in ((i, r, c, s) for i in range(n) for r in range(h) for c in range(w) for s in range(a)):
        place = (i, row, column, s)
        raw_xy, raw_wh, raw_o, raw_c = (v[place] for v in (xy, wh, objectness, logits))
        goal, weight = torch.zeros(()).double(), noobject_scale
        if place in owner:
            t, shown = owner[place]
            found[place] = t
            b = boxes[i, t].detach()
            goal = iou_of(guess[place].detach(), b) if rescore else torch.ones(()).double()
            weight = object_scale
            within = b[:2] * torch.tensor([w, h]) - torch.tensor([column, row])
            if coordinates != "own":
                box = box + iou_scale * IOU_LOSSES[coordinates](corners(guess[place]) * pixels, corners(b) * pixels)
            elif kind == "detection":
                box = box + coord_scale * (sse(raw_xy, within) + sse(raw_wh, b[2:].sqrt() if head.get("sqrt") else b[2:]))
            else:
                k = coord_scale * (2 - b[2] * b[3])
                size = 0.5 * sse(raw_wh, (b[2:] / anchors[mask[s]]).log())
                centre = 0.5 * sse(raw_xy.sigmoid(), within)
                if kind == "yolo":
                    centre = stretch * bce(raw_xy, (within + (stretch - 1) / 2) / stretch)
                box = box + k * (centre + size)
            if head.get("softmax"):
                cls = cls + class_scale * F.cross_entropy(raw_c[None], torch.tensor([min(shown)]))
            else:
                hot = torch.tensor([float(c in shown) for c in range(head["classes"])]).double()
                cls = cls + class_scale * (sse if kind == "detection" else bce)(raw_c, hot)
        elif prior is not None:
            box = box + 0.5 * prior.detach()[0] * (sse(raw_xy.sigmoid(), 0.5) + sse(raw_wh, 0.0))
        if place in ignored:
            found[place] = -2
            continue
        if kind == "yolo":
            obj = obj + weight * bce(raw_o, goal)
        elif kind == "region":
            obj = obj + 0.5 * weight * sse(raw_o.sigmoid(), goal)
        else:
            obj = obj + weight * sse(raw_o, goal)
    return (box + obj + cls) / n, box / n, obj / n, cls / n, found.reshape(n, -1)


def some_truths(n, count, classes):
    """Boxes whose centres keep off the edges of cells of grids up to 9, some doubled, some absent."""
    centre = (torch.randint(0, 2520, (n, count, 2)).float() + 0.25) / 2520
    boxes = torch.cat([centre, 0.1 + 0.7 * torch.rand(n, count, 2)], -1)
    boxes[:, -1, :2] = boxes[:, 0, :2]
    boxes[:, -1, 2:] = boxes[:, 0, 2:] * 1.02
    labels = torch.randint(0, classes, (n, count), dtype=torch.int32)
    labels[:, 1] = -1
    return {"truth_boxes": boxes, "truth_classes": labels}


LOSSES = (
    ("v3", "v3", {}),
    ("v3_ignoring", "v3", {"ignore_thresh": 0.3, "match_thresh": 0.3}),
    ("v3_stretched", "stretched", {"object_scale": 0.7, "class_scale": 1.3, "rescore": True}),
    ("v2", "v2", {}),
    ("v2_sigmoids", "v2_sigmoids", {"bias_match": False, "rescore": False, "ignore_thresh": 0.2, "coord_scale": 2}),
    ("v1_lectures", "v1", {"rescore": False}),
    ("v1_darknet", "v1", {"rescore": True}),
    ("v1_softmax", "v1_softmax", {"coord_scale": 2.5, "noobject_scale": 0.3}),
) + tuple((f"{base}_{kind}", base, {"coordinates": kind, "iou_scale": 0.75}) for base in ("v3", "stretched", "v2", "v1") for kind in IOU_LOSSES)


@golden
def head_loss(g):
    for name, base, own in LOSSES:
        shape, head = DECODED[base]
        for prior in (False, True) if head["kind"] == "region" else (False,):

            def draw():
                low, high = (0.1, 0.9) if head["kind"] == "detection" else (-1.0, 1.0)
                given = {"x": uniform(*shape, low=low, high=high)} | some_truths(shape[0], 6, head["classes"])
                return given | ({"prior": torch.full((1,), 0.01)} if prior else {})

            fn = lambda x, truth_boxes, truth_classes, prior=None: head_losses(x, truth_boxes, truth_classes, head, own, prior)
            silent = ("box", "objectness", "class", "found")
            outputs = ("y", "box", "objectness", "class", "found")
            g.case(name + ("_prior" if prior else ""), fn, draw, head | own, wrt=["x"], outputs=outputs, silent=silent)


if __name__ == "__main__":
    for op in sys.argv[1:] or MAKERS:
        file = Golden(op)
        MAKERS[op](file)
        file.write()
