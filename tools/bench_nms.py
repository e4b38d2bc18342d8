#!/usr/bin/env python3
"""Times torchvision.ops.nms on the CPU on the boxes of `wgvision bench nms`, which makes them by the same formula.

    python3 tools/bench_nms.py [RUNS]
"""
import json
import statistics
import sys
import time

import numpy as np
import torch
import torchvision


def hashed(i, salt):
    """src/engine/bench/nms.rs has the same."""
    i = np.asarray(i, dtype=np.uint32)
    with np.errstate(over="ignore"):
        h = i * np.uint32(0x9E3779B9) ^ np.uint32(salt * 0x85EBCA6B & 0xFFFFFFFF)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)


def scene(name, count):
    i = np.arange(count)
    if name == "clustered":
        objects = max(count // 20, 1)
        span = np.float32(40.0) * np.sqrt(np.float32(objects))
        of = (hashed(i, 1) * np.float32(objects)).astype(np.int64)
        at = lambda salt, scale, jitter: hashed(of, salt) * np.float32(scale) + hashed(i, salt + 4) * np.float32(jitter)
        x, y = at(2, span, 6.0), at(3, span, 6.0)
        w, h = np.float32(20.0) + at(4, 40.0, 4.0), np.float32(20.0) + at(5, 40.0, 4.0)
    elif name == "disjoint":
        side = int(np.ceil(np.sqrt(np.float32(count))))
        x, y = (i % side * 10).astype(np.float32), (i // side * 10).astype(np.float32)
        w = h = np.float32(9.0)
    else:
        x, y = np.full(count, 10.0, np.float32), np.full(count, 20.0, np.float32)
        w = h = np.float32(40.0)
    boxes = np.stack([x, y, x + w, y + h], 1).astype(np.float32)
    return torch.from_numpy(boxes), torch.from_numpy(hashed(i, 0))


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for count in (1000, 10_000, 100_000):
        for name in ("clustered", "disjoint", "identical"):
            boxes, scores = scene(name, count)
            times = []
            for _ in range(runs + 1):
                started = time.perf_counter()
                kept = torchvision.ops.nms(boxes, scores, 0.5)
                times.append((time.perf_counter() - started) * 1e3)
                if sum(times) > 60e3:
                    break
            later = times[1:] or times
            places = torch.arange(1, len(kept) + 1)
            checksum = int((places * (kept + 1) % 2**32).sum()) % 2**32
            line = {"peer": "torchvision", "boxes": count, "scene": name, "kept": len(kept), "checksum": checksum}
            print(json.dumps(line | {"median_ms": round(statistics.median(later), 3), "best_ms": round(min(later), 3)}), flush=True)


if __name__ == "__main__":
    main()
