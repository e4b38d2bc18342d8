#!/usr/bin/env python3
"""Makes src/metrics/golden/coco_*.json: what pycocotools says about generated detections, for the tests of src/metrics/coco.rs.

    python3 tools/make_coco_goldens.py

Needs pycocotools and numpy; made with pycocotools 2.0. A file holds `images` and `classes` (their numbers), `truth` as rows of
[image, class, x, y, w, h, area, crowd], `found` as rows of [image, class, x, y, w, h, score], `stats` (the twelve numbers) and
`per_class` (AP and AP at 0.50 of each class, -1 for one without objects). All detections count in the order in which they stand.
"""
import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "src" / "metrics" / "golden"


def evaluate(images, classes, truth, found):
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i + 1, "width": 640, "height": 480} for i in range(images)],
        "categories": [{"id": c + 1, "name": str(c)} for c in range(classes)],
        "annotations": [
            {"id": n + 1, "image_id": i + 1, "category_id": c + 1, "bbox": [x, y, w, h], "area": area, "iscrowd": crowd}
            for n, (i, c, x, y, w, h, area, crowd) in enumerate(truth)
        ],
    }
    coco.createIndex()
    results = coco.loadRes(
        [
            {"image_id": i + 1, "category_id": c + 1, "bbox": [x, y, w, h], "score": score}
            for i, c, x, y, w, h, score in found
        ]
    )
    evaluation = COCOeval(coco, results, "bbox")
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
        rows = lambda table: "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in table) + "\n]"
        text = (
            f'{{"images":{images},"classes":{classes},\n"stats":{json.dumps(stats)},\n"per_class":{json.dumps(per_class)},\n'
            f'"truth":{rows(truth)},\n"found":{rows(found)}}}\n'
        )
        (FOLDER / f"coco_{name}.json").write_text(text)


if __name__ == "__main__":
    main()
