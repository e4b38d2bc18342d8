#!/usr/bin/env python3
"""Times Yolo-Fastest 1.1, inference of one picture of 320x320, in ncnn: on Vulkan, and with --cpu on its CPU path.

    python3 tools/bench_ncnn_models.py [ANYTHING] [--cpu] [--threads 2] [--runs 5]

Needs ncnn (1.0.2026 or later) and numpy. Prints a line of JSON, `{"peer", "layer", "pass", "first_ms", "best_ms", "median_ms", "gflops"}`, so that
tools/compare-peers can run it. The network is written in ncnn's format from assets/models/yolo-fastest-1.1.cfg with random weights; batch norms are folded into
biases and leaky ReLUs into the convolutions, as ncnn's own converter does. It ends at the two raw heads, in f32.
"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import ncnn
import numpy as np

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


def sources(at, text):
    return [i if i >= 0 else at + i for i in map(int, text.split(","))]


class Writer:
    """Layers in ncnn's text, their weights, and who reads which blob."""

    def __init__(self):
        self.layers, self.weights, self.rng = [], [], np.random.default_rng(0)

    def add(self, kind, inputs, args=""):
        """A layer with one output; its blob's name."""
        name = f"b{len(self.layers)}"
        self.layers.append((kind, list(inputs), name, args))
        return name

    def convolution(self, x, channels, s):
        out, size, groups = int(s["filters"]), int(s.get("size", 1)), int(s.get("groups", 1))
        padding = size // 2 if int(s.get("pad", 0)) else 0
        count = out * (channels // groups) * size * size
        activation = " 9=2 -23310=1,0.1" if s["activation"] == "leaky" else ""
        args = f"0={out} 1={size} 2=1 3={s.get('stride', 1)} 4={padding} 5=1 6={count}" + (f" 7={groups}" if groups > 1 else "") + activation
        spread = (2 / (count / out)) ** 0.5
        self.weights += [np.uint32(0).tobytes(), (self.rng.standard_normal(count) * spread).astype("<f4").tobytes()]
        self.weights.append((self.rng.standard_normal(out) * 0.1).astype("<f4").tobytes())
        return self.add("ConvolutionDepthWise" if groups > 1 else "Convolution", [x], args), out

    def text(self, kept):
        """The network with a Split behind every blob that several layers read; `kept` are read by the host."""
        readers = {}
        for _, inputs, _, _ in self.layers:
            for blob in inputs:
                readers[blob] = readers.get(blob, 0) + 1
        lines, blobs, taken = [], 0, {}
        for kind, inputs, name, args in self.layers:
            own = []
            for blob in inputs:
                if readers[blob] > 1:
                    taken[blob] = taken.get(blob, -1) + 1
                    blob = f"{blob}_{taken[blob]}"
                own.append(blob)
            lines.append(" ".join([kind, f"l{len(lines)}", str(len(own)), "1", *own, name, args]).strip())
            blobs += 1
            n = readers.get(name, 0)
            assert n or name in kept, f"{name} is read by nobody"
            if n > 1:
                assert name not in kept
                lines.append(" ".join(["Split", f"l{len(lines)}", "1", str(n), name, *(f"{name}_{i}" for i in range(n))]))
                blobs += n
        return f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n"


def convert(text):
    """(.param text, .bin bytes, input blob, head blobs, side)"""
    (_, net), *sections = parse(text)
    side, w = int(net["width"]), Writer()
    first = x = w.add("Input", [], f"0={side} 1={side} 2=3")
    made, channels, heads = [], [], []
    for at, (name, s) in enumerate(sections):
        out = channels[-1] if channels else 3
        if name == "convolutional":
            x, out = w.convolution(x, out, s)
        elif name == "maxpool":
            size = int(s["size"])
            x = w.add("Pooling", [x], f"0=0 1={size} 2=1 3={size // 2} 5=1")
        elif name == "upsample":
            x = w.add("Interp", [x], f"0=1 1={s['stride']}.0 2={s['stride']}.0")
        elif name == "route":
            parts = sources(at, s["layers"])
            out = sum(channels[i] for i in parts)
            x = made[parts[0]] if len(parts) == 1 else w.add("Concat", [made[i] for i in parts], "0=0")
        elif name == "shortcut":
            x = w.add("BinaryOp", [x, made[sources(at, s["from"])[0]]], "0=0")
        elif name == "yolo":
            heads.append(x)
        else:
            assert name == "dropout", name
        made.append(x)
        channels.append(out)
    return w.text(heads), b"".join(w.weights), first, heads, side


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("ignored", nargs="*")
    arguments.add_argument("--cpu", action="store_true")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=5)
    a = arguments.parse_args()
    param, weights, first, heads, side = convert(CFG.read_text())
    net = ncnn.Net()
    net.opt.use_vulkan_compute, net.opt.num_threads = not a.cpu, a.threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    # A Mat made of an array does not own its numbers.
    picture = np.random.default_rng(1).random((3, side, side), dtype=np.float32)
    x = ncnn.Mat(picture).clone()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "n.param").write_text(param)
        (folder / "n.bin").write_bytes(weights)
        times, start = [], time.perf_counter()
        assert net.load_param(str(folder / "n.param")) == 0 and net.load_model(str(folder / "n.bin")) == 0
    for _ in range(a.runs + 2):
        extractor = net.create_extractor()
        extractor.input(first, x)
        for head in heads:
            status, found = extractor.extract(head)
            found = np.array(found)
            assert status == 0 and found.shape[1] == found.shape[2] and np.isfinite(found).all(), f"{head}: {status} {found.shape}"
        times.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
    later = times[2:]
    line = {"peer": "ncnn-cpu" if a.cpu else "ncnn-vulkan", "layer": "yolo-fastest-1.1", "pass": "infer", "first_ms": times[0], "best_ms": min(later)}
    print(json.dumps({**line, "median_ms": statistics.median(later), "gflops": None}), flush=True)


if __name__ == "__main__":
    main()
