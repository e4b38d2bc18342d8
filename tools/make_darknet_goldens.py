#!/usr/bin/env python3
"""Makes kernels-tests/models/darknet/*.safetensors: what PyTorch computes for Darknet networks, for
kernels-tests/models/darknet.rs to hold the library against.

    python3 tools/make_darknet_goldens.py [YOLO_FASTEST_FOLDER]

Needs torch and numpy; made with torch 2.15. Always makes layers.safetensors, from layers.cfg beside it; with the folder of the
Yolo-Fastest cfg and weights files also yolo_fastest.safetensors.

This file reads cfg and weights and runs the layers itself, from what Darknet's sources define, layer by layer on NCHW tensors in
float64, and shares nothing with the library. Pictures come from a hash that both sides compute:
element i is hash(i) / 2^32. The numbers of layers.cfg are drawn here and stored as the stream of a .weights file.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "kernels-tests" / "models" / "darknet"


def hashed(*shape):
    """Element i is hash(i) / 2^32."""
    count = int(np.prod(shape))
    x = np.arange(count, dtype=np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
        x ^= x >> np.uint64(shift)
        if factor:
            x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return torch.from_numpy((x / 2.0**32).astype(np.float32).astype(np.float64)).reshape(shape)


def parse(text):
    """[(section, {key: value})]"""
    sections = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
        elif line:
            key, value = line.split("=")
            sections[-1][1].setdefault(key.strip(), value.strip())
    return sections


class Stream:
    """The floats of a .weights file in order: read from one, or drawn and kept."""

    def __init__(self, numbers=None):
        self.numbers, self.at, self.drawn = numbers, 0, []

    def take(self, *shape, low=-1.0, high=1.0):
        count = int(np.prod(shape))
        if self.numbers is None:
            part = (torch.rand(count) * (high - low) + low).numpy()
            self.drawn.append(part)
        else:
            part = self.numbers[self.at : self.at + count]
            assert part.size == count, "the file is too short"
        self.at += count
        return torch.from_numpy(part.astype(np.float64)).reshape(shape)

    def finished(self):
        assert self.numbers is None or self.at == self.numbers.size, "the file is too long"


def plse(x):
    return torch.where(x < -4, 0.01 * (x + 4), torch.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5))


def stair(x):
    n = torch.floor(x)
    return torch.where(n % 2 == 0, torch.floor(x / 2), (x - n) + torch.floor(x / 2))


def lhtan(x):
    return torch.where(x < 0, 0.001 * x, torch.where(x > 1, 0.001 * (x - 1) + 1, x))


def hard_mish(x):
    return torch.where(x > 0, x, torch.where(x > -2, x * x / 2 + x, torch.zeros_like(x)))


ACTIVATIONS = {
    "linear": lambda x: x,
    "logistic": torch.sigmoid,
    "loggy": lambda x: 2 / (1 + torch.exp(-x)) - 1,
    "relu": F.relu,
    "elu": F.elu,
    "selu": lambda x: 1.0507 * F.elu(x, alpha=1.6732),
    "relie": lambda x: torch.where(x > 0, x, 0.01 * x),
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "tanh": torch.tanh,
    "plse": plse,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "stair": stair,
    "hardtan": lambda x: x.clamp(-1, 1),
    "lhtan": lhtan,
    "relu6": lambda x: x.clamp(0, 6),
    "swish": lambda x: x * torch.sigmoid(x),
    "mish": F.mish,
    "hard_mish": hard_mish,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
}


class Network:
    """Runs a cfg on a batch. Parameters are taken from the stream when a layer is first reached."""

    def __init__(self, sections, stream, training=False):
        self.sections, self.stream, self.training = sections, stream, training
        self.statistics, self.parameters = {}, {}

    def batch_norm(self, i, x, shift, scale, mean, variance):
        """Batch norm inside sqrt(variance + 1e-5); in training the running statistics move by a hundredth."""
        statistics = {"mean": mean, "variance": variance}
        if self.training:
            dims = [d for d in range(x.dim()) if d != 1]
            batch_mean = x.mean(dims)
            centred = x - batch_mean.reshape(1, -1, *[1] * (x.dim() - 2))
            count = x.numel() / x.shape[1]
            batch_variance = (centred**2).sum(dims)
            statistics["mean"] = 0.99 * mean + 0.01 * batch_mean
            statistics["variance"] = 0.99 * variance + 0.01 * batch_variance / (count - 1)
            mean, variance = batch_mean, batch_variance / count
        self.statistics[i] = statistics
        shape = (1, -1) + (1,) * (x.dim() - 2)
        y = (x - mean.reshape(shape)) / torch.sqrt(variance.reshape(shape) + 1e-5)
        return y * scale.reshape(shape) + shift.reshape(shape)

    def norm_parameters(self, n):
        return (
            self.stream.take(n, low=0.5, high=1.5),
            self.stream.take(n, low=-0.3, high=0.3),
            self.stream.take(n, low=0.5, high=1.5),
        )

    def convolutional(self, i, s, x):
        n, size, groups = int(s["filters"]), int(s.get("size", 1)), int(s.get("groups", 1))
        stride = int(s.get("stride", 1))
        strides = (int(s.get("stride_y", stride)), int(s.get("stride_x", stride)))
        dilation = int(s.get("dilation", 1)) if size > 1 else 1
        padding = size // 2 if int(s.get("pad", 0)) else int(s.get("padding", 0))
        norm = int(s.get("batch_normalize", 0))
        x = x.reshape(*x.shape, 1, 1) if x.dim() == 2 else x
        c = x.shape[1]
        shift = self.stream.take(n, low=-0.5, high=0.5)
        scale = self.norm_parameters(n) if norm else None
        bound = (3 * groups / (c * size * size)) ** 0.5
        weight = self.stream.take(n, c // groups, size, size, low=-bound, high=bound)
        if self.training:
            weight.requires_grad_(True)
        self.parameters[i] = weight
        y = F.conv2d(x, weight, None, strides, padding * dilation, dilation, groups)
        y = self.batch_norm(i, y, shift, *scale) if norm else y + shift.reshape(1, -1, 1, 1)
        return ACTIVATIONS[s.get("activation", "logistic")](y)

    def connected(self, i, s, x):
        x = x.reshape(x.shape[0], -1)
        n, inputs, norm = int(s["output"]), x.shape[1], int(s.get("batch_normalize", 0))
        shift = self.stream.take(n, low=-0.5, high=0.5)
        bound = (3 / inputs) ** 0.5
        y = x @ self.stream.take(n, inputs, low=-bound, high=bound).T
        y = self.batch_norm(i, y, shift, *self.norm_parameters(n)) if norm else y + shift
        return ACTIVATIONS[s.get("activation", "logistic")](y)

    def local(self, s, x):
        n, size, stride, pad = int(s["filters"]), int(s["size"]), int(s.get("stride", 1)), int(s.get("pad", 0))
        b, c, h, w = x.shape
        rows, columns = [((e - 1 if pad else e - size) // stride + 1) for e in (h, w)]
        shift = self.stream.take(1, n, rows, columns, low=-0.5, high=0.5)
        bound = (3 / (c * size * size)) ** 0.5
        weight = self.stream.take(rows * columns, n, c * size * size, low=-bound, high=bound)
        windows = F.unfold(x, size, padding=pad, stride=stride)
        y = torch.einsum("bkl,lnk->bnl", windows, weight).reshape(b, n, rows, columns)
        return ACTIVATIONS[s.get("activation", "logistic")](y + shift)

    @staticmethod
    def maxpool(s, x):
        """The window starts at -padding // 2 and what lies outside never wins."""
        stride = int(s.get("stride", 1))
        down, across = int(s.get("stride_y", stride)), int(s.get("stride_x", stride))
        size = int(s.get("size", stride))
        padding = int(s.get("padding", size - 1))
        h, w = x.shape[2:]
        rows, columns = (h + padding - size) // down + 1, (w + padding - size) // across + 1
        before = padding // 2
        wide = F.pad(x, (before, size + across, before, size + down), value=-float("inf"))
        rows = [wide[:, :, j * down : j * down + size] for j in range(rows)]
        cut = [[r[:, :, :, i * across : i * across + size].amax((2, 3)) for i in range(columns)] for r in rows]
        return torch.stack([torch.stack(r, -1) for r in cut], -2)

    @staticmethod
    def shortcut(s, x, others):
        """Darknet's loop over the smaller extents of both."""
        y = x.clone()
        for other in others:
            (c1, h1, w1), (c2, h2, w2) = other.shape[1:], x.shape[1:]
            stride, sample = max(w1 // w2, 1), max(w2 // w1, 1)
            c = min(c1, c2)
            for j in range(min(h1, h2)):
                for i in range(min(w1, w2)):
                    y[:, :c, j * sample, i * sample] += other[:, :c, j * stride, i * stride]
        return ACTIVATIONS[s.get("activation", "linear")](y)

    @staticmethod
    def reorg(s, x):
        """The index arithmetic of reorg_cpu, element by element over a flat buffer."""
        stride, reverse = int(s.get("stride", 1)), int(s.get("reverse", 0))
        b, c, h, w = x.shape
        small = c // (stride * stride)
        flat, at, other = x.reshape(-1), [], []
        for n in range(b):
            for k in range(c):
                for j in range(h):
                    for i in range(w):
                        at.append(i + w * (j + h * (k + c * n)))
                        u, v = i * stride + (k // small) % stride, j * stride + (k // small) // stride
                        other.append(u + w * stride * (v + h * stride * (k % small + small * n)))
        y = torch.zeros_like(flat)
        if reverse:
            y[other] = flat[at]
            return y.reshape(b, small, h * stride, w * stride)
        y[at] = flat[other]
        return y.reshape(b, c * stride * stride, h // stride, w // stride)

    def run(self, x):
        """Outputs of all heads and of the last layer."""
        made, heads = [], []
        for i, (name, s) in enumerate(self.sections[1:]):
            absolute = lambda key: [int(v) + (i if int(v) < 0 else 0) for v in s[key].split(",")]
            match name:
                case "convolutional":
                    x = self.convolutional(i, s, x)
                case "connected":
                    x = self.connected(i, s, x)
                case "local":
                    x = self.local(s, x)
                case "maxpool":
                    x = self.maxpool(s, x)
                case "avgpool":
                    x = x.mean((2, 3), keepdim=True)
                case "route":
                    groups, group = int(s.get("groups", 1)), int(s.get("group_id", 0))
                    x = torch.cat([made[l].chunk(groups, 1)[group] for l in absolute("layers")], 1)
                case "shortcut":
                    x = self.shortcut(s, x, [made[l] for l in absolute("from")])
                case "upsample":
                    stride = int(s.get("stride", 2))
                    x = x.repeat_interleave(stride, 2).repeat_interleave(stride, 3) * float(s.get("scale", 1))
                case "reorg":
                    x = self.reorg(s, x)
                case "softmax":
                    x = x / float(s.get("temperature", 1))
                    if int(s.get("spatial", 0)):
                        x = x.softmax(1)
                    else:
                        flat = x.reshape(x.shape[0], int(s.get("groups", 1)), -1)
                        x = flat.softmax(2).reshape(x.shape[0], -1)
                case "scale_channels" | "sam":
                    x = ACTIVATIONS[s.get("activation", "linear")](made[absolute("from")[0]] * x)
                case "yolo" | "region" | "detection":
                    x = x.reshape(x.shape[0], -1) if name == "detection" else x
                    heads.append((i, x))
                case "dropout" | "cost":
                    pass
                case other:
                    raise ValueError(other)
            made.append(x)
        self.stream.finished()
        return heads, x


def write_safetensors(path, tensors, metadata):
    """The format is a length, a JSON header and the bytes; ten lines spare a dependency."""
    header, offset, parts = {"__metadata__": metadata}, 0, []
    for name, value in sorted(tensors.items()):
        data = np.ascontiguousarray(np.asarray(value.detach() if torch.is_tensor(value) else value), "<f4")
        parts.append(data.tobytes())
        header[name] = {"dtype": "F32", "shape": list(data.shape), "data_offsets": [offset, offset + data.nbytes]}
        offset += data.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size // 1024} KiB")


def every_layer():
    """layers.cfg: outputs in evaluation; in training outputs, running statistics and gradients of the first convolution."""
    sections = parse((FOLDER / "layers.cfg").read_text())
    net = sections[0][1]
    shape = (2, int(net["channels"]), int(net["height"]), int(net["width"]))
    torch.manual_seed(1)
    drawn = Stream()
    tensors = {}
    heads, last = Network(sections, drawn).run(hashed(*shape))
    numbers = np.concatenate(drawn.drawn).astype(np.float32)
    tensors["weights"] = numbers
    for i, value in heads:
        tensors[f"eval/head.{i}"] = value
    tensors["eval/last"] = last
    training = Network(sections, Stream(numbers), training=True)
    heads, last = training.run(hashed(*shape))
    for i, value in heads:
        tensors[f"train/head.{i}"] = value
    for i, pair in training.statistics.items():
        tensors[f"train/layers.{i}.bn.running_mean"] = pair["mean"]
        tensors[f"train/layers.{i}.bn.running_var"] = pair["variance"]
    loss = sum((value * (hashed(*value.shape) - 0.5)).sum() for _, value in heads)
    loss.backward()
    for i in (0, 1):
        tensors[f"grad/layers.{i}.conv.weight"] = training.parameters[i].grad
    write_safetensors(FOLDER / "layers.safetensors", tensors, {"numbers": str(numbers.size)})


def yolo_fastest(folder):
    """Both networks on two sizes of input: every element at 96x96, every seventh at 160x128."""
    tensors = {}
    for name in ("yolo-fastest-1.1", "yolo-fastest-1.1-xl"):
        sections = parse((folder / f"{name}.cfg").read_text())
        raw = (folder / f"{name}.weights").read_bytes()
        major, minor, _ = struct.unpack("<3i", raw[:12])
        start = 20 if major * 10 + minor >= 2 else 16
        for (height, width), step in (((96, 96), 1), ((160, 128), 7)):
            heads, _ = Network(sections, Stream(np.frombuffer(raw[start:], "<f4"))).run(hashed(1, 3, height, width))
            for i, value in heads:
                tensors[f"{name}/{height}x{width}/{i}"] = value.reshape(-1)[::step]
    write_safetensors(FOLDER / "yolo_fastest.safetensors", tensors, {})


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    every_layer()
    if len(sys.argv) > 1:
        yolo_fastest(pathlib.Path(sys.argv[1]))
