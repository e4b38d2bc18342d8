#!/usr/bin/env python3
"""Makes kernels-tests/rcnn/*.safetensors: what torchvision's detectors compute, in inference and in training, to hold the library's against.

    python3 tools/make_rcnn_goldens.py [NAME...]        names of files without the ending; without one, all

Needs torch, torchvision 0.29, numpy and pycocotools. Models, weights, pictures and true boxes are in rcnn_models.py, all
by formula, so that nothing is downloaded and the files hold no weights. Every model runs in float64 (its numbers are stored, rounded to
float32) and in float32; the script fails if the two do not find the same detections in the same order, and prints how near every
decision was to its other outcome next to how far float32 moved the numbers behind it (rcnn_margins.py). Files carry the worst of it.

All boxes are corners x0,y0,x1,y1. Channels come first where there are channels. Metadata `config` (JSON) of every file but inputs:
`model` (torchvision's builder), `num_classes`, `norm` (of the backbone: "frozen" or "train"), `scales` and `shifts` (how the formula's weights were changed: all tensors whose
name contains the key are multiplied, then shifted, in float32), and torchvision's own keyword arguments.

inputs.safetensors
    <picture>                u8  (H,W,3)   pictures of inference; the network's input is the value / 255
    <picture>/pixels         u8  (H,W,3)   pictures of training, with
    <picture>/boxes          f32 (T,4)     in pixels of the picture
    <picture>/labels         i32 (T)
    <picture>/masks          u8  (T,H,W)   0 or 1

<model>.safetensors: inference. Metadata `cases` (JSON) {case: [pictures]}; a case of two pictures is one batch. Tensors `<case>/...`;
those marked * are there once for each picture, as `<case>/<i>/...`. Of a batch only image/, proposals, boxes, labels and scores are stored.
    image/sizes              i32 (N,2)     height and width of each resized picture
    image/padded             i32 (2)       of the batch
    image/at, image/values   i32 (64,4), f32 (64)    samples of the network's input: n,c,y,x
    fpn/mean, fpn/rms        f32 (L)       of every level's features, over the batch
    rpn/norms                f32 (2)       L2 norms of all objectness logits and of all deltas
    rpn/at                   i32 (64,2)    n, anchor: anchors counted over the levels, in a level by row, column, shape
    rpn/objectness           f32 (64)      logits there
    rpn/deltas               f32 (64,4)
  * proposals                f32 (R,4)     after suppression, best first, in pixels of the resized picture
    roi/norms                f32 (2)       L2 norms of class logits and box deltas of all RoIs
    roi/logits               f32 (8,C)     class logits of the first eight RoIs
    roi/deltas               f32 (8,4C)
    head/norms, head/at, head/logits (64,C), head/deltas     RetinaNet, in place of rpn/ and roi/: as those of rpn/
  * boxes                    f32 (D,4)     the result, in pixels of the picture, best score first
  * labels                   i32 (D)
  * scores                   f32 (D)
  * masks                    f32 (min(D,20),28,28)    probabilities of the label's channel for the best 20
  * rle                      u8  (bytes)   the pasted masks, above 0.5, of all detections: COCO's compressed strings one after another
  * rle_lengths              i32 (D)
Metadata `margins`: {decision: [smallest distance to another outcome, largest change by float32]}; `float32`: the largest difference that
torchvision's own float32 has in boxes (pixels) and scores, and the pixels of pasted masks that it decides otherwise.
RetinaNet keeps boxes that clipping has left without area: some results have x0 = x1 or y0 = y1, and such boxes are never suppressed.

train_<model>.safetensors: one step in training mode. Cases and image/, fpn/, proposals as above (after the step's own top n), with
    loss/<name>              f32 (1)       torchvision's names; the gradients are those of their sum
    grad/<parameter>         f32 (1+K)     for every trainable parameter (v1: the backbone's layer2 to layer4, all of the rest; v2:
                                           everything): L2 norm, then K projections onto signs; K is 16, from 2^18 elements on 4
    float32/<parameter>      f32 (1)       how far torchvision's own float32 gradient lies from it at worst: L2 norm of the difference
    buffer/<name>            f32 (1+K)     running statistics after the step, where batch norm is trained; the same numbers
    rpn/counts, roi/counts   i32 (N,3)     candidates that are positive, negative and neither (RetinaNet: rpn/counts are those of its matcher)
  * roi/labels               i32 (R+T)     classes given to proposals, then true boxes; 0 background
The samplers take every candidate, so nothing is left to chance. Projection k of a tensor is the sum of sign_k(i) * element i in torch's
order, with sign_k(i) = +1 where the top bit of splitmix64(fnv1a64("sign<k>." + name) + (i+1) * 0x9E3779B97F4A7C15) is set, else -1 (the sign of
formula.uniform). An error d of a gradient moves a projection by about |d|.

float32/ is the worst of three computations (with oneDNN, without, channels last). It tells what a comparison can ask for: values that rounding takes across 0 before a ReLU turn
gradients on or off, and some gradients are 0 but for rounding (a bias whose effect the next batch norm takes away). Metadata
`float32`: relative errors of losses, and the worst and the median relative error of gradients (those that are 0 aside).
"""
import json
import math
import pathlib
import struct
import sys

import formula
import numpy as np
import torch
from pycocotools import mask as coco_mask
from rcnn_margins import Recorder, Targets
from rcnn_models import HEAD_SHIFTS, NORM_SHIFTS, build, picture, truth

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "kernels-tests" / "rcnn"

PICTURES = {
    "a0": (150, 222),
    "a3": (150, 222),
    "a8": (150, 222),
    "b1": (160, 120),
    "b2": (160, 120),
    "c0": (110, 236),
    "c1": (110, 236),
}
BATCHES = {
    "t9": (96, 128, 4),
    "t10": (128, 112, 3),
    "t11": (112, 112, 0),
    "t21": (96, 128, 4),
    "t15": (128, 112, 3),
    "t17": (112, 112, 0),
}
RCNN = {"min_size": 256, "max_size": 480, "rpn_pre_nms_top_n_test": 16, "rpn_post_nms_top_n_test": 40}
RETINA = {"min_size": 256, "max_size": 480, "topk_candidates": 60, "detections_per_img": 60}
# The pictures are those on which every decision of the model is far enough from its other outcome.
INFERENCE = {
    "fasterrcnn_resnet50_fpn": (RCNN, ["a8", "b2", "c1"]),
    "maskrcnn_resnet50_fpn": (RCNN, ["a8", "b2", "c0"]),
    "retinanet_resnet50_fpn": (RETINA, ["a0", "b2", "c1"]),
    "fasterrcnn_resnet50_fpn_v2": (RCNN, ["a3", "b2", "c0"]),
    "maskrcnn_resnet50_fpn_v2": (RCNN, ["a3", "b2", "c0"]),
    "retinanet_resnet50_fpn_v2": (RETINA, ["b1", "c1", "a3"]),
}
SMALL = {"min_size": 128, "max_size": 192}
STEP = {
    **SMALL,
    "rpn_pre_nms_top_n_train": 40,
    "rpn_post_nms_top_n_train": 50,
    "rpn_batch_size_per_image": 16384,
    "rpn_positive_fraction": 0.5,
    "box_batch_size_per_image": 512,
    "box_positive_fraction": 0.5,
}
FULL, EMPTY = {"full": ["t9", "t10"]}, {"full": ["t9", "t10"], "empty": ["t9", "t11"]}
# Pictures on which no gradient of RetinaNet moves by more than 2.5e-4 of its norm when every convolution's result gets noise of 3e-7 of its rms: the
# order of a kernel's sums does as much, and on most pictures it carries some ReLU over its kink, which moves gradients by up to 8e-3.
OTHER = {"full": ["t21", "t15"], "empty": ["t21", "t17"]}
# Inputs that are all positive make larger logits.
QUIET = {"more_scales": {"classification_head.cls_logits": 0.2}}
# file: (model, norm, options, cases)
NORM, NORM_V2 = {"more_shifts": NORM_SHIFTS}, {"more_shifts": NORM_SHIFTS | HEAD_SHIFTS}
TRAINING = {
    "train_fasterrcnn": ("fasterrcnn_resnet50_fpn", "frozen", STEP, EMPTY),
    "train_maskrcnn": ("maskrcnn_resnet50_fpn", "frozen", STEP, EMPTY),
    "train_retinanet": ("retinanet_resnet50_fpn", "frozen", SMALL, OTHER),
    "train_maskrcnn_norm": ("maskrcnn_resnet50_fpn", "train", STEP | NORM, FULL),
    "train_maskrcnn_v2": ("maskrcnn_resnet50_fpn_v2", "train", STEP | NORM_V2, FULL),
    "train_retinanet_v2": ("retinanet_resnet50_fpn_v2", "train", SMALL | NORM_V2 | QUIET, FULL),
}


def as_array(value):
    """What is stored of a tensor: floats as float32, integers as int32, bytes as they are."""
    value = np.asarray(value.detach() if torch.is_tensor(value) else value)
    kind = {"f": np.float32, "i": np.int32, "u": np.uint8}[value.dtype.kind]
    return np.ascontiguousarray(value.astype(kind))


def write(name, tensors, metadata):
    """By hand, because the safetensors package puts metadata in another order each time."""
    path, parts = FOLDER / f"{name}.safetensors", {k: as_array(v) for k, v in sorted(tensors.items())}
    header, offset = {"__metadata__": {k: json.dumps(v) for k, v in metadata.items()}}, 0
    # Wider elements first, so that all are aligned.
    parts = dict(sorted(parts.items(), key=lambda p: -p[1].itemsize))
    for key, value in parts.items():
        kind = {"f": "F32", "i": "I32", "u": "U8"}[value.dtype.kind]
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(v.tobytes() for v in parts.values()))
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB", flush=True)


class Watch:
    """What a model computes on its way, by hooks: `seen[name]`."""

    def __init__(self, model):
        self.seen, self.model, self.handles = {}, model, []
        for name in ("transform", "backbone", "rpn.head", "rpn", "roi_heads", "roi_heads.box_predictor", "head"):
            owner = dict(model.named_modules()).get(name)
            if owner is not None:
                self.handles.append(owner.register_forward_hook(self.hook(name)))

    def hook(self, name):
        def keep(_, __, output):
            # Results are changed in place later, when boxes and masks are brought to the picture.
            self.seen[name] = [dict(r) for r in output[0]] if name == "roi_heads" else output

        return keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def sample(name, shape, count=64):
    """Positions in a tensor, drawn by name."""
    u = [formula.uniform(f"{name}.{d}", count) + 0.5 for d in range(len(shape))]
    return np.stack([(v * extent).astype(np.int32) for v, extent in zip(u, shape)], 1)


def flat(levels, values):
    """(N, anchors, values): a head's levels (N, A*values, H, W) in torchvision's order of anchors."""
    parts = []
    for level in levels:
        n, _, h, w = level.shape
        parts.append(level.view(n, -1, values, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, values))
    return torch.cat(parts, 1)


def common(seen):
    """The network's input and the features, which inference and training share."""
    images, features = seen["transform"][0], seen["backbone"].values()
    at = sample("image", images.tensors.shape)
    return {
        "image/sizes": np.array(images.image_sizes),
        "image/padded": np.array(images.tensors.shape[2:]),
        "image/at": at,
        "image/values": images.tensors[tuple(at.T)],
        "fpn/mean": torch.stack([f.mean() for f in features]),
        "fpn/rms": torch.stack([f.square().mean().sqrt() for f in features]),
    }


def heads(name, logits, deltas):
    at = sample(name, logits.shape[:2])
    key = "objectness" if name == "rpn" else "logits"
    return {
        f"{name}/norms": torch.stack([logits.norm(), deltas.norm()]),
        f"{name}/at": at,
        f"{name}/{key}": logits[tuple(at.T)].squeeze(-1),
        f"{name}/deltas": deltas[tuple(at.T)],
    }


def results(seen, found):
    """Everything of a case in inference."""
    tensors = common(seen)
    if "rpn" in seen:
        logits, deltas = seen["rpn.head"]
        tensors |= heads("rpn", flat(logits, 1), flat(deltas, 4))
        classes, regression = seen["roi_heads.box_predictor"]
        tensors["roi/norms"] = torch.stack([classes.norm(), regression.norm()])
        tensors["roi/logits"], tensors["roi/deltas"] = classes[:8], regression[:8]
    else:
        tensors |= heads("head", seen["head"]["cls_logits"], seen["head"]["bbox_regression"])
    for i, result in enumerate(found):
        if "rpn" in seen:
            tensors[f"{i}/proposals"] = seen["rpn"][0][i]
        tensors |= {f"{i}/{key}": result[key] for key in ("boxes", "labels", "scores")}
        if "masks" in result:
            tensors[f"{i}/masks"] = seen["roi_heads"][i]["masks"][:20, 0]
            strings = [coco_mask.encode(np.asfortranarray(m[0] > 0.5).astype(np.uint8))["counts"] for m in result["masks"].numpy()]
            tensors[f"{i}/rle"] = np.frombuffer(b"".join(strings), np.uint8)
            tensors[f"{i}/rle_lengths"] = np.array([len(s) for s in strings])
    return tensors


def as_input(pixels, dtype):
    return torch.from_numpy(pixels).permute(2, 0, 1).to(dtype) / 255


def agree(case, single, double, apart):
    """The same detections in the same order, or there is nothing to store; collects in `apart` how far they lie from each other."""
    for a, b in zip(single, double):
        same = a["labels"].shape == b["labels"].shape and bool((a["labels"] == b["labels"]).all())
        assert same and float((a["boxes"] - b["boxes"]).abs().max()) < 0.01, f"{case}: float32 and float64 differ; take other pictures"
        for key in ("boxes", "scores"):
            apart[key] = max(apart[key], float((a[key] - b[key]).abs().max()))
        if "masks" in b:
            apart["mask_pixels"] += int(((a["masks"] > 0.5) != (b["masks"] > 0.5)).sum())


def worse(total, margins, noise):
    """Collects [margin, noise] of every decision, the least comfortable case first."""
    for key, margin in margins.items():
        pair = [margin, noise.get(key, 0.0)]
        if key not in total or pair[0] / max(pair[1], 1e-30) < total[key][0] / max(total[key][1], 1e-30):
            total[key] = pair


def show(margins):
    for key, (margin, noise) in sorted(margins.items()):
        print(f"    {key:58s} {margin:.1e}   float32 moves it by {noise:.1e}")


def inference(name):
    options, chosen = INFERENCE[name]
    cases = {p: [p] for p in chosen} | {"batch": chosen[-2:]}
    model, config = build(name, **options)
    model.eval()
    tensors, margins, apart = {}, {}, {"boxes": 0.0, "scores": 0.0, "mask_pixels": 0}
    for case, pictures in cases.items():
        runs = []
        for dtype in (torch.float32, torch.float64):
            model.to(dtype)
            with torch.no_grad(), Recorder() as recorder, Watch(model) as watch:
                found = model([as_input(picture(p, *PICTURES[p]), dtype) for p in pictures])
            runs.append((recorder, found, watch.seen))
        model.float()
        (single, found32, _), (double, found, seen) = runs
        agree(f"{name}, {case}", found32, found, apart)
        worse(margins, double.margins, single.noise(double))
        for i, result in enumerate(found):
            spread = result["scores"]
            print(f"  {case}/{i}: {len(spread)} detections, {len(set(result['labels'].tolist()))} classes, scores {spread.min():.2f} to {spread.max():.2f}")
        made = results(seen, found)
        if len(pictures) > 1:
            made = {k: v for k, v in made.items() if k.startswith("image/") or k[0].isdigit() and "mask" not in k and "rle" not in k}
        tensors |= {f"{case}/{key}": value for key, value in made.items()}
    print(f"  float32 against float64: {apart}")
    show(margins)
    write(name, tensors, {"config": config, "cases": cases, "margins": margins, "float32": apart})


def projected(name, value):
    """L2 norm and projections onto signs, in float64."""
    v = value.detach().double().flatten().numpy()
    count = 16 if v.size < 2**18 else 4
    signs = (np.where(formula.uniform(f"sign{k}.{name}", v.size) >= 0, 1.0, -1.0) for k in range(count))
    return np.array([math.sqrt(float(v @ v)), *(float(s @ v) for s in signs)])


def counts(labels, positive):
    return np.array([[int((l >= positive).sum()), int((l == positive - 1).sum()), int((l < positive - 1).sum())] for l in labels])


def step(model, names, dtype):
    """Losses, gradients, statistics and what was seen of one step in training mode, from the given state."""
    model.to(dtype).train()
    targets, inputs = [], []
    for name in names:
        h, w, count = BATCHES[name]
        boxes, labels, masks = truth(name, h, w, count)
        inputs.append(as_input(picture(name, h, w), dtype))
        boxes, labels = torch.from_numpy(boxes).to(dtype), torch.from_numpy(labels).long()
        targets.append({"boxes": boxes, "labels": labels, "masks": torch.from_numpy(masks)})
    model.zero_grad(set_to_none=True)
    with Targets() as recorder, Watch(model) as watch:
        losses = model(inputs, targets)
    sum(losses.values()).backward()
    grads = {n: p.grad.double() for n, p in model.named_parameters() if p.grad is not None}
    assert len(grads) == sum(p.requires_grad for p in model.parameters()), "a parameter without a gradient"
    return {n: float(v.detach()) for n, v in losses.items()}, grads, recorder, watch.seen


def training(file):
    name, norm, options, cases = TRAINING[file]
    model, config = build(name, norm, **options)
    start = {n: v.clone() for n, v in model.state_dict().items()}
    tensors, margins, float32 = {}, {}, {}
    for case, names in cases.items():
        model.float().load_state_dict(start)
        losses, grads, double, seen = step(model, names, torch.float64)
        made = common(seen)
        if "rpn" in seen:
            made |= {f"{i}/proposals": b for i, b in enumerate(seen["rpn"][0])}
            made |= {f"{i}/roi/labels": l for i, l in enumerate(double.labels[1])}
            made |= {"rpn/counts": counts(double.labels[0], 1), "roi/counts": counts([l.clamp(max=1) for l in double.labels[1]], 1)}
        else:
            # A picture without boxes never reaches the matcher: all of its anchors are negative.
            rows, anchors = iter(counts(double.matched, 0)), double.matched[0].numel()
            made["rpn/counts"] = np.array([next(rows) if BATCHES[n][2] else [0, anchors, 0] for n in names])
        made |= {f"loss/{n}": np.array([v]) for n, v in losses.items()}
        made |= {f"grad/{n}": projected(n, g) for n, g in grads.items()}
        if config["norm"] == "train":
            statistics = {n: b for n, b in model.named_buffers() if n.endswith(("running_mean", "running_var"))}
            made |= {f"buffer/{n}": projected(n, b) for n, b in statistics.items()}
        apart = dict.fromkeys(grads, 0.0)
        for way in ("plain", "without oneDNN", "channels last"):
            model.float().load_state_dict(start)
            layout = torch.channels_last if way == "channels last" else torch.contiguous_format
            with torch.backends.mkldnn.flags(enabled=way != "without oneDNN"):
                losses32, grads32, single, _ = step(model.to(memory_format=layout), names, torch.float32)
            for a, b in zip(single.labels + single.matched, double.labels + double.matched):
                assert all(bool((x == y).all()) for x, y in zip(a, b)), f"{file}, {case}, {way}: float32 and float64 match differently"
            worse(margins, double.margins, single.noise(double))
            apart = {n: max(v, float((grads32[n] - grads[n]).norm())) for n, v in apart.items()}
        model.to(memory_format=torch.contiguous_format)
        made |= {f"float32/{n}": np.array([v]) for n, v in apart.items()}
        tensors |= {f"{case}/{key}": value for key, value in made.items()}
        norms = {n: float(g.norm()) for n, g in grads.items()}
        off = {n: apart[n] / v for n, v in norms.items() if v > 1e-9 * max(norms.values())}
        worst = max(off, key=off.get)
        float32[case] = {
            "losses": {n: abs(losses32[n] - v) / max(abs(v), 1e-30) for n, v in losses.items()},
            "gradients": {"worst": off[worst], "of": worst, "median": float(np.median(list(off.values())))},
        }
        print(f"  {case}: losses {json.dumps({n: round(v, 5) for n, v in losses.items()})}")
        print(f"    positive, negative, neither: rpn {made['rpn/counts'].tolist()} roi {made.get('roi/counts', np.zeros(0)).tolist()}")
        print(f"    gradients that are 0: {[n for n in grads if n not in off]}")
        print(f"    float32 against float64: {json.dumps(float32[case])}")
    show(margins)
    write(file, tensors, {"config": config, "cases": cases, "margins": margins, "float32": float32})


def inputs():
    tensors = {name: picture(name, *size) for name, size in PICTURES.items()}
    for name, (h, w, count) in BATCHES.items():
        boxes, labels, masks = truth(name, h, w, count)
        tensors |= {f"{name}/pixels": picture(name, h, w), f"{name}/boxes": boxes, f"{name}/labels": labels, f"{name}/masks": masks}
    write("inputs", tensors, {})


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    known = ["inputs", *INFERENCE, *TRAINING]
    for wanted in sys.argv[1:] or known:
        print(wanted, flush=True)
        if wanted == "inputs":
            inputs()
        elif wanted in INFERENCE:
            inference(wanted)
        elif wanted in TRAINING:
            training(wanted)
        else:
            sys.exit(f"make_rcnn_goldens: {wanted} is none of {', '.join(known)}")
