#!/usr/bin/env python3
"""Makes kernels-tests/golden/*.safetensors: what PyTorch and torchvision compute, for kernels-tests/golden.rs to hold the
library against.

    python3 tools/make_goldens.py [OP ...]        all files, or those of the named ops; `anchors` makes anchors.json

Needs torch and torchvision (CPU builds suffice); made with torch 2.15 and torchvision 0.29. Inputs are drawn in float32 from a
seed that depends on the op and the case alone, so one op's file does not change when another op gains a case. Everything is
computed in float64 from those float32 values and rounded once, to float32, when it is written.

A file holds the cases of one op. Its metadata `cases` is a JSON list of {name, op, attrs, grad, scale}; the tensors are named
CASE/in/NAME and CASE/out/NAME, in PyTorch's order of dimensions and by the names of the op's registry entry. `grad_y` among the
inputs is the gradient that arrives; `grad_x` among the outputs is the one that leaves. `scale` names tensors whose terms cancel
and gives the root mean square of the sums of their absolute terms, which is what rounding is relative to.
"""
import hashlib
import json
import math
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F
import torchvision

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "kernels-tests" / "golden"
MAKERS = {}


class U32:
    """An integer tensor that is stored unsigned."""

    def __init__(self, tensor):
        self.tensor = tensor


def write_safetensors(path, tensors, metadata):
    """The format is a length, a JSON header and the bytes; ten lines spare a dependency."""
    header, offset = {"__metadata__": metadata}, 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))


def packed(value):
    """(type, shape, bytes) of a tensor."""
    kind = "I32"
    if isinstance(value, U32):
        kind, value = "U32", value.tensor
    if value.dtype.is_floating_point:
        array = value.detach().to(torch.float32).contiguous().numpy()
        return "F32", list(value.shape), array.astype("<f4").tobytes()
    return kind, list(value.shape), value.detach().numpy().astype("<u4" if kind == "U32" else "<i4").tobytes()


class Golden:
    """Collects the cases of one op."""

    def __init__(self, op):
        self.op, self.cases, self.tensors = op, [], {}

    def seed(self, name):
        """Restarts the random numbers for a case."""
        digest = hashlib.sha256(f"{self.op}/{name}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:4], "little"))

    def case(self, name, fn, inputs, attrs=None, wrt=None, outputs=("y",), silent=(), scale=None):
        """One case. `inputs` is a function that draws them; `fn` takes them by name in float64 and returns the outputs in
        order. Gradients are taken with respect to `wrt` (all floats unless named) through all float outputs not in `silent`."""
        self.seed(name)
        drawn = inputs() if callable(inputs) else inputs
        wide = {}
        for key, value in drawn.items():
            value = value.tensor if isinstance(value, U32) else value
            wide[key] = value.double() if value.dtype.is_floating_point else value.long()
        if wrt is None:
            wrt = [k for k, v in wide.items() if v.dtype.is_floating_point]
        for key in wrt:
            wide[key].requires_grad_(True)
        results = fn(**wide)
        results = results if isinstance(results, tuple) else (results,)
        assert len(results) == len(outputs), (self.op, name)
        given, wanted = dict(drawn), dict(zip(outputs, results))
        if wrt:
            total = 0
            for key, value in zip(outputs, results):
                if isinstance(value, U32) or not value.dtype.is_floating_point or key in silent:
                    continue
                weight = torch.rand(value.shape) * 2 - 1 if value.dim() else torch.rand(()) + 0.5
                given["grad_" + key] = weight
                total = total + (value * weight.double()).sum()
            total.backward()
            wanted |= {"grad_" + key: wide[key].grad for key in wrt}
        for side, group in (("in", given), ("out", wanted)):
            for key, value in group.items():
                if not isinstance(value, U32) and value.dtype.is_floating_point:
                    assert torch.isfinite(value).all() or side == "in", (self.op, name, key)
                self.tensors[f"{name}/{side}/{key}"] = packed(value)
        scale = {k: float(torch.as_tensor(v).detach()) for k, v in (scale(wide) if scale else {}).items()}
        self.cases.append({"name": name, "op": self.op, "attrs": attrs or {}, "grad": bool(wrt), "scale": scale})

    def write(self):
        names = [c["name"] for c in self.cases]
        assert len(set(names)) == len(names), f"{self.op}: two cases of one name"
        tensors = dict(sorted(self.tensors.items()))
        write_safetensors(FOLDER / f"{self.op}.safetensors", tensors, {"cases": json.dumps(self.cases)})


def golden(fn):
    """Registers the maker of an op's file; the function is named after the op."""
    MAKERS[fn.__name__.rstrip("_")] = fn
    return fn


def uniform(*shape, low=-1.0, high=1.0):
    return torch.rand(shape) * (high - low) + low


def off_zero(*shape):
    """Both signs, away from a kink at zero."""
    return (torch.rand(shape) * 1.9 + 0.1) * torch.where(torch.rand(shape) < 0.5, -1.0, 1.0)


def distinct(*shape):
    """No two elements alike, so that a maximum has one place."""
    count = 1
    for extent in shape:
        count *= extent
    return ((torch.randperm(count).float() - count / 2) / 16).reshape(shape)


def coarse(*shape):
    """Few values, so that maxima tie."""
    return torch.randint(-2, 3, shape).float()


def saturating(_):
    """Gradients of sigmoid and tanh are made from results near 1: four roundings of terms of size 1, over the tolerance."""
    return {"grad_x": 4 * 2**-24 / 1e-5}


def elementwise(g, fn, draw=off_zero, attrs=None, tag="", **more):
    """A pointwise function on shapes around the workgroup and of every rank."""
    for shape in ((1,), (257,), (3, 5), (2, 3, 5, 7), (1, 4, 8, 9)):
        name = f"{tag}{'x'.join(map(str, shape))}"
        g.case(name, lambda x: fn(x), lambda: {"x": draw(*shape)}, attrs, **more)


# ---- linear ------------------------------------------------------------------------------------------------------------


def padded(x, padding):
    """Four-sided padding [left, right, top, bottom], which conv2d itself does not take."""
    return F.pad(x, padding)


CONVOLUTIONS = [
    # name, (n, cin, h, w), cout, (kh, kw), attributes, bias
    ("plain_3x3", (2, 3, 7, 9), 4, (3, 3), {}, True),
    ("1x1", (1, 5, 6, 5), 7, (1, 1), {}, True),
    ("no_bias", (1, 2, 5, 5), 3, (3, 3), {"padding": 1}, False),
    ("same_3x3", (2, 4, 8, 8), 8, (3, 3), {"padding": 1}, True),
    ("stride_2", (1, 3, 9, 11), 5, (3, 3), {"stride": 2, "padding": 1}, True),
    ("stride_pair", (1, 3, 10, 13), 4, (3, 2), {"stride": [3, 2], "padding": [1, 0]}, True),
    ("stride_beyond_kernel", (1, 2, 11, 11), 3, (2, 2), {"stride": 3}, True),
    ("dilation_2", (1, 3, 11, 9), 4, (3, 3), {"dilation": 2, "padding": 2}, True),
    ("dilation_pair", (2, 2, 12, 13), 3, (3, 3), {"dilation": [3, 2], "padding": [2, 1], "stride": [1, 2]}, True),
    ("groups_2", (2, 4, 7, 6), 6, (3, 3), {"groups": 2, "padding": 1}, True),
    ("groups_3_strided", (1, 9, 8, 7), 6, (3, 3), {"groups": 3, "stride": 2, "padding": 1}, False),
    ("depthwise", (2, 8, 9, 7), 8, (3, 3), {"groups": 8, "padding": 1}, True),
    ("depthwise_5x5_strided", (1, 6, 13, 11), 6, (5, 5), {"groups": 6, "stride": 2, "padding": 2}, True),
    ("depthwise_multiplier", (1, 3, 7, 7), 6, (3, 3), {"groups": 3, "padding": 1}, True),
    ("depthwise_dilated", (1, 4, 11, 11), 4, (3, 3), {"groups": 4, "dilation": 2, "padding": 2}, True),
    ("four_sided", (1, 3, 6, 7), 4, (3, 3), {"padding": [2, 0, 1, 3]}, True),
    ("four_sided_strided", (2, 2, 7, 6), 3, (3, 2), {"padding": [0, 1, 2, 1], "stride": 2}, True),
    ("kernel_is_picture", (2, 3, 5, 4), 4, (5, 4), {}, True),
    ("7x7_stem", (1, 3, 17, 19), 8, (7, 7), {"stride": 2, "padding": 3}, True),
    ("row_kernel", (1, 4, 5, 12), 4, (1, 5), {"padding": [0, 2]}, True),
    ("padding_beyond_kernel", (1, 2, 3, 3), 3, (2, 2), {"padding": 3}, True),
    ("many_channels", (1, 64, 6, 5), 32, (3, 3), {"padding": 1}, True),
    ("one_pixel", (3, 16, 1, 1), 20, (1, 1), {}, True),
    ("odd_channels", (1, 13, 5, 7), 17, (3, 3), {"padding": 1}, True),
]


@golden
def conv2d(g):
    for name, (n, cin, h, w), cout, (kh, kw), attrs, bias in CONVOLUTIONS:

        def inputs():
            given = {"x": uniform(n, cin, h, w), "weight": uniform(cout, cin // attrs.get("groups", 1), kh, kw)}
            return given | ({"bias": uniform(cout)} if bias else {})

        def fn(x, weight, bias=None):
            own = dict(attrs)
            if isinstance(own.get("padding"), list) and len(own["padding"]) == 4:
                x = padded(x, own.pop("padding"))
            return F.conv2d(x, weight, bias, **own)

        g.case(name, fn, inputs, attrs)
    for activation, fn in (
        ("relu", F.relu),
        ("leaky_relu", lambda v: F.leaky_relu(v, 0.1)),
        ("silu", F.silu),
        ("sigmoid", torch.sigmoid),
    ):
        attrs = {"padding": 1, "activation": activation}
        attrs |= {"negative_slope": 0.1} if activation == "leaky_relu" else {}
        draw = lambda: {"x": uniform(1, 3, 5, 6), "weight": uniform(4, 3, 3, 3), "bias": uniform(4)}
        g.case(f"fused_{activation}", lambda x, weight, bias: fn(F.conv2d(x, weight, bias, padding=1)), draw, attrs, wrt=[])


TRANSPOSED = [
    # name, (n, cin, h, w), cout, (kh, kw), attributes, bias
    ("plain", (2, 3, 4, 5), 4, (3, 3), {}, True),
    ("up_2x2", (1, 8, 5, 6), 4, (2, 2), {"stride": 2}, True),
    ("no_bias", (1, 2, 4, 4), 3, (2, 2), {"stride": 2}, False),
    ("padding_1", (1, 3, 5, 4), 2, (3, 3), {"padding": 1}, True),
    ("stride_2_output_padding", (1, 3, 4, 5), 5, (3, 3), {"stride": 2, "padding": 1, "output_padding": 1}, True),
    ("output_padding_pair", (2, 2, 4, 3), 3, (3, 3), {"stride": [3, 2], "padding": [0, 1], "output_padding": [2, 1]}, True),
    ("stride_pair", (1, 2, 3, 5), 3, (3, 2), {"stride": [3, 2]}, True),
    ("dilation_2", (1, 2, 4, 5), 3, (3, 3), {"dilation": 2}, True),
    ("dilation_strided", (1, 3, 4, 4), 2, (3, 2), {"dilation": [2, 3], "stride": 2, "padding": [1, 2]}, True),
    ("output_padding_dilation", (1, 2, 3, 4), 2, (2, 2), {"dilation": 3, "stride": 2, "output_padding": 2}, True),
    ("groups_2", (2, 4, 4, 3), 6, (3, 3), {"groups": 2, "stride": 2, "padding": 1}, True),
    ("groups_3", (1, 6, 3, 4), 9, (2, 2), {"groups": 3}, False),
    ("depthwise", (1, 5, 4, 4), 5, (4, 4), {"groups": 5, "stride": 2, "padding": 1}, True),
    ("4x4_stride_2", (1, 3, 5, 7), 4, (4, 4), {"stride": 2, "padding": 1}, True),
    ("stride_beyond_kernel", (1, 2, 3, 3), 3, (2, 2), {"stride": 3}, True),
    ("odd_channels", (1, 13, 3, 4), 7, (3, 3), {"stride": 2, "padding": 1, "output_padding": [1, 0]}, True),
    ("one_pixel", (2, 16, 1, 1), 8, (4, 4), {}, True),
    ("many_channels", (1, 32, 4, 4), 16, (2, 2), {"stride": 2}, True),
]


@golden
def conv_transpose2d(g):
    for name, (n, cin, h, w), cout, (kh, kw), attrs, bias in TRANSPOSED:

        def inputs():
            given = {"x": uniform(n, cin, h, w), "weight": uniform(cin, cout // attrs.get("groups", 1), kh, kw)}
            return given | ({"bias": uniform(cout)} if bias else {})

        g.case(name, lambda x, weight, bias=None: F.conv_transpose2d(x, weight, bias, **attrs), inputs, attrs)


@golden
def linear(g):
    for n, i, o, bias in ((1, 1, 1, True), (3, 5, 7, True), (2, 64, 10, False), (17, 33, 31, True), (64, 12, 4, True)):

        def inputs():
            return {"x": uniform(n, i), "weight": uniform(o, i)} | ({"bias": uniform(o)} if bias else {})

        g.case(f"{n}x{i}x{o}", lambda x, weight, bias=None: F.linear(x, weight, bias), inputs)


@golden
def matmul(g):
    for a, b in (
        ((1, 1), (1, 1)),
        ((3, 5), (5, 7)),
        ((17, 33), (33, 31)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 65, 7), (2, 7, 3)),
    ):
        g.case("x".join(map(str, a + b)), lambda a, b: a @ b, lambda: {"a": uniform(*a), "b": uniform(*b)})


# ---- pooling -----------------------------------------------------------------------------------------------------------

POOLS = [
    # name, (n, c, h, w), attributes
    ("2x2", (2, 3, 6, 8), {"kernel_size": 2}),
    ("3x3_stride_2", (1, 4, 9, 7), {"kernel_size": 3, "stride": 2}),
    ("padded", (1, 3, 8, 7), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("ceil", (1, 3, 7, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("ceil_padded", (2, 2, 8, 10), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("ceil_drops_last", (1, 2, 5, 6), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    ("pairs", (1, 2, 9, 11), {"kernel_size": [2, 3], "stride": [1, 2], "padding": [1, 0]}),
    ("overlapping", (1, 5, 7, 6), {"kernel_size": 5, "stride": 1, "padding": 2}),
    ("one_window", (2, 3, 4, 5), {"kernel_size": [4, 5]}),
]


@golden
def max_pool2d(g):
    extra = [
        ("dilated", (1, 3, 9, 8), {"kernel_size": 3, "stride": 1, "dilation": 2}),
        ("dilated_ceil", (1, 2, 10, 9), {"kernel_size": [2, 3], "stride": 2, "dilation": [3, 2], "padding": 1, "ceil_mode": True}),
    ]
    for name, shape, attrs in POOLS + extra:
        fn = lambda x: F.max_pool2d(x, **attrs)
        g.case(name, fn, lambda: {"x": distinct(*shape)}, attrs)
        g.case(f"{name}_ties", fn, lambda: {"x": coarse(*shape)}, attrs)
    g.case("all_equal", lambda x: F.max_pool2d(x, 3, 1, 1), lambda: {"x": torch.ones(1, 2, 5, 5)}, {"kernel_size": 3, "stride": 1, "padding": 1})
    g.case("all_negative", lambda x: F.max_pool2d(x, 3, 2, 1), lambda: {"x": -distinct(1, 2, 7, 7).abs() - 1}, {"kernel_size": 3, "stride": 2, "padding": 1})


@golden
def max_pool2d_with_indices(g):
    for name, shape, attrs in POOLS:
        for tag, draw in (("", distinct), ("_ties", coarse)):
            fn = lambda x: F.max_pool2d(x, **attrs, return_indices=True)
            g.case(name + tag, fn, lambda: {"x": draw(*shape)}, attrs, outputs=("y", "indices"))


@golden
def avg_pool2d(g):
    for name, shape, attrs in POOLS:
        for included in (True, False):
            own = attrs | {"count_include_pad": included}
            g.case(f"{name}_{'with' if included else 'without'}_pad", lambda x: F.avg_pool2d(x, **own), lambda: {"x": uniform(*shape)}, own)


@golden
def l2_pool2d(g):
    """torch.nn.functional.lp_pool2d with norm 2, which has no padding, and weighs windows cut by the end in ceil mode as if they
    were whole; here a window is the root of its sum."""
    for name, shape, attrs in POOLS:
        fn = lambda x: F.avg_pool2d(x * x, **attrs, divisor_override=1).sqrt()
        if not {"padding", "ceil_mode"} & set(attrs):
            x = uniform(*shape).double()
            assert torch.allclose(fn(x), F.lp_pool2d(x, 2, attrs["kernel_size"], attrs.get("stride")))
        g.case(name, fn, lambda: {"x": off_zero(*shape)}, attrs)


@golden
def corner_pool(g):
    """Running maxima by torch.cummax; `top` looks down, so it runs from the bottom up."""
    for direction, axis, turned in (("top", 2, True), ("bottom", 2, False), ("left", 3, True), ("right", 3, False)):
        for shape in ((2, 3, 5, 7), (1, 4, 1, 9), (1, 1, 33, 2)):

            def fn(x):
                x = x.flip(axis) if turned else x
                y = x.cummax(axis).values
                return y.flip(axis) if turned else y

            g.case(f"{direction}_{'x'.join(map(str, shape))}", fn, lambda: {"x": distinct(*shape)}, {"direction": direction})


SIZES = [((2, 3, 8, 8), [4, 4]), ((1, 4, 7, 9), [3, 4]), ((1, 2, 5, 6), [1, 1]), ((1, 3, 4, 5), [7, 6]), ((2, 2, 11, 3), [5, 3])]


@golden
def adaptive_avg_pool2d(g):
    for shape, size in SIZES:
        name = f"{shape[2]}x{shape[3]}_to_{size[0]}x{size[1]}"
        g.case(name, lambda x: F.adaptive_avg_pool2d(x, size), lambda: {"x": uniform(*shape)}, {"output_size": size})


@golden
def adaptive_max_pool2d(g):
    for shape, size in SIZES:
        name = f"{shape[2]}x{shape[3]}_to_{size[0]}x{size[1]}"
        for tag, draw in (("", distinct), ("_ties", coarse)):
            fn = lambda x: F.adaptive_max_pool2d(x, size, return_indices=True)
            g.case(name + tag, fn, lambda: {"x": draw(*shape)}, {"output_size": size}, outputs=("y", "indices"))


@golden
def max_unpool2d(g):
    for name, shape, attrs in (
        ("2x2", (2, 3, 6, 8), {"kernel_size": 2}),
        ("3x3_stride_3", (1, 2, 9, 6), {"kernel_size": 3}),
        ("output_size", (1, 3, 7, 9), {"kernel_size": 2, "output_size": [7, 9]}),
    ):
        def inputs():
            y, indices = F.max_pool2d(distinct(*shape), attrs["kernel_size"], return_indices=True)
            return {"x": y, "indices": indices.int()}

        own = {k: v for k, v in attrs.items() if k != "output_size"}
        fn = lambda x, indices: F.max_unpool2d(x, indices, **own, output_size=attrs.get("output_size"))
        g.case(name, fn, inputs, attrs)


# ---- normalisation -----------------------------------------------------------------------------------------------------


@golden
def batch_norm(g):
    def inputs(shape, spread=1.0, shift=0.0):
        c = shape[1]
        return {
            "x": uniform(*shape) * spread + shift,
            "weight": uniform(c, low=0.3, high=2.0),
            "bias": uniform(c),
            "running_mean": uniform(c),
            "running_var": uniform(c, low=0.2, high=3.0),
        }

    shapes = ((2, 3, 5, 7), (4, 8), (1, 5, 3, 1), (2, 4, 9, 15), (2, 1, 2, 2))
    for shape in shapes:
        name = "x".join(map(str, shape))
        for tag, momentum, eps in (("", 0.1, 1e-5), ("_other", 0.3, 1e-3)):

            def train(x, weight, bias, running_mean, running_var):
                mean, var = running_mean.clone(), running_var.clone()
                y = F.batch_norm(x, mean, var, weight, bias, True, momentum, eps)
                dims = [d for d in range(x.dim()) if d != 1]
                rstd = 1 / torch.sqrt(x.var(dims, unbiased=False) + eps)
                return y, x.mean(dims), rstd, mean, var

            attrs = {"training": True, "momentum": momentum, "eps": eps}
            outputs = ("y", "mean", "rstd", "running_mean", "running_var")
            wrt = ["x", "weight", "bias"]
            g.case(f"train_{name}{tag}", train, lambda: inputs(shape), attrs, wrt, outputs, silent=outputs[1:])

            def evaluate(x, weight, bias, running_mean, running_var):
                return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)

            g.case(f"eval_{name}{tag}", evaluate, lambda: inputs(shape), {"eps": eps}, wrt)
    draw = lambda: inputs((2, 4, 6, 5), 3.0, 1.5)
    g.case("train_shifted", lambda **k: F.batch_norm(k["x"], None, None, k["weight"], k["bias"], True), draw, {"training": True}, ["x", "weight", "bias"])
    for shape, flags in (((4, 3, 5, 7), (1, 0, 1, 1)), ((6, 8), (0, 1, 0, 1, 1, 1)), ((5, 2, 3, 4), (0, 0, 0, 1, 0))):

        def counted_inputs():
            return inputs(shape, 2.0, 0.7) | {"counted": torch.tensor(flags, dtype=torch.float32)}

        def train_counted(x, weight, bias, running_mean, running_var, counted):
            """Batch norm of the pictures that count alone."""
            mean, var, kept, y = running_mean.clone(), running_var.clone(), x[counted > 0], torch.zeros_like(x)
            y[counted > 0] = F.batch_norm(kept, mean, var, weight, bias, True, 0.2, 1e-4)
            dims = [d for d in range(x.dim()) if d != 1]
            rstd = 1 / torch.sqrt(kept.var(dims, unbiased=False) + 1e-4)
            return y, kept.mean(dims), rstd, mean, var

        attrs = {"training": True, "momentum": 0.2, "eps": 1e-4}
        outputs, name = ("y", "mean", "rstd", "running_mean", "running_var"), "x".join(map(str, shape))
        g.case(f"counted_{name}", train_counted, counted_inputs, attrs, ["x", "weight", "bias"], outputs, silent=outputs[1:])


@golden
def fold_batch_norm(g):
    """torch.nn.utils.fusion, which folds for inference."""
    from torch.nn.utils import fusion

    for shape in ((4, 3, 3, 3), (8, 1, 5, 5), (7, 13, 1, 1), (6, 9)):
        for bias in (True, False):

            def inputs():
                c = shape[0]
                given = {"weight": uniform(*shape), "bn_weight": uniform(c), "bn_bias": uniform(c)}
                given |= {"running_mean": uniform(c), "running_var": uniform(c, low=0.2, high=3.0)}
                return given | ({"bias": uniform(c)} if bias else {})

            def fn(weight, bn_weight, bn_bias, running_mean, running_var, bias=None):
                fuse = fusion.fuse_conv_bn_weights if weight.dim() == 4 else fusion.fuse_linear_bn_weights
                bias = torch.zeros_like(bn_bias) if bias is None else bias
                w, b = fuse(weight, bias, running_mean, running_var, 1e-3, bn_weight, bn_bias)
                return w.detach(), b.detach()

            name = "x".join(map(str, shape)) + ("" if bias else "_no_bias")
            g.case(name, fn, inputs, {"eps": 1e-3}, wrt=[], outputs=("weight", "bias"))


@golden
def group_norm(g):
    for name, shape, groups, eps, affine in (
        ("two_groups", (2, 4, 5, 3), 2, 1e-5, True),
        ("one_group", (1, 6, 4, 4), 1, 1e-5, True),
        ("each_channel", (2, 3, 7, 5), 3, 1e-3, True),
        ("plain", (1, 8, 3, 9), 4, 1e-5, False),
        ("many_channels", (1, 64, 3, 3), 32, 1e-5, True),
    ):
        def inputs():
            given = {"x": uniform(*shape, low=-1.0, high=3.0)}
            return given | ({"weight": uniform(shape[1]), "bias": uniform(shape[1])} if affine else {})

        fn = lambda x, weight=None, bias=None: F.group_norm(x, groups, weight, bias, eps)
        g.case(name, fn, inputs, {"num_groups": groups, "eps": eps})


@golden
def instance_norm(g):
    for name, shape, eps, affine in (
        ("affine", (2, 3, 5, 7), 1e-5, True),
        ("plain", (1, 4, 6, 3), 1e-5, False),
        ("large_eps", (2, 5, 4, 4), 1e-2, True),
    ):
        def inputs():
            given = {"x": uniform(*shape, low=-2.0, high=1.0)}
            return given | ({"weight": uniform(shape[1]), "bias": uniform(shape[1])} if affine else {})

        g.case(name, lambda x, weight=None, bias=None: F.instance_norm(x, None, None, weight, bias, eps=eps), inputs, {"eps": eps})


@golden
def layer_norm(g):
    for name, shape, eps, affine in (
        ("rows", (3, 17), 1e-5, True),
        ("plain", (2, 5, 33), 1e-5, False),
        ("long", (2, 300), 1e-6, True),
    ):
        def inputs():
            given = {"x": uniform(*shape, low=-1.0, high=2.0)}
            return given | ({"weight": uniform(shape[-1]), "bias": uniform(shape[-1])} if affine else {})

        g.case(name, lambda x, weight=None, bias=None: F.layer_norm(x, shape[-1:], weight, bias, eps), inputs, {"eps": eps})


@golden
def local_response_norm(g):
    for name, shape, size, alpha, beta, k in (
        ("alexnet", (2, 12, 3, 4), 5, 1e-4, 0.75, 2.0),
        ("even", (1, 7, 4, 3), 4, 0.5, 0.6, 1.0),
        ("wider_than_channels", (1, 3, 5, 5), 9, 1.0, 1.0, 0.5),
        ("one", (2, 5, 2, 2), 1, 0.3, -0.5, 1.0),
    ):
        attrs = {"size": size, "alpha": alpha, "beta": beta, "k": k}
        g.case(name, lambda x: F.local_response_norm(x, **attrs), lambda: {"x": uniform(*shape, low=-4.0, high=4.0)}, attrs)


@golden
def l2_norm(g):
    """Every pixel's channels scaled to unit length, times a weight for each channel (ParseNet, SSD)."""
    for shape in ((2, 5, 3, 4), (1, 64, 3, 2), (1, 1, 2, 2)):
        fn = lambda x, weight: F.normalize(x, dim=1) * weight.view(1, -1, 1, 1)
        # The gradient takes the part along x away from terms of this size; with one channel nothing is left.
        terms = lambda k: {"grad_x": (k["weight"].view(1, -1, 1, 1) / k["x"].norm(dim=1, keepdim=True)).square().mean().sqrt()}
        draw = lambda: {"x": off_zero(*shape), "weight": uniform(shape[1], low=0.5, high=20.0)}
        g.case("x".join(map(str, shape)), fn, draw, scale=terms if shape[1] == 1 else None)


# ---- pointwise ---------------------------------------------------------------------------------------------------------


@golden
def relu(g):
    elementwise(g, F.relu)
    g.case("zeros", lambda x: F.relu(x), lambda: {"x": torch.zeros(7)})


@golden
def leaky_relu(g):
    elementwise(g, F.leaky_relu)
    elementwise(g, lambda x: F.leaky_relu(x, 0.3), attrs={"negative_slope": 0.3}, tag="slope_")


@golden
def prelu(g):
    for shape in ((2, 3, 5, 7), (1, 8, 4, 4), (3, 5)):
        fn = lambda x, weight: F.prelu(x, weight)
        g.case("x".join(map(str, shape)), fn, lambda: {"x": off_zero(*shape), "weight": uniform(shape[1], low=0.05, high=0.5)})


@golden
def silu(g):
    elementwise(g, F.silu)
    elementwise(g, F.silu, lambda *s: uniform(*s, low=-30.0, high=30.0), tag="wide_")


@golden
def mish(g):
    elementwise(g, F.mish)
    elementwise(g, F.mish, lambda *s: uniform(*s, low=-30.0, high=30.0), tag="wide_")


@golden
def gelu(g):
    elementwise(g, F.gelu)
    elementwise(g, lambda x: F.gelu(x, approximate="tanh"), attrs={"approximate": "tanh"}, tag="tanh_")


@golden
def hardswish(g):
    elementwise(g, F.hardswish, lambda *s: uniform(*s, low=-5.0, high=5.0))


@golden
def hardsigmoid(g):
    elementwise(g, F.hardsigmoid, draw=lambda *shape: uniform(*shape, low=-6.0, high=6.0))


@golden
def sigmoid(g):
    elementwise(g, torch.sigmoid)
    elementwise(g, torch.sigmoid, lambda *s: uniform(*s, low=-40.0, high=40.0), tag="wide_", scale=saturating)


@golden
def tanh(g):
    elementwise(g, torch.tanh)
    elementwise(g, torch.tanh, lambda *s: uniform(*s, low=-20.0, high=20.0), tag="wide_", scale=saturating)


PAIRS = [
    ((1,), (1,)),
    ((257,), (257,)),
    ((2, 3, 5, 7), (2, 3, 5, 7)),
    ((2, 3, 5, 7), (1, 3, 1, 1)),
    ((2, 1, 5, 1), (1, 3, 1, 7)),
    ((4, 6), (6,)),
    ((5,), (3, 1)),
]


def binary_op(g, fn):
    for a, b in PAIRS:
        name = "_".join("x".join(map(str, s)) for s in (a, b))
        g.case(name, fn, lambda: {"a": uniform(*a), "b": uniform(*b)})


@golden
def add(g):
    binary_op(g, lambda a, b: a + b)


@golden
def mul(g):
    binary_op(g, lambda a, b: a * b)


@golden
def scale(g):
    elementwise(g, lambda x: -1.75 * x + 0.5, attrs={"alpha": -1.75, "beta": 0.5})


@golden
def reduce_sum(g):
    for shape, dim in (((7,), [0]), ((300, 5), [0]), ((2, 3, 5, 7), [2, 3]), ((2, 3, 5, 7), [0, 2, 3]), ((2, 3, 4), [-1]), ((2, 8, 4), [1])):
        for keepdim in (False, True):
            for mean in (False, True):
                fn = lambda x: (x.mean if mean else x.sum)(dim, keepdim=keepdim)
                name = f"{'x'.join(map(str, shape))}_{'_'.join(map(str, dim))}{'_keep' if keepdim else ''}{'_mean' if mean else ''}"
                g.case(name, fn, lambda: {"x": uniform(*shape, low=0.1)}, {"dim": dim, "keepdim": keepdim, "mean": mean})


@golden
def expand(g):
    for shape, size in (((1,), [9]), ((3, 1), [3, 5]), ((1, 3, 1, 1), [2, 3, 4, 5]), ((4,), [2, 3, 4]), ((2, 1, 8), [-1, 3, -1])):
        name = f"{'x'.join(map(str, shape))}_to_{'x'.join(map(str, size))}"
        g.case(name, lambda x: x.expand(size), lambda: {"x": uniform(*shape)}, {"size": size})


@golden
def clamp(g):
    draw = lambda *s: uniform(*s, low=-3.0, high=3.0)
    elementwise(g, lambda x: x.clamp(-1.0, 0.5), draw, {"min": -1.0, "max": 0.5})
    elementwise(g, lambda x: x.clamp(min=0.25), draw, {"min": 0.25}, tag="min_")
    elementwise(g, lambda x: x.clamp(max=0.25), draw, {"max": 0.25}, tag="max_")


def along(g, fn):
    for shape, dim in (((3, 5), 1), ((3, 5), 0), ((4,), 0), ((2, 3, 5, 7), 1), ((2, 3, 5, 7), 3), ((2, 3, 5, 7), -2), ((1, 81, 4, 5), 1), ((2, 300), 1), ((2, 7, 9), 1)):
        g.case(f"{'x'.join(map(str, shape))}_dim{dim}", lambda x: fn(x, dim), lambda: {"x": uniform(*shape, low=-5.0, high=5.0)}, {"dim": dim})
    g.case("large_logits", lambda x: fn(x, 1), lambda: {"x": uniform(4, 9, low=80.0, high=130.0)}, {"dim": 1})


@golden
def softmax(g):
    along(g, lambda x, dim: F.softmax(x, dim))


@golden
def log_softmax(g):
    along(g, lambda x, dim: F.log_softmax(x, dim))


# ---- shape -------------------------------------------------------------------------------------------------------------


@golden
def concat(g):
    for shapes, dim in (
        (((3,), (5,)), 0),
        (((2, 3), (2, 4), (2, 1)), 1),
        (((1, 3, 4, 5), (1, 2, 4, 5)), 1),
        (((1, 8, 4, 5), (1, 4, 4, 5)), 1),
        (((2, 3, 4, 5), (1, 3, 4, 5)), 0),
        (((1, 3, 2, 5), (1, 3, 4, 5), (1, 3, 1, 5)), 2),
        (((1, 3, 4, 2), (1, 3, 4, 7)), -1),
    ):
        name = "_".join("x".join(map(str, s)) for s in shapes) + f"_dim{dim}"
        fn = lambda **xs: torch.cat([xs[f"x{i}"] for i in range(len(xs))], dim)
        g.case(name, fn, lambda: {f"x{i}": uniform(*s) for i, s in enumerate(shapes)}, {"dim": dim})


@golden
def slice_(g):
    for name, shape, start, end, step in (
        ("all", (2, 3), [0, 0], [2, 3], [1, 1]),
        ("rows", (7, 5), [2, 0], [6, 5], [1, 1]),
        ("picture", (2, 3, 8, 9), [0, 1, 2, 3], [2, 3, 7, 9], [1, 1, 1, 1]),
        ("steps", (1, 4, 9, 11), [0, 0, 1, 0], [1, 4, 9, 11], [1, 2, 3, 2]),
        ("negative", (2, 3, 8, 9), [-1, 0, -5, 2], [2, -1, -1, 8], [1, 1, 1, 3]),
    ):
        cut = tuple(slice(*t) for t in zip(start, end, step))
        g.case(name, lambda x: x[cut], lambda: {"x": uniform(*shape)}, {"start": start, "end": end, "step": step})


@golden
def pad(g):
    for name, shape, pads, mode, value in (
        ("zeros", (2, 3, 4, 5), [1, 2, 3, 0], "constant", 0.0),
        ("value", (1, 2, 5, 4), [2, 1, 0, 1], "constant", 1.5),
        ("negative", (1, 2, 6, 7), [-1, 2, 1, -2], "constant", 0.0),
        ("channels", (1, 2, 4, 3), [1, 1, 0, 2, 1, 3], "constant", 0.0),
        ("reflect", (1, 3, 5, 6), [2, 1, 3, 4], "reflect", 0.0),
        ("replicate", (2, 2, 4, 3), [2, 4, 1, 3], "replicate", 0.0),
    ):
        attrs = {"pad": pads, "mode": mode} | ({"value": value} if value else {})
        g.case(name, lambda x: F.pad(x, pads, mode, value), lambda: {"x": uniform(*shape)}, attrs)


@golden
def reshape(g):
    for shape, to in (((6,), [2, 3]), ((2, 3, 4), [6, -1]), ((4, 6), [3, 8])):
        g.case(f"{'x'.join(map(str, shape))}_to_{'x'.join(map(str, to))}", lambda x: x.reshape(to), lambda: {"x": uniform(*shape)}, {"shape": to})


@golden
def permute(g):
    for shape, dims in (((3, 5), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4, 5), [0, 2, 3, 1]), ((2, 3, 4, 5), [3, 1, 0, 2]), ((1, 8, 7, 4), [0, 3, 1, 2])):
        g.case(f"{'x'.join(map(str, shape))}_{''.join(map(str, dims))}", lambda x: x.permute(dims), lambda: {"x": uniform(*shape)}, {"dims": dims})


@golden
def gather(g):
    for name, shape, index, dim in (
        ("vector", (9,), (20,), 0),
        ("rows", (7, 5), (11, 5), 0),
        ("columns", (3, 9), (2, 4), 1),
        ("channels", (2, 5, 3, 4), (2, 7, 3, 4), 1),
        ("height", (2, 3, 6, 4), (1, 2, 3, 4), 2),
        ("width", (1, 3, 4, 6), (1, 3, 4, 2), -1),
    ):
        draw = lambda: {"x": uniform(*shape), "index": torch.randint(0, shape[dim], index).int()}
        g.case(name, lambda x, index: torch.gather(x, dim, index), draw, {"dim": dim})


@golden
def depth_to_space(g):
    for shape, r in (((1, 4, 3, 5), 2), ((2, 18, 4, 2), 3), ((1, 16, 2, 3), 4)):
        g.case(f"{'x'.join(map(str, shape))}_by_{r}", lambda x: F.pixel_shuffle(x, r), lambda: {"x": uniform(*shape)}, {"upscale_factor": r})


@golden
def space_to_depth(g):
    for shape, r in (((1, 2, 6, 4), 2), ((2, 3, 9, 6), 3)):
        g.case(f"{'x'.join(map(str, shape))}_by_{r}", lambda x: F.pixel_unshuffle(x, r), lambda: {"x": uniform(*shape)}, {"downscale_factor": r})


@golden
def darknet_activation(g):
    """The functions as Darknet's own source defines them, `elu` and `selu` with its rounded constants."""

    def stair(x):
        n = torch.floor(x).detach()
        return torch.floor(x / 2).detach() + (x - n) * (n % 2)

    def pieces(x, low, high, slope, middle):
        below, above = slope * (x - low), slope * (x - high) + 1
        return torch.where(x < low, below, torch.where(x > high, above, middle(x)))

    functions = {
        "loggy": lambda x: 2 * torch.sigmoid(x) - 1,
        "elu": lambda x: F.elu(x),
        "selu": lambda x: 1.0507 * F.elu(x, alpha=1.6732),
        "ramp": lambda x: F.relu(x) + 0.1 * x,
        "plse": lambda x: pieces(x, -4, 4, 0.01, lambda x: x / 8 + 0.5),
        "stair": stair,
        "lhtan": lambda x: pieces(x, 0, 1, 0.001, lambda x: x),
        "hard_mish": lambda x: torch.where(x > 0, x, torch.where(x > -2, x * x / 2 + x, torch.zeros_like(x))),
    }
    for kind, fn in functions.items():
        for shape in ((5,), (2, 3, 4, 7)):
            name = f"{kind}_{'x'.join(map(str, shape))}"
            draw = lambda: {"x": torch.randint(-7, 7, shape).float() + uniform(*shape, low=0.1, high=0.9)}
            g.case(name, fn, draw, {"kind": kind})


@golden
def darknet_reorg(g):
    """Darknet reads its input as if it had c / s^2 channels of s times the height and width, and cuts that into blocks."""

    def fn(x, s):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c // (s * s), h, s, w, s)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, c * s * s, h // s, w // s)

    for shape, s in (((1, 4, 6, 4), 2), ((2, 64, 4, 6), 2), ((1, 9, 3, 6), 3)):
        g.case(f"{'x'.join(map(str, shape))}_by_{s}", lambda x: fn(x, s), lambda: {"x": uniform(*shape)}, {"stride": s})


RESIZES = [
    ((1, 2, 4, 5), [8, 10]),
    ((2, 3, 5, 7), [10, 14]),
    ((1, 3, 6, 8), [3, 4]),
    ((1, 2, 7, 9), [4, 5]),
    ((1, 4, 5, 6), [13, 7]),
    ((1, 2, 3, 3), [3, 3]),
    ((2, 1, 9, 11), [5, 23]),
    ((1, 3, 1, 1), [4, 3]),
    ((1, 2, 4, 6), [1, 1]),
]
FACTORS = [((1, 2, 4, 5), [2.0, 2.0]), ((1, 3, 5, 6), [1.5, 1.7]), ((2, 2, 9, 7), [0.6, 0.45]), ((1, 1, 10, 10), [2.3, 0.7])]


@golden
def resize(g):
    def both(mode, **more):
        tag = mode + "".join(f"_{k}" for k, v in more.items() if v)
        for shape, size in RESIZES:
            attrs = {"mode": mode, "size": size} | more
            g.case(f"{tag}_{shape[2]}x{shape[3]}_to_{size[0]}x{size[1]}", lambda x: F.interpolate(x, size=size, mode=mode, **more), lambda: {"x": uniform(*shape)}, attrs)
        for shape, factor in FACTORS:
            for recompute in (False, True):
                attrs = {"mode": mode, "scale_factor": factor, "recompute_scale_factor": recompute} | more
                fn = lambda x: F.interpolate(x, scale_factor=factor, mode=mode, recompute_scale_factor=recompute, **more)
                name = f"{tag}_{shape[2]}x{shape[3]}_by_{factor[0]}x{factor[1]}{'_recompute' if recompute else ''}"
                g.case(name, fn, lambda: {"x": uniform(*shape)}, attrs)

    both("nearest")
    both("nearest-exact")
    both("bilinear", align_corners=False)
    both("bilinear", align_corners=True)


# ---- losses ------------------------------------------------------------------------------------------------------------

REDUCTIONS = ("mean", "sum", "none")


def pairwise(g, fn, attrs=None, tag="", draw=None):
    """A loss of x against a target of its shape, under every reduction."""
    for reduction in REDUCTIONS:
        for shape in ((5,), (300,), (2, 3, 5, 7)):
            own = {"reduction": reduction} | (attrs or {})
            inputs = lambda: {"x": uniform(*shape, low=-3.0, high=3.0), "target": draw(*shape) if draw else uniform(*shape, low=-3.0, high=3.0)}
            g.case(f"{tag}{reduction}_{'x'.join(map(str, shape))}", lambda x, target: fn(x, target, reduction), inputs, own, wrt=["x"])


@golden
def l1(g):
    pairwise(g, lambda x, t, r: F.l1_loss(x, t, reduction=r))


@golden
def mse(g):
    pairwise(g, lambda x, t, r: F.mse_loss(x, t, reduction=r))


@golden
def smooth_l1(g):
    pairwise(g, lambda x, t, r: F.smooth_l1_loss(x, t, reduction=r))
    pairwise(g, lambda x, t, r: F.smooth_l1_loss(x, t, reduction=r, beta=0.11), {"beta": 0.11}, "beta_")


@golden
def huber(g):
    pairwise(g, lambda x, t, r: F.huber_loss(x, t, reduction=r))
    pairwise(g, lambda x, t, r: F.huber_loss(x, t, reduction=r, delta=2.5), {"delta": 2.5}, "delta_")


def binary(*shape):
    return torch.randint(0, 2, shape).float()


@golden
def bce_with_logits(g):
    fn = lambda x, t, r: F.binary_cross_entropy_with_logits(x, t, reduction=r)
    pairwise(g, fn, draw=binary)
    pairwise(g, fn, draw=torch.rand, tag="soft_")
    g.case("large_logits", lambda x, target: fn(x, target, "none"), lambda: {"x": uniform(40, low=-60.0, high=60.0), "target": binary(40)}, {"reduction": "none"}, wrt=["x"])
    for reduction in REDUCTIONS:
        for name, weighted, positive in (("weight", True, False), ("pos_weight", False, True), ("both", True, True)):

            def inputs():
                given = {"x": uniform(2, 3, 4, 5, low=-4.0, high=4.0), "target": binary(2, 3, 4, 5)}
                given |= {"weight": uniform(2, 3, 4, 5, low=0.1, high=3.0)} if weighted else {}
                return given | ({"pos_weight": uniform(3, low=0.5, high=5.0)} if positive else {})

            def loss(x, target, weight=None, pos_weight=None):
                pos_weight = None if pos_weight is None else pos_weight.view(-1, 1, 1)
                return F.binary_cross_entropy_with_logits(x, target, weight, reduction=reduction, pos_weight=pos_weight)

            g.case(f"{name}_{reduction}", loss, inputs, {"reduction": reduction}, wrt=["x"])


@golden
def focal(g):
    fn = torchvision.ops.sigmoid_focal_loss
    pairwise(g, lambda x, t, r: fn(x, t, reduction=r), draw=binary)
    pairwise(g, lambda x, t, r: fn(x, t, alpha=0.6, gamma=1.5, reduction=r), {"alpha": 0.6, "gamma": 1.5}, "other_", binary)
    pairwise(g, lambda x, t, r: fn(x, t, alpha=-1, gamma=0.0, reduction=r), {"alpha": -1, "gamma": 0.0}, "plain_", binary)


def overlap(x, target, each):
    """Sums of p t, p and t over everything, or over each picture."""
    p = torch.sigmoid(x)
    dims = tuple(range(1, x.dim())) if each else tuple(range(x.dim()))
    return (p * target).sum(dims), p.sum(dims), target.sum(dims)


def jaccard_loss(x, target, eps, each, log):
    both, p, t = overlap(x, target, each)
    j = (both + eps) / (p + t - both + eps)
    return (1 - (torch.log(j) if log else j)).mean()


def masks(shape, low=-4.0, high=4.0):
    return {"x": uniform(*shape, low=low, high=high), "target": binary(*shape)}


@golden
def dice(g):
    """Milletari et al. 2016 with plain sums below the line: 1 - (2 sum pt + s) / (sum p + sum t + s)."""

    def loss(x, target, smooth, each):
        both, p, t = overlap(x, target, each)
        return (1 - (2 * both + smooth) / (p + t + smooth)).mean()

    for shape in ((2, 1, 5, 7), (3, 2, 16, 17)):
        for smooth in (1.0, 0.01):
            for each in (False, True):
                name = f"{'x'.join(map(str, shape))}_smooth_{smooth}{'_each' if each else ''}"
                g.case(name, lambda x, target: loss(x, target, smooth, each), lambda: masks(shape), {"smooth": smooth, "per_picture": each}, wrt=["x"])


@golden
def jaccard(g):
    """Iglovikov, Shvets 2018: J = (sum pt + e) / (sum p + sum t - sum pt + e)."""
    for shape in ((2, 1, 5, 7), (3, 2, 16, 17)):
        for log in (True, False):
            for each in (False, True):
                name = f"{'x'.join(map(str, shape))}{'_log' if log else ''}{'_each' if each else ''}"
                g.case(name, lambda x, target: jaccard_loss(x, target, 1.0, each, log), lambda: masks(shape), {"log": log, "per_picture": each}, wrt=["x"])
    g.case("eps", lambda x, target: jaccard_loss(x, target, 0.01, False, True), lambda: masks((1, 1, 9, 8)), {"eps": 0.01}, wrt=["x"])


@golden
def bce_jaccard(g):
    for alpha in (0.5, 0.3):
        for log in (True, False):
            for weighted in (False, True):
                for each in (False, True):

                    def inputs():
                        given = masks((2, 1, 9, 7))
                        return given | ({"weight": uniform(2, 1, 9, 7, low=0.1, high=10.0)} if weighted else {})

                    def loss(x, target, weight=None):
                        cross = F.binary_cross_entropy_with_logits(x, target, weight)
                        return alpha * cross + (1 - alpha) * jaccard_loss(x, target, 1.0, each, log)

                    name = f"alpha_{alpha}{'_log' if log else ''}{'_weight' if weighted else ''}{'_each' if each else ''}"
                    g.case(name, loss, inputs, {"alpha": alpha, "log": log, "per_picture": each}, wrt=["x"])


@golden
def cross_entropy(g):
    def one(name, shape, attrs, weighted=False, ignored=False, **more):
        def inputs():
            target = torch.randint(0, shape[1], (shape[0], *shape[2:])).int()
            if ignored:
                target = torch.where(torch.rand(target.shape) < 0.3, attrs.get("ignore_index", -100), target.long()).int()
            given = {"x": uniform(*shape, low=-4.0, high=4.0), "target": target}
            return given | ({"weight": uniform(shape[1], low=0.2, high=3.0)} if weighted else {})

        g.case(name, lambda x, target, weight=None: F.cross_entropy(x, target, weight, **attrs), inputs, attrs, wrt=["x"], **more)

    for reduction in REDUCTIONS:
        own = {"reduction": reduction}
        one(f"rows_{reduction}", (7, 5), own)
        one(f"picture_{reduction}", (2, 4, 5, 6), own)
        one(f"weight_{reduction}", (2, 4, 5, 6), own, weighted=True)
        one(f"ignore_{reduction}", (2, 4, 5, 6), own, ignored=True)
        one(f"ignore_255_{reduction}", (2, 4, 5, 6), own | {"ignore_index": 255}, ignored=True)
        one(f"smoothing_{reduction}", (2, 4, 5, 6), own | {"label_smoothing": 0.1})
        one(f"everything_{reduction}", (2, 5, 6, 7), own | {"label_smoothing": 0.2}, weighted=True, ignored=True)
        one(f"two_classes_{reduction}", (1, 2, 9, 7), own)
    one("many_classes", (33, 91), {})
    one("many_pixels", (1, 3, 31, 33), {"reduction": "mean"})


# ---- optimisers --------------------------------------------------------------------------------------------------------


def steps(g, tag, make, states, rates, attrs, outputs, shape=(37,), clip=1.0, count=4):
    """Several steps of a torch optimiser; each is a case that starts from the float32 state the one before ended in. `states`
    maps the op's names to torch's; `rates(t)` are the numbers of `control` behind the clip factor and the flag."""
    g.seed(tag)
    param = uniform(*shape).double().requires_grad_(True)
    optimiser = make([param])
    for t in range(1, count + 1):
        grad = uniform(*shape)
        param.data = param.data.float().double()
        state = optimiser.state[param]
        given = {"param": param.detach().float(), "grad": grad}
        for own, theirs in states.items():
            if state.get(theirs) is None:
                given[own] = torch.zeros(shape)
            else:
                state[theirs] = state[theirs].float().double()
                given[own] = state[theirs].float()
        control = [clip, 1.0, *rates(t)]
        given["control"] = torch.tensor(control + [0.0] * (8 - len(control)))
        param.grad = grad.double() * given["control"][0].double()
        optimiser.step()
        state = optimiser.state[param]
        wanted = [param.detach()] + [state[s] if state.get(s) is not None else torch.zeros(shape) for s in states.values()]
        values = tuple(w.clone() for w in wanted)
        values = values[: len(outputs)]
        g.case(f"{tag}_step_{t}", lambda **_: values, given, attrs, wrt=[], outputs=outputs)


def adam_steps(g, make, decay):
    def rates(lr, beta1=0.9, beta2=0.999):
        return lambda t: [lr, lr / (1 - beta1**t), 1 / (1 - beta2**t) ** 0.5]

    states = {"m": "exp_avg", "v": "exp_avg_sq"}
    outputs = ("new_param", "new_m", "new_v")
    steps(g, "plain", lambda p: make(p, lr=0.01, weight_decay=0.0), states, rates(0.01), {"weight_decay": 0.0}, outputs)
    steps(g, "decay", lambda p: make(p, lr=0.1, weight_decay=decay), states, rates(0.1), {"weight_decay": decay}, outputs)
    steps(
        g,
        "betas",
        lambda p: make(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=decay),
        states,
        rates(0.02, 0.8, 0.95),
        {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": decay},
        outputs,
        shape=(3, 5, 20),
    )
    steps(g, "clipped", lambda p: make(p, lr=0.01, weight_decay=decay), states, rates(0.01), {"weight_decay": decay}, outputs, clip=0.25)


@golden
def adam(g):
    adam_steps(g, torch.optim.Adam, 0.05)


@golden
def adamw(g):
    adam_steps(g, torch.optim.AdamW, 0.3)


@golden
def sgd(g):
    for name, attrs, clip in (
        ("plain", {}, 1.0),
        ("decay", {"weight_decay": 0.1}, 1.0),
        ("momentum", {"momentum": 0.9}, 1.0),
        ("momentum_decay", {"momentum": 0.8, "weight_decay": 0.05}, 0.5),
        ("nesterov", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, 1.0),
    ):
        moving = "momentum" in attrs
        states = {"buffer": "momentum_buffer"} if moving else {}
        outputs = ("new_param", "new_buffer") if moving else ("new_param",)
        steps(g, name, lambda p: torch.optim.SGD(p, lr=0.05, **attrs), states, lambda t: [0.05], attrs, outputs, clip=clip)


@golden
def rmsprop(g):
    states = {"square": "square_avg", "buffer": "momentum_buffer"}
    for name, attrs, clip in (
        ("plain", {}, 1.0),
        ("momentum", {"momentum": 0.9}, 1.0),
        ("everything", {"alpha": 0.9, "eps": 1e-4, "momentum": 0.7, "weight_decay": 0.1}, 0.25),
    ):
        # Without momentum torch keeps no buffer.
        outputs = ("new_param", "new_square", "new_buffer")[: 3 if "momentum" in attrs else 2]
        steps(g, name, lambda p: torch.optim.RMSprop(p, lr=0.02, **attrs), states, lambda t: [0.02], attrs, outputs, clip=clip)


@golden
def ema(g):
    """torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn, one step; control[5] is one minus the decay."""
    for decay in (0.5, 0.99, 0.9999):

        def inputs():
            control = torch.tensor([1.0, 1.0, 0.1, 0.1, 1.0, 1 - decay, 0.0, 0.0])
            return {"shadow": uniform(300), "param": uniform(300), "control": control}

        def fn(shadow, param, control):
            shadow = shadow.clone()
            torch.optim.swa_utils.get_ema_multi_avg_fn(1 - float(control[5]))([shadow], [param], 1)
            return shadow

        g.case(f"decay_{decay}", fn, inputs, wrt=[], outputs=("new_shadow",))


@golden
def weighted_sum(g):
    for weights in ([1.0], [0.5, -2.0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]):
        fn = lambda **xs: sum(w * xs[f"x{i + 1}"] for i, w in enumerate(weights))
        draw = lambda: {f"x{i + 1}": torch.rand(()) for i in range(len(weights))}
        g.case(f"{len(weights)}", fn, draw, {"weights": weights})


@golden
def square_sum(g):
    for count in (1, 257, 5000):
        fn = lambda sums, x: torch.cat([sums[:2], (x * x).sum().view(1), sums[3:]])
        g.case(f"{count}", fn, lambda: {"sums": uniform(5), "x": uniform(count)}, {"first": 2}, wrt=[])


@golden
def clip_guard(g):
    """torch.nn.utils.clip_grad_norm_ on gradients of which only the sums of squares are known."""
    for name, scale, limit in (("clips", 3.0, 1.0), ("leaves", 0.1, 1.0), ("unlimited", 3.0, 0.0)):
        def inputs():
            return {"sums": scale * torch.rand(7), "hyper": uniform(6)}

        def fn(sums, hyper):
            param = torch.zeros(sums.shape, dtype=torch.float64, requires_grad=True)
            param.grad = sums.sqrt()
            norm = torch.nn.utils.clip_grad_norm_([param], limit or 1e30)
            factor = (param.grad[0] / sums[0].sqrt()).view(1)
            return torch.cat([factor, torch.ones(1), hyper]), norm

        g.case(name, fn, inputs, {"max_norm": limit}, wrt=[], outputs=("control", "norm"))


@golden
def nonfinite(g):
    def one(name, x):
        g.case(name, lambda x: U32((~torch.isfinite(x)).sum()), {"x": x}, wrt=[], outputs=("count",))

    odd = torch.arange(600).float()
    odd[[3, 255, 256, 599]] = torch.tensor([float("nan"), float("inf"), -float("inf"), float("nan")])
    one("some", odd)
    one("none", torch.arange(5).float())
    one("extremes", torch.tensor([3.4e38, -3.4e38, 1e-40, 0.0, -0.0]))


@golden
def top_k(g):
    def largest(k):
        def fn(x):
            values, indices = torch.topk(x, k)
            return values, indices, torch.full((x.shape[0],), k)

        return fn

    for n, m, k in ((1, 7, 3), (3, 300, 300), (2, 1500, 64)):
        g.case(f"{n}x{m}_{k}", largest(k), lambda: {"x": distinct(n, m)}, {"k": k}, outputs=("values", "indices", "count"))

    def above(x):
        # PyTorch has no threshold of its own: what is not above it is cut off the sorted row.
        values, indices = torch.sort(x, dim=1, descending=True, stable=True)
        taken = values > 1.0
        return torch.where(taken, values, 0.0), torch.where(taken, indices, -1), taken.sum(1)

    g.case("threshold", above, lambda: {"x": distinct(2, 50)}, {"threshold": 1.0}, outputs=("values", "indices", "count"))
    ties = lambda: {"x": coarse(2, 400)}
    g.case("ties", above, ties, {"threshold": 1.0}, wrt=[], outputs=("values", "indices", "count"))


def clustered(count, spread=200.0):
    """Boxes around a few objects, as a detector leaves them."""
    centres = torch.rand(1 + count // 25, 4) * torch.tensor([spread, spread, 40.0, 40.0]) + 10.0
    some = centres[torch.randint(len(centres), (count,))] + torch.rand(count, 4) * 8 - 4
    return torch.cat([some[:, :2] - some[:, 2:] / 2, some[:, :2] + some[:, 2:] / 2], 1)


@golden
def nms(g):
    def padded(keep, size):
        return torch.cat([keep, torch.full((size - len(keep),), -1)])

    def fn(threshold, max_out=None):
        # In float32, as detectors call it: what is kept hangs on the last bit where an overlap meets the threshold.
        def run(boxes, scores, groups=None):
            rows = []
            for i in range(len(boxes)):
                b, s = boxes[i].float(), scores[i].float()
                if groups is None:
                    keep = torchvision.ops.nms(b, s, threshold)
                else:
                    keep = torchvision.ops.boxes._batched_nms_vanilla(b, s, groups[i], threshold)
                rows.append(keep[:max_out])
            size = max_out or boxes.shape[1]
            return torch.stack([padded(r, size) for r in rows]), torch.tensor([len(r) for r in rows])

        return run

    def one(name, draw, threshold, max_out=None):
        attrs = {"iou_threshold": threshold} | ({"max_out": max_out} if max_out else {})
        g.case(name, fn(threshold, max_out), draw, attrs, wrt=[], outputs=("keep", "count"))

    def scored(boxes, groups=None):
        n, k = boxes.shape[:2]
        scores = torch.stack([torch.randperm(k).float() / k for _ in range(n)])
        return {"boxes": boxes, "scores": scores} | ({"groups": torch.randint(groups, (n, k))} if groups else {})

    several = lambda n, k: torch.stack([clustered(k) for _ in range(n)])
    for threshold in (0.3, 0.45, 0.5, 0.7):
        one(f"clustered_{threshold}", lambda: scored(several(2, 300)), threshold)
    one("blocks", lambda: scored(several(1, 2500)), 0.5)
    one("classes", lambda: scored(several(2, 400), 5), 0.45)
    one("max_out", lambda: scored(several(2, 300)), 0.5, 20)

    def whole(k):
        # Small whole numbers: overlaps of exactly 1/2, 1/3, 3/5 and so on, at thresholds that f32 can and cannot hold.
        corner = torch.randint(0, 7, (1, k, 2)).float()
        return torch.cat([corner, corner + torch.randint(1, 7, (1, k, 2))], 2)

    for threshold in (0.0, 0.2, 0.25, 0.3, 1 / 3, 0.5, 0.6, 0.7, 1.0):
        one(f"whole_{threshold:.2f}", lambda: scored(whole(150)), threshold)
    same = torch.tensor([3.0, 4.0, 10.0, 20.0])
    one("identical", lambda: scored(same.expand(2, 200, 4).contiguous()), 0.5)
    grid = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij"), -1).reshape(1, 400, 2)
    one("touching", lambda: scored(torch.cat([grid, grid + 1.0], 2)), 0.0)
    one("without_area", lambda: scored(torch.randint(0, 4, (1, 200, 4)).float()), 0.1)
    ties = lambda: {"boxes": several(1, 300), "scores": torch.randint(0, 4, (1, 300)) / 4}
    one("equal_scores", ties, 0.5)
    one("one", lambda: scored(several(1, 1)), 0.5)


@golden
def box_iou(g):
    def fn(a, b):
        return torch.stack([torchvision.ops.box_iou(p, q) for p, q in zip(a, b)])

    for n, rows, columns in ((1, 3, 5), (2, 40, 17)):
        draw = lambda: {k: torch.stack([clustered(c, 60.0) for _ in range(n)]) for k, c in (("a", rows), ("b", columns))}
        g.case(f"{n}x{rows}x{columns}", fn, draw, wrt=[], outputs=("iou",))


@golden
def gather_rows(g):
    def fn(x, index):
        return torch.stack([row[chosen] for row, chosen in zip(x, index)])

    for shape, k in (((1, 5, 4), 3), ((2, 9), 30), ((2, 7, 3, 2), 6)):
        draw = lambda: {"x": uniform(*shape), "index": torch.randint(0, shape[1], (shape[0], k))}
        g.case(f"{'x'.join(map(str, shape))}_{k}", fn, draw)


@golden
def gather_channels(g):
    def fn(x, index):
        return x[torch.arange(len(x)), index][:, None]

    for shape in ((3, 5, 4, 2), (7, 2, 3, 3), (2, 91, 5, 5)):
        draw = lambda: {"x": uniform(*shape), "index": torch.randint(0, shape[1], shape[:1])}
        g.case("x".join(map(str, shape)), fn, draw)


# Regions of a picture of 48 x 64: inside, over each border and corner, outside, without area, small, the whole, and many at random.
EDGES = [
    [3.3, 5.1, 40.7, 30.2], [-9.2, -7.7, 20.4, 18.3], [50.1, 30.6, 75.9, 60.3], [-12.1, 10.3, 80.2, 20.7], [70.3, 5.2, 90.1, 20.9],
    [10.2, 60.4, 30.3, 75.8], [12.3, 9.1, 12.3, 9.1], [20.6, 8.2, 20.6, 30.9], [7.7, 22.2, 8.9, 22.9], [0.0, 0.0, 64.0, 48.0],
    [-40.3, -30.4, -20.2, -15.6],
]


def several_regions(n, count):
    """The first of them as above, then random ones."""
    low = torch.rand(n, count, 2) * torch.tensor([70.0, 54.0]) - 10.0
    boxes = torch.cat([low, low + torch.rand(n, count, 2) * torch.tensor([50.0, 40.0])], 2)
    given = torch.tensor(EDGES[:count])
    boxes[:, : len(given)] = given
    return boxes


@golden
def roi_align(g):
    def one(name, size, scale, ratio, aligned, map_, count, n=2):
        def fn(x, rois):
            return torchvision.ops.roi_align(x, list(rois), size, scale, ratio, aligned)

        attrs = {"output_size": size, "spatial_scale": scale, "sampling_ratio": ratio, "aligned": aligned}
        g.case(name, fn, lambda: {"x": uniform(n, *map_), "rois": several_regions(n, count)}, attrs, wrt=["x"])

    for aligned in (False, True):
        kind = "aligned" if aligned else "plain"
        for ratio in (-1, 0, 1, 2, 3):
            one(f"{kind}_{ratio}", [3, 2], 0.25, ratio, aligned, (3, 12, 16), 14)
        one(f"{kind}_7x7", [7, 7], 0.25, 2, aligned, (4, 12, 16), 12)
        one(f"{kind}_one", [1, 1], 0.125, -1, aligned, (4, 6, 8), 11)
        one(f"{kind}_many", [2, 2], 0.125, 2, aligned, (4, 6, 8), 70)
    one("wide", [2, 2], 0.25, 2, False, (68, 6, 8), 12, 1)

    def turned(x, rois):
        return torchvision.ops.roi_align(x, list(rois), [2, 3], 0.5, 2, True)

    # Corners the wrong way round: the samples run backwards.
    draw = lambda: {"x": uniform(1, 2, 24, 32), "rois": torch.tensor([[[30.3, 20.1, 10.2, 5.7], [12.2, 40.3, 30.1, 8.6]]])}
    attrs = {"output_size": [2, 3], "spatial_scale": 0.5, "sampling_ratio": 2, "aligned": True}
    g.case("turned", turned, draw, attrs, wrt=["x"])

    def pyramid(x, x1, x2, rois, levels):
        # What torchvision's MultiScaleRoIAlign does with the levels that its mapper gives.
        maps, chosen = (x, x1, x2), levels.flatten()
        index = torch.arange(len(rois)).repeat_interleave(rois.shape[1])
        whole = torch.cat([index[:, None].to(rois), rois.reshape(-1, 4)], 1)
        y = x.new_zeros(len(whole), x.shape[1], 7, 7)
        for level, (features, scale) in enumerate(zip(maps, scales)):
            own = torch.where(chosen == level)[0]
            y = y.index_put((own,), torchvision.ops.roi_align(features, whole[own], 7, scale, 2))
        return y

    scales = [0.25, 0.125, 0.0625]
    attrs = {"output_size": 7, "spatial_scale": scales, "sampling_ratio": 2}
    sides = ((12, 16), (6, 8), (3, 4))
    draw = lambda: dict(zip(("x", "x1", "x2"), (uniform(2, 4, *side) for side in sides))) | {
        "rois": several_regions(2, 20),
        "levels": torch.randint(-1, 3, (2, 20)),
    }
    g.case("pyramid", pyramid, draw, attrs, wrt=["x", "x1", "x2"])


@golden
def roi_levels(g):
    from torchvision.ops.poolers import LevelMapper

    def sizes():
        low = torch.rand(2, 200, 2) * 300
        return {"rois": torch.cat([low, low + torch.exp2(torch.rand(2, 200, 2) * 12 - 2)], 2)}

    for low, high, scale, level in ((2, 5, 224, 4), (3, 7, 224, 4), (0, 3, 100, 2), (4, 4, 224, 4)):
        fn = lambda rois: LevelMapper(low, high, scale, level)(list(rois)).reshape(rois.shape[:2])
        attrs = {"k_min": low, "k_max": high, "canonical_scale": scale, "canonical_level": level}
        g.case(f"{low}_{high}_{scale}_{level}", fn, sizes, attrs, wrt=[], outputs=("levels",))


@golden
def roi_pool(g):
    def one(name, size, scale, map_, draw, count, n=2):
        def fn(x, rois):
            # The public function keeps the places to itself; they are h * W + w.
            index = torch.arange(n).repeat_interleave(count)[:, None].to(rois)
            whole = torch.cat([index, rois.reshape(-1, 4)], 1)
            y, places = torch.ops.torchvision.roi_pool(x, whole, scale, *size)
            return y, places.long()

        attrs = {"output_size": size, "spatial_scale": scale}
        inputs = lambda: {"x": draw(n, *map_), "rois": several_regions(n, count)}
        g.case(name, fn, inputs, attrs, wrt=["x"], outputs=("y", "indices"))

    one("7x7", [7, 7], 0.25, (3, 12, 16), distinct, 14)
    one("2x3", [2, 3], 0.25, (4, 12, 16), distinct, 14)
    one("one", [1, 1], 0.125, (4, 6, 8), distinct, 11)
    one("many", [3, 3], 0.125, (4, 6, 8), distinct, 70)
    one("ties", [3, 2], 0.25, (4, 12, 16), coarse, 14)
    one("wide", [2, 2], 0.25, (68, 6, 8), distinct, 12, 1)


@golden
def mask_targets(g):
    from torchvision.models.detection.roi_heads import project_masks_on_boxes

    def blobs(n, truths, height, width):
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        place = torch.rand(n, truths, 3, 1, 1) * torch.tensor([height, width, height / 2])[:, None, None]
        return ((rows - place[:, :, 0]) ** 2 + (columns - place[:, :, 1]) ** 2 < place[:, :, 2] ** 2).long()

    def packed_bits(masks):
        words = F.pad(masks, (0, -masks.shape[-1] % 32)).unflatten(-1, (-1, 32))
        return U32((words << torch.arange(32)).sum(-1))

    def one(name, size, truths, height, width, count, crop=None):
        def fn(gt_masks, rois, matched, image_sizes=None):
            masks = (gt_masks[..., None] >> torch.arange(32) & 1).flatten(-2).double()
            h, w = (height, masks.shape[-1]) if image_sizes is None else crop
            return torch.cat([project_masks_on_boxes(m[:, :h, :w], r, i, size) for m, r, i in zip(masks, rois, matched)])[:, None]

        def draw():
            whole = {"gt_masks": packed_bits(blobs(2, truths, height, width)), "rois": several_regions(2, count)}
            sizes = {"image_sizes": torch.tensor([crop, crop]).float()} if crop else {}
            return whole | {"matched": torch.randint(0, truths, (2, count))} | sizes

        g.case(name, fn, draw, {"size": size}, wrt=[])

    one("28", 28, 3, 48, 64, 5)
    one("14", 14, 5, 48, 64, 16)
    one("cut", 7, 4, 48, 64, 20, (41, 53))
    one("small", 3, 2, 20, 32, 16)


@golden
def mask_paste(g):
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    def fn(masks, boxes):
        return torch.stack([paste_masks_in_image(m[:, None], b, size)[:, 0] for m, b in zip(masks, boxes)])

    def on_picture(n, count, height, width):
        # Over the borders too, but never wholly outside, where torchvision fails; the first without area.
        extent = torch.tensor([width, height])
        low = (torch.rand(n, count, 2) - 0.2) * extent
        high = torch.maximum(low + torch.rand(n, count, 2) * extent, torch.rand(n, count, 2) * 0.2 * extent + 1.0)
        high[:, 0] = low[:, 0] = low[:, 0].abs()
        return torch.cat([low, high], 2)

    for side, size, count in ((28, (40, 56), 4), (14, (33, 47), 5), (7, (20, 30), 9), (1, (9, 11), 6)):
        draw = lambda: {"masks": uniform(2, count, side, side, low=0.0), "boxes": on_picture(2, count, *size)}
        g.case(f"{side}_{size[0]}x{size[1]}", fn, draw, {"size": list(size)}, wrt=[])


@golden
def split_index(g):
    def fn(index):
        return torch.div(index, 80, rounding_mode="floor"), torch.remainder(index, 80)

    draw = lambda: {"index": torch.randint(0, 900000, (2, 300))}
    g.case("80", fn, draw, {"divisor": 80}, wrt=[], outputs=("quotient", "remainder"))


@golden
def reciprocal(g):
    for shape in ((7,), (2, 3, 4, 5)):
        g.case("x".join(map(str, shape)), torch.reciprocal, lambda: {"x": off_zero(*shape)})


@golden
def one_hot(g):
    fn = lambda index: F.one_hot(index, 21).double()
    for shape in ((9,), (2, 7), (2, 3, 4)):
        draw = lambda: {"index": torch.randint(0, 21, shape)}
        g.case("x".join(map(str, shape)), fn, draw, {"num_classes": 21}, wrt=[])


def spread(*shape, span=600.0, smallest=4.0, largest=300.0):
    """Boxes (..., 4) with positive sides, some beyond a picture of `span`."""
    centre = uniform(*shape, 2, low=-0.1 * span, high=1.1 * span)
    size = torch.exp(uniform(*shape, 2, low=math.log(smallest), high=math.log(largest)))
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


CODERS = {"rpn": (1.0, 1.0, 1.0, 1.0), "heads": (10.0, 10.0, 5.0, 5.0), "uneven": (2.0, 3.0, 0.5, 1.5)}


@golden
def box_decode(g):
    def fn(weights, sizes):
        def run(deltas, boxes, image_sizes=None):
            n, rows, _ = deltas.shape
            boxes = boxes.expand(n, rows, 4)
            coder = torchvision.models.detection._utils.BoxCoder(weights)
            made = coder.decode(deltas.flatten(0, 1), [b for b in boxes]).reshape(n, -1, 4)
            if sizes:
                clip = torchvision.ops.clip_boxes_to_image
                made = torch.stack([clip(m, tuple(map(int, s))) for m, s in zip(made, image_sizes)])
            return made

        return run

    for coder, weights in CODERS.items():
        for n, rows, classes, alike, sizes in ((1, 5, 1, False, False), (2, 9, 1, True, True), (2, 6, 4, False, True)):
            name = f"{coder}_{n}x{rows}x{classes}" + ("_alike" if alike else "") + ("_clipped" if sizes else "")

            def draw():
                # Some growths lie beyond the bound of log(1000 / 16).
                scale = torch.tensor(weights * classes)
                drawn = {"deltas": torch.randn(n, rows, 4 * classes) * scale, "boxes": spread(1 if alike else n, rows)}
                drawn["deltas"][:, ::4] *= 3
                return drawn | ({"image_sizes": torch.tensor([[480.0, 600.0], [333.0, 500.0]])[:n]} if sizes else {})

            g.case(name, fn(weights, sizes), draw, {"weights": weights}, wrt=["deltas"])


@golden
def box_encode(g):
    def fn(weights):
        def run(reference, boxes):
            boxes = boxes.expand_as(reference)
            coder = torchvision.models.detection._utils.BoxCoder(weights)
            return torch.stack([coder.encode_single(r, b) for r, b in zip(reference, boxes)])

        return run

    for coder, weights in CODERS.items():
        for n, rows, alike in ((1, 7, False), (3, 30, True)):
            draw = lambda: {"reference": spread(n, rows), "boxes": spread(1 if alike else n, rows)}
            name = f"{coder}_{n}x{rows}" + ("_alike" if alike else "")
            g.case(name, fn(weights), draw, {"weights": weights}, wrt=[])


@golden
def match_boxes(g):
    def fn(high, low, low_quality):
        # In float32, as detectors call it: overlaps meet thresholds and each other exactly.
        def run(boxes, gt_boxes, gt_labels):
            matcher = torchvision.models.detection._utils.Matcher(high, low, low_quality)
            rows = []
            for i, (truths, labels) in enumerate(zip(gt_boxes.float(), gt_labels)):
                own = boxes[i if len(boxes) > 1 else 0].float()
                places = torch.where(labels >= 0)[0]
                found = matcher(torchvision.ops.box_iou(truths[places], own))
                rows.append(torch.where(found >= 0, places[found.clamp(min=0)], found))
            return torch.stack(rows)

        return run

    def whole(*shape, span=24, largest=12):
        """Boxes of whole pixels: overlaps such as 1/2 and 7/10, many of them more than once."""
        low = torch.randint(0, span, (*shape, 2))
        return torch.cat([low, low + torch.randint(1, largest, (*shape, 2))], dim=-1).float()

    def labels(*shape):
        """True boxes and gaps between them; the first is always there."""
        drawn = torch.randint(-1, 20, shape)
        drawn[torch.rand(shape) < 0.3] = -1
        drawn[:, 0] = 1
        return drawn

    makers = {"whole": whole, "spread": spread}
    for kind, make in makers.items():
        for high, low, low_quality in ((0.7, 0.3, True), (0.5, 0.4, True), (0.5, 0.5, False), (0.7, 0.3, False)):
            for n, rows, truths, alike in ((1, 40, 3, False), (2, 700, 9, True), (3, 257, 20, False)):
                draw = lambda: {
                    "boxes": make(1 if alike else n, rows),
                    "gt_boxes": make(n, truths),
                    "gt_labels": labels(n, truths),
                }
                attrs = {"high_threshold": high, "low_threshold": low, "allow_low_quality_matches": low_quality}
                name = f"{kind}_{high}_{low}_{'low' if low_quality else 'plain'}_{n}x{rows}x{truths}"
                g.case(name, fn(high, low, low_quality), draw, attrs, wrt=[], outputs=("matched",))

    # A true box that nothing overlaps: all boxes keep what they overlap most, which is the first true box where it is nothing.
    far = lambda: {
        "boxes": whole(1, 50),
        "gt_boxes": torch.cat([whole(1, 3), torch.tensor([[[900.0, 900.0, 950.0, 960.0]]])], dim=1),
        "gt_labels": torch.ones(1, 4, dtype=torch.int64),
    }
    attrs = {"high_threshold": 0.7, "low_threshold": 0.3, "allow_low_quality_matches": True}
    g.case("far", fn(0.7, 0.3, True), far, attrs, wrt=[], outputs=("matched",))


@golden
def sample_balanced(g):
    """The numbers of positives and negatives alone: which are taken is a hash here, and PyTorch's generator there."""

    def fn(size, fraction):
        def run(matched, step):
            sampler = torchvision.models.detection._utils.BalancedPositiveNegativeSampler(size, fraction)
            # torchvision's labels: 1 and above positive, 0 negative, -1 neither.
            labels = torch.where(matched >= 0, 1, torch.where(matched == -1, 0, -1))
            positive, negative = sampler(list(labels))
            return torch.stack([torch.stack([p.sum(), n.sum()]) for p, n in zip(positive, negative)])

        return run

    def drawn(n, rows, positives, neither):
        kinds = torch.rand(n, rows)
        matched = torch.full((n, rows), -1)
        matched[kinds < positives + neither] = -2
        return torch.where(kinds < positives, torch.randint(0, 9, (n, rows)), matched)

    for size, fraction in ((256, 0.5), (512, 0.25), (10, 0.3), (7, 0.5)):
        shares = ((1, 5, 0.5, 0.2), (2, 600, 0.02, 0.1), (2, 600, 0.5, 0.1), (1, 300, 1.0, 0.0), (2, 900, 0.0, 0.5))
        for n, rows, positives, neither in shares:
            draw = lambda: {"matched": drawn(n, rows, positives, neither), "step": U32(torch.tensor([3]))}
            attrs = {"size": size, "positives": int(size * fraction)}
            g.case(f"{size}_{fraction}_{n}x{rows}_{positives}", fn(size, fraction), draw, attrs, wrt=[], outputs=("counts",))


def write_anchors():
    """anchors.json, for the unit tests of src/detection/anchors.rs: what AnchorGenerator makes for padded inputs and grids."""
    retina = [[s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))] for s in (32, 64, 128, 256, 512)]
    pyramid = lambda h, w, first: [[-(-h // 2**k), -(-w // 2**k)] for k in range(first, first + 5)]
    cases = (
        ([[32], [64], [128], [256], [512]], [0.5, 1.0, 2.0], [224, 320], pyramid(224, 320, 2)),
        (retina, [0.5, 1.0, 2.0], [224, 320], pyramid(224, 320, 3)),
        # Strides that do not divide, and differ in height and width.
        ([[32, 64], [128, 200]], [0.5, 1.0, 2.0], [100, 160], [[7, 11], [3, 4]]),
        # Halves, which round to even, and ratios whose roots are not exact.
        ([[1, 3, 5, 7, 9, 11.5]], [0.33, 0.25, 1.0, 3.0, 4.0], [64, 48], [[2, 3]]),
    )
    made = []
    for sizes, ratios, padded, grids in cases:
        levels = tuple(map(tuple, sizes)), (tuple(ratios),) * len(sizes)
        generator = torchvision.models.detection.anchor_utils.AnchorGenerator(*levels)
        images = torchvision.models.detection.image_list.ImageList(torch.zeros(1, 3, *padded), [tuple(padded)])
        anchors = generator(images, [torch.zeros(1, 1, *g) for g in grids])[0]
        places = sorted({0, 1, len(anchors) - 1} | {i * len(anchors) // 40 for i in range(40)})
        made.append({
            "spec": {"sizes": sizes, "ratios": ratios},
            "base": [b.tolist() for b in generator.cell_anchors],
            "padded": padded,
            "grids": grids,
            "count": len(anchors),
            "some": [[i, anchors[i].tolist()] for i in places],
            "sums": anchors.double().sum(dim=0).tolist(),
        })
    text = ",\n".join(json.dumps(m) for m in made)
    (FOLDER / "anchors.json").write_text(f"[{text}]\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    chosen = sys.argv[1:] or sorted(MAKERS)
    total = 0
    if not sys.argv[1:] or "anchors" in chosen:
        write_anchors()
        chosen = [op for op in chosen if op != "anchors"]
    for op in chosen:
        g = Golden(op)
        MAKERS[op](g)
        g.write()
        size = (FOLDER / f"{op}.safetensors").stat().st_size
        total += size
        print(f"{op}: {len(g.cases)} cases, {size // 1024} KiB")
    print(f"{len(chosen)} files, {total // 1024} KiB")


if __name__ == "__main__":
    main()
