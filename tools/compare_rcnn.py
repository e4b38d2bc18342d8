#!/usr/bin/env python3
"""Whether torchvision loads a detector's checkpoint that the library saved: every name, every shape, nothing more and nothing less.

    python3 tools/compare_rcnn.py MODEL CHECKPOINT [--norm frozen|train] [--formula FILE]

MODEL is torchvision's builder (fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2, ...), CHECKPOINT a safetensors file in PyTorch's names and
layouts. The number of classes is read from it. With --formula also compares all values with the formula's, changed as the golden FILE
of make_rcnn_goldens.py says (bit for bit): for a checkpoint that was filled so, saved and not trained. Prints OK, or what is wrong and
ends with status 1.
"""
import argparse
import json
import sys

import rcnn_models
import torch
from safetensors import safe_open
from safetensors.torch import load_file


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", choices=sorted(rcnn_models.BUILDERS))
    arguments.add_argument("checkpoint")
    arguments.add_argument("--norm", choices=("frozen", "train"), default="frozen", help="batch norms of a v1 backbone")
    arguments.add_argument("--formula", metavar="FILE")
    a = arguments.parse_args()
    saved = load_file(a.checkpoint)
    retina = "retina" in a.model
    key = "head.regression_head.bbox_reg.bias" if retina else "roi_heads.box_predictor.cls_score.bias"
    if key not in saved:
        sys.exit(f"compare_rcnn: {a.checkpoint} has no {key}")
    classes = saved[key].numel()
    if retina:
        # Four numbers for every anchor, one for every class and anchor.
        classes = saved["head.classification_head.cls_logits.bias"].numel() * 4 // classes
    model = rcnn_models.empty(a.model, classes, a.norm)
    try:
        model.load_state_dict(saved, strict=True)
    except RuntimeError as error:
        sys.exit(f"compare_rcnn: {error}")
    if a.formula:
        with safe_open(a.formula, "numpy") as golden:
            config = json.loads(golden.metadata()["config"])
        loaded = {n: v.clone() for n, v in model.state_dict().items()}
        rcnn_models.fill(model, config["scales"], config["shifts"])
        wrong = [n for n, v in model.state_dict().items() if v.dtype.is_floating_point and not torch.equal(v, loaded[n])]
        if wrong:
            sys.exit(f"compare_rcnn: {len(wrong)} tensors differ from the formula's, first {', '.join(wrong[:5])}")
    print(f"OK: {len(saved)} tensors, {sum(v.numel() for v in saved.values())} values, {classes} classes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
