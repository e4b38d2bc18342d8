"""The torchvision detectors, pictures and true boxes that make_rcnn_goldens.py runs. Everything here comes from formulas.

Weights: those of formula.py, times SCALES by part of the name, plus SHIFTS for whole names (both in float32). The scales keep
objectness, scores and box deltas in the range where sigmoid and softmax tell values apart; nothing is trained.

Models: torchvision's builders make ordinary batch norms when no weights are asked for, but what is published (and what PARITY means by
v1) has frozen ones. So the v1 models are put together here as the builders do with weights: `resnet50(norm_layer=FrozenBatchNorm2d)`
(eps 1e-5), `_resnet_fpn_extractor` with 3 trainable stages, then FasterRCNN, MaskRCNN or RetinaNet. The v2 models come from their builders as
they are: batch norm everywhere, all five stages trainable.
"""
import functools
import warnings

import formula
import numpy as np
import torch
import torchvision.models.detection as detection
from torch import nn
from torchvision.models import resnet50
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

CLASSES = 21

# Multiplies every tensor (weights, biases, norms) whose name contains the key.
RCNN = {
    "backbone.fpn.inner_blocks": 0.5,
    "rpn.head.cls_logits": 0.1,
    "rpn.head.bbox_pred": 0.06,
    "box_predictor.cls_score": 1.5,
    "box_predictor.bbox_pred": 0.5,
    "mask_predictor.mask_fcn_logits": 0.5,
}
RETINA = {"backbone.fpn.inner_blocks": 0.5, "classification_head.cls_logits": 0.25, "regression_head.bbox_reg": 0.06}
RETINA_V2 = {"backbone.fpn.inner_blocks": 0.5, "classification_head.cls_logits": 1.2, "regression_head.bbox_reg": 0.4}
# Added, after scaling, to every element of the tensors whose name contains the key.
RETINA_SHIFTS = {"classification_head.cls_logits.bias": -5.0}
# For training with batch statistics: values before a ReLU lie at 4 +- 1, so that few are near 0. A value that rounding takes across 0 turns a
# gradient on or off; with values at 0 +- 1 two correct float32 implementations differ by 5 % in some gradients.
NORM_SHIFTS = {f"{norm}.bias": 4.0 for norm in ("bn1", "bn2", "downsample.1")}
HEAD_SHIFTS = {f"_head.{i}.1.bias": 4.0 for i in range(4)} | {f"_head.conv.{i}.1.bias": 4.0 for i in range(4)}


def backbone(norm, retina):
    body = resnet50(weights=None, norm_layer=norm)
    extra = {"returned_layers": [2, 3, 4], "extra_blocks": LastLevelP6P7(256, 256)} if retina else {}
    return _resnet_fpn_extractor(body, 3, **extra)


BUILDERS = {
    "fasterrcnn_resnet50_fpn": (detection.FasterRCNN, RCNN, {}),
    "maskrcnn_resnet50_fpn": (detection.MaskRCNN, RCNN, {}),
    "retinanet_resnet50_fpn": (detection.RetinaNet, RETINA, RETINA_SHIFTS),
    "fasterrcnn_resnet50_fpn_v2": (detection.fasterrcnn_resnet50_fpn_v2, RCNN, {}),
    "maskrcnn_resnet50_fpn_v2": (detection.maskrcnn_resnet50_fpn_v2, RCNN, {}),
    "retinanet_resnet50_fpn_v2": (detection.retinanet_resnet50_fpn_v2, RETINA_V2, RETINA_SHIFTS),
}


def empty(name, classes, norm="frozen", **options):
    """The model as torchvision initialises it. `norm` "train": ordinary batch norms in the backbone of a v1 model, with three trainable
    stages still."""
    builder = BUILDERS[name][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name.endswith("_v2"):
            return builder(weights=None, weights_backbone=None, num_classes=classes, **options)
        layer = nn.BatchNorm2d if norm == "train" else FrozenBatchNorm2d
        return builder(backbone(layer, "retina" in name), num_classes=classes, **options)


def build(name, norm="frozen", more_scales={}, more_shifts={}, **options):
    """The model filled by formula, and what the golden files say about how it was made."""
    _, scales, shifts = BUILDERS[name]
    scales, shifts = scales | more_scales, shifts | more_shifts
    model = empty(name, CLASSES, norm, **options)
    fill(model, scales, shifts)
    norm = "train" if name.endswith("_v2") else norm
    return model, {"model": name, "num_classes": CLASSES, "norm": norm, "scales": scales, "shifts": shifts, **options}


@functools.lru_cache(maxsize=None)
def drawn(name, shape, last):
    return torch.from_numpy(formula.value(name, shape, last))


def fill(model, scales, shifts):
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            if name.endswith("num_batches_tracked"):
                continue
            value = drawn(name, tuple(tensor.shape), formula.is_last_norm(name, state))
            for part, factor in scales.items():
                if part in name:
                    value = value * np.float32(factor)
            for part, shift in shifts.items():
                if part in name:
                    value = value + np.float32(shift)
            tensor.copy_(value)


def number(name, i, low, high):
    """An integer low..high-1 drawn by element i of `name`."""
    return low + int((formula.uniform(name, i + 1)[i] + 0.5) * (high - low))


def shape_mask(kind, x, y, w, h, xx, yy):
    """A rectangle (0) or the ellipse inside it (1), in integers."""
    inside = (xx >= x) & (xx < x + w) & (yy >= y) & (yy < y + h)
    if kind == 0:
        return inside
    dx, dy = 2 * (xx - x) + 1 - w, 2 * (yy - y) + 1 - h
    return inside & (dx * dx * h * h + dy * dy * w * w <= w * w * h * h)


def picture(name, height, width, shapes=9):
    """(height,width,3) u8: a slope in each channel, over it rectangles and ellipses of one colour or striped, one after another, then the
    mean of 2x2 neighbours (rounded down) against hard edges. All in integers, drawn by formula.uniform(name)."""
    yy, xx = np.mgrid[0 : height + 1, 0 : width + 1].astype(np.int64)
    draw = iter(range(10**6))
    pick = lambda low, high: number(name, next(draw), low, high)
    canvas = np.stack([pick(0, 120) + (xx * pick(0, 120)) // width + (yy * pick(0, 120)) // height for _ in range(3)], -1)
    for k in range(shapes):
        w, h = pick(width // 10, width // 2), pick(height // 10, height // 2)
        inside = shape_mask(k % 2, pick(-w // 4, width - w // 2), pick(-h // 4, height - h // 2), w, h, xx, yy)
        colour = np.array([pick(0, 256) for _ in range(3)])
        other = colour if k % 3 else np.array([pick(0, 256) for _ in range(3)])
        stripe = ((xx * pick(-3, 4) + yy * pick(1, 4)) // pick(6, 20)) % 2 == 0
        canvas[inside & stripe], canvas[inside & ~stripe] = colour, other
    canvas = (canvas[:-1, :-1] + canvas[1:, :-1] + canvas[:-1, 1:] + canvas[1:, 1:]) // 4
    return canvas.clip(0, 255).astype(np.uint8)


def truth(name, height, width, count):
    """Boxes in sixteenths of a pixel, off the grid so that no two anchors tie by symmetry, labels, and masks: the shape inside each box."""
    yy, xx = np.mgrid[0:height, 0:width].astype(np.int64)
    boxes, labels, masks = [], [], []
    for k in range(count):
        at = lambda i, low, high: number(name, 8 * k + i, low, high)
        w, h = at(0, width // 4, 3 * width // 4), at(1, height // 4, 3 * height // 4)
        x, y = at(2, 1, width - w), at(3, 1, height - h)
        masks.append(shape_mask(k % 2, x, y, w, h, xx, yy).astype(np.uint8))
        boxes.append([x - 3 / 16, y + 5 / 16, x + w - 1 / 16, y + h - 7 / 16])
        labels.append(at(4, 1, CLASSES))
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int32),
        np.array(masks, np.uint8).reshape(-1, height, width),
    )
