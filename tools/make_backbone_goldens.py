#!/usr/bin/env python3
"""Makes kernels-tests/models/backbone/*.json: what torchvision's backbones compute, for kernels-tests/models/backbone.rs.

    python3 tools/make_backbone_goldens.py [CASE ...]

Needs torch and torchvision; made with torchvision 0.29. Weights come from tools/formula.py, pictures and the weights of the outputs'
sum from its hash, and everything is computed in float64. A file holds

    config      the backbone as wgvision's configuration has it       input      (N, 3, H, W)
    images      the hash's name of the picture, which keeps every ReLU's argument as far from 0 as one of forty does: closer than some 1e-6 of
                their rms, float32 may see another sign, and a gradient differs by a whole term
    training    whether batch statistics are used and moved           state_dict names and shapes, `backbone.` in front
    features    for each map its shape, its rms, evenly spaced elements and projections
    gradients   of sum(weights * features): for each trained parameter norm and projections
    running     running statistics after one step in training

A projection is the sum of all elements under random signs: the 8 signs of an element are hashes of name, number and element.
"""
import json
import pathlib
import sys

import torch
import torchvision
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

import formula

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "kernels-tests" / "models" / "backbone"
SAMPLES, PROJECTIONS = 128, 8


def hashed(name, shape, scale):
    return torch.from_numpy(formula.uniform(name, int(torch.tensor(shape).prod())) * scale).reshape(shape)


def number(v):
    return float(f"{float(v):.9g}")


def summary(name, tensor):
    flat = tensor.detach().flatten()
    signs = lambda k: torch.where(hashed(f"{name}#{k}", flat.shape, 1.0) < 0, -1.0, 1.0).double()
    return {
        "norm": number(flat.norm()),
        "projections": [number((flat * signs(k)).sum()) for k in range(PROJECTIONS)],
    }


def feature(name, tensor):
    flat = tensor.detach().flatten()
    n = len(flat)
    picked = [i * n // SAMPLES for i in range(SAMPLES)] if n > SAMPLES else range(n)
    samples = [number(flat[i]) for i in picked]
    return {"shape": list(tensor.shape), "samples": samples, **summary(name, tensor)}


def fpn(kind, trainable, levels=None, extra=None, norm=FrozenBatchNorm2d, fpn_norm=None):
    body = getattr(torchvision.models, kind)(weights=None, norm_layer=norm)
    returned = levels and [level - 1 for level in levels]
    return _resnet_fpn_extractor(body, trainable, returned, extra, norm_layer=fpn_norm)


class Level(torch.nn.Module):
    """One layer's output of a ResNet, with the same parameters trained as in a pyramid."""

    def __init__(self, kind, trainable, level, norm):
        super().__init__()
        pyramid = fpn(kind, trainable, norm=norm)
        self.body = IntermediateLayerGetter(pyramid.body, {f"layer{level - 1}": "0"})

    def forward(self, x):
        return self.body(x)


class Vgg(torch.nn.Module):
    def __init__(self, trainable):
        super().__init__()
        self.body = torch.nn.Module()
        self.body.features = torchvision.models.vgg16(weights=None).features[:-1]
        stages = [0] + [i for i, b in enumerate(self.body.features) if isinstance(b, torch.nn.MaxPool2d)]
        for block in self.body.features[: stages[len(stages) - trainable]]:
            block.requires_grad_(False)

    def forward(self, x):
        return {"0": self.body.features(x)}


def pyramid(**members):
    return {"fpn": members}


FROZEN, TRAIN, EVAL = {"frozen": {}}, {"train": {}}, {"eval": {}}

# name: (model, configuration, input, gradients, training)
CASES = {
    "resnet18_fpn": (
        lambda: fpn("resnet18", 3),
        {"kind": "resnet18", "norm": FROZEN, "trainable": 3, "neck": pyramid(extra="pool")},
        (2, 3, 64, 96), True, False,
    ),
    "resnet18_v2": (
        lambda: fpn("resnet18", 5, [3, 4, 5], LastLevelP6P7(512, 256), torch.nn.BatchNorm2d, torch.nn.BatchNorm2d),
        {"kind": "resnet18", "norm": TRAIN, "trainable": 5,
         "neck": pyramid(levels=[3, 4, 5], extra="p6_p7_from_c5", norm=TRAIN)},
        (2, 3, 64, 96), True, True,
    ),
    "resnet18_c4": (
        lambda: Level("resnet18", 3, 4, torch.nn.BatchNorm2d),
        {"kind": "resnet18", "norm": EVAL, "trainable": 3, "neck": {"level": 4}},
        (1, 3, 50, 70), True, False,
    ),
    "resnet34_c5": (
        lambda: Level("resnet34", 3, 5, FrozenBatchNorm2d),
        {"kind": "resnet34", "norm": FROZEN, "trainable": 3, "neck": {"level": 5}},
        (1, 3, 64, 96), False, False,
    ),
    "resnet50_fpn": (
        lambda: fpn("resnet50", 3),
        {"kind": "resnet50", "norm": FROZEN, "trainable": 3, "neck": pyramid(extra="pool")},
        (1, 3, 64, 96), False, False,
    ),
    "resnet50_retinanet": (
        lambda: fpn("resnet50", 3, [3, 4, 5], LastLevelP6P7(256, 256)),
        {"kind": "resnet50", "norm": FROZEN, "trainable": 3, "neck": pyramid(levels=[3, 4, 5], extra="p6_p7_from_p5")},
        (1, 3, 70, 100), False, False,
    ),
    "vgg16": (
        lambda: Vgg(3),
        {"kind": "vgg16", "trainable": 3, "neck": {"level": 4}},
        (1, 3, 64, 96), True, False,
    ),
}


def safest(model, shape):
    """The picture of the largest margin, by name."""
    margins, least = {}, []
    watched = [module for module in model.modules() if isinstance(module, torch.nn.ReLU)]
    margin = lambda _, x: least.append(float(x[0].abs().min() / x[0].square().mean().sqrt()))
    hooks = [module.register_forward_pre_hook(margin) for module in watched]
    with torch.no_grad():
        before = {k: v.clone() for k, v in model.state_dict().items()}
        for name in [f"images {i}" for i in range(40)]:
            least.clear()
            model(hashed(name, shape, 4.0))
            margins[name] = min(least)
        model.load_state_dict(before)
    for hook in hooks:
        hook.remove()
    best = max(margins, key=margins.get)
    print(f"{best}: ReLUs' arguments are at least {margins[best]:.1e} of their rms")
    return best


def make(name):
    model, config, shape, gradients, training = CASES[name]
    model = model()
    state = {f"backbone.{k}": v for k, v in model.state_dict().items()}
    formula.fill_(state)
    model = model.double().train(training)
    images = safest(model, shape)
    maps = list(model(hashed(images, shape, 4.0)).values())
    made = {
        "config": config,
        "input": list(shape),
        "images": images,
        "training": training,
        "state_dict": {k: list(v.shape) for k, v in state.items()},
        "features": [feature(f"map {i}", m) for i, m in enumerate(maps)],
        "gradients": {},
        "running": {},
    }
    if gradients:
        sum((hashed(f"weights {i}", m.shape, 1.0) * m).sum() for i, m in enumerate(maps)).backward()
        for k, p in model.named_parameters():
            if p.requires_grad:
                made["gradients"][f"backbone.{k}"] = summary(f"backbone.{k}", p.grad)
    if training:
        for k, b in model.named_buffers():
            if "running" in k:
                made["running"][f"backbone.{k}"] = summary(f"backbone.{k}", b)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    rows = [f'"{k}": {rows_of(v)}' for k, v in made.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(path.name, path.stat().st_size, [f"{f['norm']:.4g}" for f in made["features"]], len(made["gradients"]))


def rows_of(value):
    """JSON with one line for each member or element of a collection of collections."""
    tight = lambda v: json.dumps(v, separators=(",", ":"))
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()) and len(value) > 5:
        return "{\n" + ",\n".join(f'"{k}": {tight(v)}' for k, v in value.items()) + "\n}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(map(tight, value)) + "\n]"
    return tight(value)


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        make(case)
