#!/usr/bin/env python3
"""Average precision of a Darknet detector by PyTorch and pycocotools alone, to hold `wgvision eval` against.

    python3 tools/eval_darknet.py CFG WEIGHTS PHOTOS [--stretch] [--resamples 200]

PHOTOS holds images/ and instances.json (COCO boxes; categories in the order of the network's classes). Needs torch, numpy, Pillow and
pycocotools. The layers are those of make_darknet_goldens.py; the picture, the heads, suppression and the way back to the picture are
written here from Darknet's sources (letterbox_image, get_yolo_detections, correct_yolo_boxes, do_nms_sort) and share nothing with the
library: bilinear resizing with corners aligned onto grey 0.5, every class above 0.001, suppression within a class above an IoU of 0.45.

Prints AP@0.5 and AP@0.5:0.95, and how far AP@0.5 would move with another draw of as many pictures: quantiles over bootstrap
resamples of the pictures (a picture drawn twice counts twice).
"""
import argparse
import contextlib
import io
import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F
from make_darknet_goldens import Network, Stream, parse
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SCORE, OVERLAP = 0.001, 0.45


def fitted(picture, width, height, stretch):
    """(1,3,height,width) of 0..1 and the size that the picture has in it."""
    x = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    h, w = x.shape[2:]
    if stretch:
        inner_w, inner_h = width, height
    elif width / w < height / h:
        inner_w, inner_h = width, h * width // w
    else:
        inner_w, inner_h = w * height // h, height
    x = F.interpolate(x, (inner_h, inner_w), mode="bilinear", align_corners=True)
    canvas = torch.full((1, 3, height, width), 0.5)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    canvas[:, :, top : top + inner_h, left : left + inner_w] = x
    return canvas.double(), inner_w, inner_h


def decode(section, head, width, height):
    """(K,4) centres and sizes as parts of the input, (K,classes) scores."""
    mask = [int(v) for v in section["mask"].split(",")]
    anchors = np.array([float(v) for v in section["anchors"].split(",")]).reshape(-1, 2)[mask]
    classes, scale = int(section["classes"]), float(section.get("scale_x_y", 1))
    rows, columns = head.shape[2:]
    y = head[0].reshape(len(mask), 5 + classes, rows, columns)
    at = torch.sigmoid(y[:, :2]) * scale - (scale - 1) / 2
    cx = (at[:, 0] + torch.arange(columns)) / columns
    cy = (at[:, 1] + torch.arange(rows)[:, None]) / rows
    size = torch.exp(y[:, 2:4]) * torch.from_numpy(anchors)[:, :, None, None] / torch.tensor([width, height])[None, :, None, None]
    scores = torch.sigmoid(y[:, 4:5]) * torch.sigmoid(y[:, 5:])
    boxes = torch.stack([cx, cy, size[:, 0], size[:, 1]], -1)
    return boxes.reshape(-1, 4).numpy(), scores.permute(0, 2, 3, 1).reshape(-1, classes).numpy()


def suppressed(boxes, scores):
    """Which of the corner boxes stay, best first: one that overlaps a better one by more than OVERLAP goes."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, keep = np.argsort(-scores, kind="stable"), []
    while order.size:
        first, rest = order[0], order[1:]
        keep.append(first)
        low, high = np.maximum(boxes[first, :2], boxes[rest, :2]), np.minimum(boxes[first, 2:], boxes[rest, 2:])
        common = np.prod(np.clip(high - low, 0, None), 1)
        union = np.maximum(area[first] + area[rest] - common, 1e-9)
        order = rest[common / union <= OVERLAP]
    return keep


def detect(sections, numbers, path, stretch):
    """Rows of [class, x, y, w, h, score] in pixels of the picture."""
    net = sections[0][1]
    width, height = int(net["width"]), int(net["height"])
    picture = Image.open(path).convert("RGB")
    x, inner_w, inner_h = fitted(picture, width, height, stretch)
    with torch.no_grad():
        heads, _ = Network(sections, Stream(numbers)).run(x)
    decoded = [decode(sections[1 + i][1], head, width, height) for i, head in heads]
    boxes, scores = np.concatenate([b for b, _ in decoded]), np.concatenate([s for _, s in decoded])
    left, top = (width - inner_w) / 2 / width, (height - inner_h) / 2 / height
    cx, cy = (boxes[:, 0] - left) * width / inner_w, (boxes[:, 1] - top) * height / inner_h
    w, h = boxes[:, 2] * width / inner_w, boxes[:, 3] * height / inner_h
    corners = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    limits = np.array([picture.width, picture.height] * 2)
    corners = np.clip(corners * limits, 0, limits)
    found = []
    for c in range(scores.shape[1]):
        sure = np.flatnonzero(scores[:, c] > SCORE)
        for k in sure[suppressed(corners[sure], scores[sure, c])]:
            x0, y0, x1, y1 = corners[k]
            found.append([c, x0, y0, x1 - x0, y1 - y0, scores[k, c]])
    return found


def evaluated(truth, found):
    """The evaluation of all pictures."""
    results = truth.loadRes(found)
    evaluation = COCOeval(truth, results, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def resampled(evaluation, draws):
    """AP@0.5 of bootstrap samples: the matches of a picture are put together once for each time it is drawn."""
    params, count = evaluation.params, len(evaluation.params.imgIds)
    block = len(params.areaRng) * count
    all_areas = [evaluation.evalImgs[c * block : c * block + count] for c in range(len(params.catIds))]
    rng, values = np.random.default_rng(1), []
    for _ in range(draws):
        chosen, per_class = rng.integers(0, count, count), []
        for pictures in all_areas:
            parts = [p for p in (pictures[i] for i in chosen) if p is not None]
            objects = sum(int((np.asarray(p["gtIgnore"]) == 0).sum()) for p in parts)
            if objects == 0:
                continue
            scores = np.concatenate([p["dtScores"][:100] for p in parts])
            hit = np.concatenate([p["dtMatches"][0, :100] > 0 for p in parts])
            real = ~np.concatenate([p["dtIgnore"][0, :100].astype(bool) for p in parts])
            order = np.argsort(-scores, kind="mergesort")
            tp, fp = np.cumsum((hit & real)[order]), np.cumsum((~hit & real)[order])
            recall, precision = tp / objects, tp / np.maximum(tp + fp, 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, params.recThrs, side="left")
            per_class.append(np.where(at < len(best), np.append(best, 0)[np.minimum(at, len(best))], 0).mean())
        values.append(np.mean(per_class))
    return np.array(values)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("cfg", type=pathlib.Path)
    arguments.add_argument("weights", type=pathlib.Path)
    arguments.add_argument("photos", type=pathlib.Path)
    arguments.add_argument("--stretch", action="store_true", help="resize to the input without keeping the shape")
    arguments.add_argument("--resamples", type=int, default=200)
    a = arguments.parse_args()
    sections, raw = parse(a.cfg.read_text()), a.weights.read_bytes()
    major, minor, _ = struct.unpack("<3i", raw[:12])
    numbers = np.frombuffer(raw[20 if major * 10 + minor >= 2 else 16 :], "<f4")
    document = json.loads((a.photos / "instances.json").read_text())
    categories = [c["id"] for c in document["categories"]]
    found = []
    for image in document["images"]:
        for c, *box, score in detect(sections, numbers, a.photos / "images" / image["file_name"], a.stretch):
            found.append({"image_id": image["id"], "category_id": categories[c], "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = evaluated(COCO(str(a.photos / "instances.json")), found)
    print(f"{a.cfg.stem}: {len(found)} detections, AP@0.5 {evaluation.stats[1]:.4f}, AP@0.5:0.95 {evaluation.stats[0]:.4f}")
    values = resampled(evaluation, a.resamples)
    low, high = np.quantile(values, [0.05, 0.95])
    print(f"AP@0.5 over {a.resamples} bootstrap samples: mean {values.mean():.3f}, sd {values.std():.3f}, 5 % to 95 % {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
