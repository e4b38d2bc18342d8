"""Weights by formula, for parity tests: the same values here and in src/nn/formula.rs, from a tensor's name and shape alone.

    model = torchvision.models.resnet18(weights=None)
    formula.fill_(model.state_dict())

With u a hash of name and element, uniform in [-0.5, 0.5) in steps of 2^-24:

    rank 2 and more                    u * 2 sqrt(3) * gain / sqrt(fan_in); fan_in the product of dims 1..; gain 1 for rank 2, else sqrt(2)
    rank 1, *weight                    1 + 0.5 u; a quarter of that in the last batch norm of a residual block (bn3, or bn2 where the
                                       block has no bn3), so that activations do not grow from block to block
    rank 1, *running_var               1 + 0.5 u
    rank 1, *bias, *running_mean       0.1 u

Elements are counted in the order of torch's layout. Everything is computed in float64 and rounded once. Needs numpy; torch only in `fill_`.
"""
import math

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
MASK = 0xFFFFFFFFFFFFFFFF


def name_hash(name):
    """FNV-1a, 64 bits, of the name's UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def uniform(name, n):
    """u of the elements 0..n of a tensor: float64, multiples of 2^-24 in [-0.5, 0.5)."""
    with np.errstate(over="ignore"):
        z = np.uint64(name_hash(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5


def value(name, shape, last_norm=False):
    """The tensor `name` as a float32 array; `last_norm`: the last batch norm of a residual block."""
    u = uniform(name, math.prod(shape)).reshape(shape)
    if len(shape) >= 2:
        gain = 1.0 if len(shape) == 2 else math.sqrt(2.0)
        v = u * (2.0 * math.sqrt(3.0) * gain / math.sqrt(math.prod(shape[1:])))
    elif name.endswith(("bias", "running_mean")):
        v = 0.1 * u
    elif name.endswith(("weight", "running_var")):
        v = (1.0 + 0.5 * u) * (0.25 if last_norm else 1.0)
    else:
        raise ValueError(f"the formula knows no tensor like {name} {tuple(shape)}")
    return v.astype(np.float32)


def is_last_norm(name, names):
    """Whether a name among `names` is the weight of the last batch norm of a residual block."""
    if name.endswith(".bn3.weight"):
        return True
    return name.endswith(".bn2.weight") and name.removesuffix("bn2.weight") + "bn3.weight" not in names


def fill_(state_dict, scale={}):
    """Fills the tensors of a torch state dict in place, `num_batches_tracked` aside. A value of `scale` multiplies, in float32, all
    tensors whose name contains its key."""
    import torch

    with torch.no_grad():
        for name, tensor in state_dict.items():
            if name.endswith("num_batches_tracked"):
                continue
            v = value(name, tuple(tensor.shape), is_last_norm(name, state_dict))
            for part, factor in scale.items():
                if part in name:
                    v = v * np.float32(factor)
            tensor.copy_(torch.from_numpy(v))
