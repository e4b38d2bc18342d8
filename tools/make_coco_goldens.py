#!/usr/bin/env python3
"""Makes src/metrics/golden/coco_*.json: what pycocotools says about generated detections, for the tests of src/metrics/coco.rs.

    python3 tools/make_coco_goldens.py

Needs pycocotools and numpy; made with pycocotools 2.0. A file of boxes holds `images` and `classes` (their numbers), `truth` as rows of
[image, class, x, y, w, h, area, crowd], `found` as rows of [image, class, x, y, w, h, score], `stats` (the twelve numbers) and
`per_class` (AP and AP at 0.50 of each class, -1 for one without objects). All detections count in the order in which they stand.
coco_masks_*.json are the same for masks, src/metrics/coco_masks.rs: also `size` (height and width), `truth` as rows of [image, class,
area, crowd, polygon], `found` as rows of [image, class, score, polygon].
"""
import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "src" / "metrics" / "golden"


def evaluate(images, classes, truth, found):
    annotations = [
        {"id": n + 1, "image_id": i + 1, "category_id": c + 1, "bbox": [x, y, w, h], "area": area, "iscrowd": crowd}
        for n, (i, c, x, y, w, h, area, crowd) in enumerate(truth)
    ]
    results = [
        {"image_id": i + 1, "category_id": c + 1, "bbox": [x, y, w, h], "score": score}
        for i, c, x, y, w, h, score in found
    ]
    return numbers(images, classes, [480, 640], annotations, results, "bbox")


def evaluate_masks(images, classes, size, truth, found):
    annotations = [
        {"id": n + 1, "image_id": i + 1, "category_id": c + 1, "segmentation": [polygon], "area": area, "iscrowd": crowd}
        for n, (i, c, area, crowd, polygon) in enumerate(truth)
    ]
    rle = lambda polygon: mask_tools.merge(mask_tools.frPyObjects([polygon], *size))
    # Without a box of its own: a result's area is then its mask's.
    results = [
        {"image_id": i + 1, "category_id": c + 1, "segmentation": rle(polygon), "score": score}
        for i, c, score, polygon in found
    ]
    return numbers(images, classes, size, annotations, results, "segm")


def numbers(images, classes, size, annotations, results, kind):
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i + 1, "width": size[1], "height": size[0]} for i in range(images)],
        "categories": [{"id": c + 1, "name": str(c)} for c in range(classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(results), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision = evaluation.eval["precision"]  # thresholds, recalls, classes, areas, limits
    per_class = []
    for c in range(classes):
        values = precision[:, :, c, 0, 2]
        mean = lambda v: float(v[v > -1].mean()) if (v > -1).any() else -1.0
        per_class.append([mean(values), mean(values[0])])
    return [float(v) for v in evaluation.stats], per_class


def generate(seed, images, classes, objects, extra, step, levels, crowd=0.1, empty=(), unseen=()):
    """`objects` and `extra` boxes a picture at most; coordinates are multiples of `step`, scores of 1/`levels`. Classes `empty`
    have no objects, classes `unseen` no detections."""
    rng = np.random.default_rng(seed)
    snap = lambda v: round(round(v / step) * step, 4)
    score = lambda: round(int(rng.integers(1, levels + 1)) / levels, 6)

    def box():
        side = float(np.exp(rng.uniform(np.log(6), np.log(220))))
        shape = float(np.exp(rng.uniform(-0.7, 0.7)))
        w, h = max(snap(side * shape), step), max(snap(side / shape), step)
        return [snap(rng.uniform(0, 640 - min(w, 600))), snap(rng.uniform(0, 480 - min(h, 450))), w, h]

    def near(b, by):
        x, y, w, h = b
        moved = [x + rng.normal() * by * w, y + rng.normal() * by * h, w * np.exp(rng.normal() * by), h * np.exp(rng.normal() * by)]
        x, y, w, h = [snap(float(v)) for v in moved]
        return [x, y, max(w, step), max(h, step)]

    truth, found = [], []
    for i in range(images):
        for _ in range(int(rng.integers(0, objects + 1))):
            c = int(rng.integers(0, classes))
            b = box()
            is_crowd = int(rng.random() < crowd)
            # Some areas are those of a mask, some lie on the ends of the ranges.
            share = float(rng.choice([1.0, 0.75, 0.5]))
            area = float(rng.choice([1024.0, 9216.0])) if rng.random() < 0.1 else snap(b[2] * b[3] * share)
            if c not in empty:
                truth.append([i, c, *b, area, is_crowd])
            if c in unseen:
                continue
            for _ in range(int(rng.integers(0, 4))):
                found.append([i, c, *near(b, float(rng.choice([0.0, 0.03, 0.1, 0.3]))), score()])
        for _ in range(int(rng.integers(0, extra + 1))):
            c = int(rng.integers(0, classes))
            if c not in unseen:
                found.append([i, c, *box(), score()])
    order = rng.permutation(len(found))
    return images, classes, truth, [found[k] for k in order]


SETS = {
    # Ordinary pictures: some thousand different scores, decimals as detectors write them.
    "ordinary": dict(seed=1, images=16, classes=4, objects=12, extra=10, step=0.01, levels=1000),
    # Ties everywhere: few scores, boxes on a coarse grid, a third of the objects crowds.
    "ties": dict(seed=2, images=14, classes=3, objects=10, extra=8, step=8.0, levels=4, crowd=0.35),
    # More than a hundred detections of one class in a picture.
    "many": dict(seed=3, images=3, classes=2, objects=70, extra=260, step=0.25, levels=64),
    # A class without objects, one without detections, one with crowds only below.
    "empty": dict(seed=4, images=12, classes=5, objects=8, extra=6, step=0.25, levels=64, empty=(1,), unseen=(3,)),
}


def generate_masks(seed, images, classes, objects, extra, largest, levels, points=9, crowd=0.15, empty=(), unseen=()):
    """Blobs of up to `largest` pixels across on pictures of 150x200, as polygons of whole pixels."""
    rng = np.random.default_rng(seed)
    size = [150, 200]
    score = lambda: round(int(rng.integers(1, levels + 1)) / levels, 6)

    def blob():
        side = float(np.exp(rng.uniform(np.log(5), np.log(largest))))
        angles = np.sort(rng.uniform(0, 2 * np.pi, points))
        radii = side / 2 * rng.uniform(0.6, 1.0, points)
        centre = rng.uniform([0, 0], [size[1], size[0]])
        return centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)

    def near(b, by):
        centre = b.mean(0)
        across = np.ptp(b, 0)
        return (b - centre) * np.exp(rng.normal(0, by, 2)) + centre + rng.normal(0, by / 3, 2) * across

    flat = lambda b: [int(v) for v in np.round(b).ravel()]
    pixels = lambda polygon: int(mask_tools.area(mask_tools.merge(mask_tools.frPyObjects([polygon], *size))))
    truth, found = [], []
    for i in range(images):
        for _ in range(int(rng.integers(0, objects + 1))):
            c, b = int(rng.integers(0, classes)), blob()
            area = pixels(flat(b))
            if area == 0:
                continue
            if rng.random() < 0.15:  # areas need not be the mask's; some lie on the ends of the ranges
                area = float(rng.choice([1024.0, 9216.0, round(area * 0.8)]))
            if c not in empty:
                truth.append([i, c, float(area), int(rng.random() < crowd), flat(b)])
            if c in unseen:
                continue
            for _ in range(int(rng.integers(0, 4))):
                found.append([i, c, score(), flat(near(b, float(rng.choice([0.0, 0.05, 0.15, 0.3]))))])
        for _ in range(int(rng.integers(extra // 2, extra + 1))):
            c = int(rng.integers(0, classes))
            if c not in unseen:
                found.append([i, c, score(), flat(blob())])
    order = rng.permutation(len(found))
    return images, classes, size, truth, [found[k] for k in order]


MASK_SETS = {
    "ordinary": dict(seed=11, images=12, classes=3, objects=9, extra=5, largest=170, levels=500),
    # More than a hundred detections of one class in a picture.
    "many": dict(seed=12, images=2, classes=1, objects=60, extra=110, largest=40, levels=40, points=5),
    # A class without objects, one without detections.
    "empty": dict(seed=13, images=8, classes=4, objects=6, extra=4, largest=150, levels=20, empty=(1,), unseen=(3,)),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, settings in SETS.items():
        images, classes, truth, found = generate(**settings)
        if name == "empty":
            for row in truth:
                row[7] = 1 if row[1] == 4 else row[7]
        with contextlib.redirect_stdout(io.StringIO()):
            stats, per_class = evaluate(images, classes, truth, found)
        most = max(sum(1 for f in found if f[0] == i and f[1] == c) for i in range(images) for c in range(classes))
        print(f"{name}: {len(truth)} objects, {len(found)} detections, at most {most} of a class in a picture")
        print("  ", " ".join(f"{v:.4f}" for v in stats))
        write(f"coco_{name}", {"images": images, "classes": classes}, stats, per_class, truth, found)
    for name, settings in MASK_SETS.items():
        images, classes, size, truth, found = generate_masks(**settings)
        with contextlib.redirect_stdout(io.StringIO()):
            stats, per_class = evaluate_masks(images, classes, size, truth, found)
        print(f"masks, {name}: {len(truth)} objects, {len(found)} detections")
        print("  ", " ".join(f"{v:.4f}" for v in stats))
        write(f"coco_masks_{name}", {"images": images, "classes": classes, "size": size}, stats, per_class, truth, found)


def write(name, head, stats, per_class, truth, found):
    rows = lambda table: "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in table) + "\n]"
    text = (
        f'{json.dumps(head, separators=(",", ":"))[:-1]},\n"stats":{json.dumps(stats)},\n"per_class":{json.dumps(per_class)},\n'
        f'"truth":{rows(truth)},\n"found":{rows(found)}}}\n'
    )
    (FOLDER / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
