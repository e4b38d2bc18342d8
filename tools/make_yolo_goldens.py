#!/usr/bin/env python3
"""Makes the files of kernels-tests/golden that belong to YOLO: decoded heads, their losses, the IoU losses.

    python3 tools/make_yolo_goldens.py [OP ...]

Everything is built here from the definitions with PyTorch's tensor operations and differentiated by autograd; the IoU losses are
torchvision's. Format, seeds and precision are those of tools/make_goldens.py, whose collector this uses.
"""
import sys

import torch

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


if __name__ == "__main__":
    for op in sys.argv[1:] or MAKERS:
        file = Golden(op)
        MAKERS[op](file)
        file.write()
