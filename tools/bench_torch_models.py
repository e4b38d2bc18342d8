#!/usr/bin/env python3
"""Times the networks of `wgvision bench models` in PyTorch: inference and training step, one picture.

    python3 tools/bench_torch_models.py [ANYTHING] [--threads 2] [--only NAME,...] [--runs 5]

Needs torch and torchvision. A line of JSON for each measurement, `{"peer", "layer", "pass", "first_ms", "best_ms", "median_ms", "gflops"}`, so that
tools/compare-peers can run it; the argument that it would give (a list of layers) is not looked at.

The networks are the same to the parameter: Yolo-Fastest 1.1 from its cfg, the U-Net paper's network with padding, torchvision's ResNet-50 (batch norms
trained) and Mask R-CNN (frozen batch norms, three stages trained), and so are the optimisers. What differs: Yolo-Fastest's loss here is a cross-entropy against fixed
targets of the heads' shape, without assignment, and its inference ends at the raw heads; Mask R-CNN's inference here also pastes its hundred masks into the picture.
Thresholds are 0, since random weights would find nothing above them.
"""
import argparse
import json
import pathlib
import statistics
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.misc import FrozenBatchNorm2d

CFG = pathlib.Path(__file__).resolve().parent.parent / "assets" / "models" / "yolo-fastest-1.1.cfg"


def parse(text):
    """[(section, {key: value})]"""
    sections = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
        elif line:
            key, value = line.split("=")
            sections[-1][1][key.strip()] = value.strip()
    return sections


class Darknet(nn.Module):
    """The layers that Yolo-Fastest is made of."""

    def __init__(self, text):
        super().__init__()
        self.sections = parse(text)[1:]
        channels, layers = [], []
        for name, s in self.sections:
            before, at = (channels[-1] if channels else 3), len(channels)
            made, out = nn.Identity(), before
            if name == "convolutional":
                out, size, norm = int(s["filters"]), int(s.get("size", 1)), int(s.get("batch_normalize", 0))
                padding = size // 2 if int(s.get("pad", 0)) else 0
                parts = [nn.Conv2d(before, out, size, int(s.get("stride", 1)), padding, groups=int(s.get("groups", 1)), bias=not norm)]
                parts += [nn.BatchNorm2d(out)] if norm else []
                parts += {"leaky": [nn.LeakyReLU(0.1, inplace=True)], "linear": []}[s["activation"]]
                made = nn.Sequential(*parts)
            elif name == "maxpool":
                size, stride = int(s["size"]), int(s["stride"])
                assert stride == 1 and size % 2 == 1
                made = nn.MaxPool2d(size, stride, size // 2)
            elif name == "upsample":
                made = nn.Upsample(scale_factor=int(s["stride"]), mode="nearest")
            elif name == "route":
                out = sum(channels[i] for i in self.sources(at, s["layers"]))
            else:
                assert name in ("shortcut", "dropout", "yolo"), name
            channels.append(out)
            layers.append(made)
        self.layers = nn.ModuleList(layers)

    @staticmethod
    def sources(at, text):
        return [i if i >= 0 else at + i for i in map(int, text.split(","))]

    def forward(self, x):
        made, heads = [], []
        for at, ((name, s), layer) in enumerate(zip(self.sections, self.layers)):
            if name == "route":
                parts = [made[i] for i in self.sources(at, s["layers"])]
                x = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            elif name == "shortcut":
                x = x + made[self.sources(at, s["from"])[0]]
            elif name == "yolo":
                heads.append(x)
            else:
                x = layer(x)
            made.append(x)
        return heads


class UNet(nn.Module):
    """The paper's, with padding: one channel of logits."""

    def __init__(self, width=64, depth=4):
        super().__init__()
        double = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(b, b, 3, padding=1), nn.ReLU(inplace=True))
        sizes = [width << i for i in range(depth + 1)]
        self.down = nn.ModuleList(double(a, b) for a, b in zip([3] + sizes, sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, 2) for c in sizes[-2::-1])
        self.joined = nn.ModuleList(double(2 * c, c) for c in sizes[-2::-1])
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for up, block, skip in zip(self.up, self.joined, kept[-2::-1]):
            x = block(torch.cat([skip, up(x)], 1))
        return self.last(x)


def bce_jaccard(logits, target):
    p = torch.sigmoid(logits)
    overlap = (p * target).sum()
    jaccard = 1 - overlap / (p.sum() + target.sum() - overlap)
    return 0.5 * F.binary_cross_entropy_with_logits(logits, target) + 0.5 * jaccard


def sgd(model):
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trained, lr=1e-9, momentum=0.9, weight_decay=1e-4)


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=1e-9)


def yolo():
    model, x = Darknet(CFG.read_text()), torch.rand(1, 3, 320, 320)
    model.eval()
    targets = [(torch.rand_like(h) > 0.9).float() for h in model(x)]
    return model, adam(model), lambda: model(x), lambda: sum(F.binary_cross_entropy_with_logits(h, t) for h, t in zip(model(x), targets))


def unet():
    model, x = UNet(), torch.rand(1, 3, 256, 256)
    target = (torch.rand(1, 1, 256, 256) > 0.5).float()
    return model, adam(model), lambda: model(x), lambda: bce_jaccard(model(x), target)


def resnet():
    model, x = torchvision.models.resnet50(weights=None), torch.rand(1, 3, 224, 224)
    target = torch.zeros(1, dtype=torch.int64)
    return model, sgd(model), lambda: model(x), lambda: F.cross_entropy(model(x), target)


def mask_rcnn():
    side = 320
    body = torchvision.models.resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    model = MaskRCNN(_resnet_fpn_extractor(body, 3), 91, min_size=side, max_size=side, box_score_thresh=0.0)
    image = [torch.rand(3, side, side)]
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    masks[0, 10:100, 10:100] = masks[1, 60:220, 50:200] = 1
    boxes = torch.tensor([[10.0, 10.0, 100.0, 100.0], [50.0, 60.0, 200.0, 220.0]])
    target = [{"boxes": boxes, "labels": torch.tensor([1, 1]), "masks": masks}]
    return model, sgd(model), lambda: model(image), lambda: sum(model(image, target).values())


NETWORKS = {"yolo-fastest-1.1": yolo, "unet-64": unet, "resnet50": resnet, "maskrcnn_resnet50_fpn": mask_rcnn}


def timed(name, what, runs, run):
    times = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    later = times[2:]
    line = {"peer": "torch-cpu", "layer": name, "pass": what, "first_ms": times[0], "best_ms": min(later), "median_ms": statistics.median(later), "gflops": None}
    print(json.dumps(line), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("ignored", nargs="*")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--runs", type=int, default=5)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    for name, build in NETWORKS.items():
        if a.only and name not in a.only.split(","):
            continue
        model, optimiser, forward, loss = build()

        def infer():
            with torch.no_grad():
                forward()

        def step():
            optimiser.zero_grad(set_to_none=True)
            found = loss()
            found.backward()
            optimiser.step()
            assert torch.isfinite(found), name

        model.eval()
        timed(name, "infer", a.runs, infer)
        model.train()
        timed(name, "train-step", a.runs, step)


if __name__ == "__main__":
    main()
