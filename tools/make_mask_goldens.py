#!/usr/bin/env python3
"""Makes the vectors that masks and the input of two-stage detectors are held to:

    src/detection/golden/polygons.json   polygons and their masks, by pycocotools
    src/detection/golden/paste.json      mask heads' outputs brought to their pictures, by torchvision
    src/data/golden/resize.json          pictures, boxes and masks through GeneralizedRCNNTransform, by torchvision

    python3 tools/make_mask_goldens.py [polygons] [paste] [resize]

Needs numpy, pycocotools, torch and torchvision; made with pycocotools 2.0.11, torch 2.15 and torchvision 0.29. Generated
inputs are seeded, and floats are written so that they come back bit for bit.
"""
import json
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write(path, cases):
    file = ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(f"{path}: {len(cases)} cases, {file.stat().st_size} bytes")


def floats(array):
    """f32 as the shortest decimals that are the same f32."""
    return [float(np.format_float_positional(v, unique=True, trim="0")) for v in np.asarray(array, np.float32).ravel()]


def bits(array):
    return "".join(str(v) for v in array.ravel())


def polygons():
    from pycocotools import mask as tools

    rng = np.random.default_rng(7)
    cases = []

    def add(size, outlines):
        merged = tools.merge(tools.frPyObjects(outlines, *size))
        cases.append(
            {
                "size": size,
                "polygons": outlines,
                "counts": merged["counts"].decode(),
                "area": int(tools.area(merged)),
                "bbox": [int(v) for v in tools.toBbox(merged)],
            }
        )

    def star(cx, cy, radius, points, digits=2):
        angles = np.sort(rng.uniform(0, 2 * np.pi, points))
        radii = radius * rng.uniform(0.4, 1.0, points)
        xy = np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], 1)
        return [round(float(v), digits) for v in xy.ravel()]

    for _ in range(24):  # blobs inside, over the edges and outside
        h, w = int(rng.integers(5, 60)), int(rng.integers(5, 60))
        add([h, w], [star(rng.uniform(-5, w + 5), rng.uniform(-5, h + 5), rng.uniform(1, 30), int(rng.integers(3, 14)))])
    for _ in range(12):  # several parts, which may overlap
        h, w = int(rng.integers(20, 60)), int(rng.integers(20, 60))
        parts = int(rng.integers(2, 5))
        add([h, w], [star(rng.uniform(0, w), rng.uniform(0, h), rng.uniform(2, 15), 7) for _ in range(parts)])
    for _ in range(8):  # points in random order: outlines that cross themselves
        add([30, 40], [[round(float(v), 1) for v in rng.uniform(-8, 45, 2 * int(rng.integers(4, 12)))]])
    for _ in range(8):  # whole and half pixels, repeated points
        xy = np.repeat(rng.integers(0, 40, (5, 2)) / 2, 2, 0)
        add([20, 21], [[float(v) for v in xy.ravel()]])
    add([20, 30], [[4.0, 5.0, 4.0, 8.0, 11.0, 8.0, 11.0, 5.0]])
    add([20, 30], [[0.0, 0.0, 0.0, 20.0, 30.0, 20.0, 30.0, 0.0]])
    add([20, 30], [[-50.0, -50.0, -50.0, 90.0, 90.0, 90.0, 90.0, -50.0]])
    add([20, 30], [[3.1, 3.1, 3.2, 3.2, 3.1, 3.3]])  # between pixel centres
    add([20, 30], [[7.0, 7.0] * 4])  # one point
    add([20, 30], [[2.0, 3.0, 20.0, 11.0, 2.0, 3.0]])  # a line and back
    add([1, 1], [[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    write("src/detection/golden/polygons.json", cases)


def paste():
    import torch
    from pycocotools import mask as tools
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    rng = np.random.default_rng(8)
    cases = []
    boxes = [
        ([40, 60], 28, [10.3, 8.7, 44.9, 31.2]),
        ([40, 60], 28, [-6.5, -3.25, 25.0, 50.0]),  # over three edges
        ([50, 70], 14, [40.2, 20.9, 75.5, 49.9]),
        ([50, 70], 14, [12.0, 12.0, 13.0, 14.0]),  # smaller than the samples
        ([200, 150], 28, [5.5, 20.5, 140.25, 190.75]),
        ([30, 30], 7, [3.0, 4.0, 27.0, 25.0]),
        ([30, 30], 7, [-20.0, 5.0, -3.0, 20.0]),  # mostly outside
        ([64, 64], 28, [20.0, 20.0, 20.0, 20.0]),  # nothing
        ([64, 64], 28, [0.0, 0.0, 64.0, 64.0]),
        ([64, 64], 5, [31.7, 2.2, 33.1, 60.0]),
    ]
    for (h, w), side, box in boxes:
        y, x = np.mgrid[0:side, 0:side] / side
        wave = np.sin(7 * x + rng.uniform(0, 6)) * np.cos(6 * y + rng.uniform(0, 6)) + rng.normal(0, 0.15, (side, side))
        probabilities = np.round(1 / (1 + np.exp(-4 * wave)), 3).astype(np.float32)
        box = torch.tensor([box], dtype=torch.float32)
        pasted = paste_masks_in_image(torch.tensor(probabilities)[None, None], box, (h, w))[0, 0].numpy()
        rle = tools.encode(np.asfortranarray((pasted > 0.5).astype(np.uint8)))
        cases.append(
            {
                "picture": [h, w],
                "side": side,
                "bbox": floats(box),
                "counts": rle["counts"].decode(),
                "close": int((np.abs(pasted - 0.5) < 1e-6).sum()),
                "probabilities": floats(probabilities),
            }
        )
    write("src/detection/golden/paste.json", cases)


def resize():
    import torch
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    rng = np.random.default_rng(9)
    cases = []
    for sizes, min_size, max_size, divisible in [
        ([(13, 9), (8, 17)], 16, 29, 8),  # enlarged; the longer side bounds the second
        ([(21, 30), (25, 25), (7, 40)], 12, 20, 4),  # made smaller, by odd factors
        ([(11, 14)], 11, 99, 32),  # left alone
    ]:
        transform = GeneralizedRCNNTransform(
            min_size, max_size, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], size_divisible=divisible
        ).eval()
        pictures = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in sizes]
        boxes = [np.sort(rng.uniform(0, 1, (2, 2, 2)), 1) * [w, h] for h, w in sizes]
        boxes = [torch.tensor(np.round(b.reshape(2, 4), 3), dtype=torch.float32) for b in boxes]
        masks = [(rng.uniform(0, 1, (2, h, w)) < 0.5).astype(np.uint8) for h, w in sizes]
        images = [torch.tensor(p).permute(2, 0, 1).float().div(255) for p in pictures]
        targets = [{"boxes": b, "masks": torch.tensor(m)} for b, m in zip(boxes, masks)]
        batch, moved = transform(images, targets)
        found = [{"boxes": t["boxes"].clone()} for t in moved]
        back = transform.postprocess(found, batch.image_sizes, sizes)
        cases.append(
            {
                "min_size": min_size,
                "max_size": max_size,
                "divisible": divisible,
                "sizes": sizes,
                "resized": [list(s) for s in batch.image_sizes],
                "shape": list(batch.tensors.permute(0, 2, 3, 1).shape),
                "pictures": [p.ravel().tolist() for p in pictures],
                "boxes": [floats(b) for b in boxes],
                "boxes_moved": [floats(t["boxes"]) for t in moved],
                "boxes_back": [floats(t["boxes"]) for t in back],
                "masks": [bits(m) for m in masks],
                "masks_moved": [bits(t["masks"].numpy()) for t in moved],
                "images": floats(batch.tensors.permute(0, 2, 3, 1)),
            }
        )
    # Sizes alone: what a scale and the cut to whole pixels make of many sides.
    sides = []
    for _ in range(400):
        h, w = (int(v) for v in rng.integers(10, 3000, 2))
        min_size, max_size = int(rng.integers(50, 900)), int(rng.integers(600, 1400))
        scale = min(min_size / min(h, w), max_size / max(h, w))
        new = torch.nn.functional.interpolate(
            torch.zeros(1, 1, h, 1), scale_factor=(scale, 1.0), mode="nearest", recompute_scale_factor=True
        ).shape[2]
        other = torch.nn.functional.interpolate(
            torch.zeros(1, 1, 1, w), scale_factor=(1.0, scale), mode="nearest", recompute_scale_factor=True
        ).shape[3]
        sides.append([h, w, min_size, max_size, new, other])
    cases[0]["scaled"] = sides
    write("src/data/golden/resize.json", cases)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["polygons", "paste", "resize"]:
        {"polygons": polygons, "paste": paste, "resize": resize}[name]()
