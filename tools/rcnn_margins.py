"""Records every decision a torchvision detector takes (which boxes stay, match, belong to a level), for make_rcnn_goldens.py: how near each was to
falling out differently, and the numbers behind it, so that two runs of different precision can be compared.

    with Recorder() as run:
        model(pictures)
    run.margins      {decision: smallest distance to the other outcome}
    run.noise(other) {decision: largest difference between the numbers behind it in two runs}
"""
import torch
import torchvision.models.detection._utils as det_utils
import torchvision.models.detection.retinanet as retinanet
import torchvision.models.detection.roi_heads as roi_heads
import torchvision.models.detection.rpn as rpn
import torchvision.models.detection.transform as transform
import torchvision.ops.boxes as box_ops
import torchvision.ops.poolers as poolers

REAL_IOU = box_ops.box_iou


class Recorder:
    def __init__(self):
        self.margins, self.numbers, self.undo, self.kept = {}, {}, [], []

    def near(self, key, distances):
        distances = distances[torch.isfinite(distances)]
        if distances.numel():
            self.margins[key] = min(self.margins.get(key, float("inf")), float(distances.abs().min()))

    def saw(self, key, values):
        self.numbers.setdefault(key, []).append(values.detach().double())

    def noise(self, other):
        worst = {}
        for key, mine in self.numbers.items():
            theirs = other.numbers[key]
            same = len(mine) == len(theirs) and all(a.shape == b.shape for a, b in zip(mine, theirs))
            gaps = [float((a - b).abs().max()) for a, b in zip(mine, theirs) if a.numel()] if same else [float("nan")]
            worst[key] = max(gaps, default=0.0)
        return worst

    def wrap(self, owner, name, make):
        real = getattr(owner, name)
        self.undo.append((owner, name, real))
        setattr(owner, name, make(real))

    def __enter__(self):
        self.wrap(box_ops, "batched_nms", self.nms)
        self.wrap(rpn.RegionProposalNetwork, "_get_top_n_idx", self.top_n)
        self.wrap(rpn.RegionProposalNetwork, "filter_proposals", self.proposals)
        self.wrap(roi_heads.RoIHeads, "postprocess_detections", self.roi_scores)
        self.wrap(retinanet.RetinaNet, "postprocess_detections", self.retina_scores)
        self.wrap(det_utils.Matcher, "__call__", self.matcher)
        self.wrap(transform, "paste_masks_in_image", self.paste)
        self.wrap(poolers.LevelMapper, "__call__", self.levels)
        return self

    def __exit__(self, *_):
        for owner, name, real in reversed(self.undo):
            setattr(owner, name, real)

    def nms(self, real):
        def nms(boxes, scores, groups, threshold):
            keep = real(boxes, scores, groups, threshold)
            stage = f"nms {threshold}"
            b, s, g = boxes[keep], scores[keep], groups[keep]
            iou = REAL_IOU(b, boxes)
            rival = (g[:, None] == groups) & (s[:, None] > scores)
            self.near(f"{stage}: IoU to threshold", (iou - threshold)[rival])
            self.near(f"{stage}: score of kept over removed", (s[:, None] - scores)[rival & (iou > threshold)])
            self.near(f"{stage}: score order of kept", s[:-1] - s[1:])
            self.saw(f"{stage}: score of kept over removed", s)
            self.saw(f"{stage}: score order of kept", s)
            if len(b) < 400:
                # Boxes clipped to nothing have an IoU of 0/0 with each other and stay.
                self.saw(f"{stage}: IoU to threshold", REAL_IOU(b, b).nan_to_num())
            self.kept.append(s)
            return keep

        return nms

    def top_n(self, real):
        def top_n(module, objectness, per_level):
            for part in objectness.split(per_level, 1):
                for row in part:
                    n, ordered = module.pre_nms_top_n(), row.sort(descending=True).values
                    if n < len(ordered):
                        self.near("rpn top n: rank of objectness", ordered[n - 1] - ordered[n])
            self.saw("rpn top n: rank of objectness", objectness)
            return real(module, objectness, per_level)

        return top_n

    def proposals(self, real):
        def proposals(module, boxes, objectness, shapes, per_level):
            n, self.kept = module.post_nms_top_n(), []
            chosen, scores = real(module, boxes, objectness, shapes, per_level)
            for s in self.kept:
                if len(s) > n:
                    self.near("rpn kept: rank", s[n - 1] - s[n])
                    self.saw("rpn kept: rank", s)
            for b in chosen:
                self.saw("proposals: pixels", b)
                self.near("proposals: side to 1e-3", torch.minimum(b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]) - 1e-3)
            return chosen, scores

        return proposals

    def roi_scores(self, real):
        def roi_scores(module, logits, deltas, proposals, shapes):
            scores = logits.softmax(-1)[:, 1:]
            self.near("detections: score to threshold", scores - module.score_thresh)
            self.saw("detections: score to threshold", scores)
            self.saw("detections: logits", logits)
            return real(module, logits, deltas, proposals, shapes)

        return roi_scores

    def retina_scores(self, real):
        def retina_scores(module, outputs, anchors, shapes):
            for level in outputs["cls_logits"]:
                for row in level:
                    scores = row.flatten().sigmoid()
                    ordered, n = scores.sort(descending=True).values, module.topk_candidates
                    passing = int((scores > module.score_thresh).sum())
                    if passing > n:
                        self.near("retina top k: rank of score", ordered[n - 1] - ordered[n])
                    else:
                        self.near("detections: score to threshold", scores - module.score_thresh)
                    self.saw("retina top k: rank of score", scores)
                    self.saw("detections: score to threshold", scores)
            return real(module, outputs, anchors, shapes)

        return retina_scores

    def matcher(self, real):
        def matcher(module, quality):
            stage = f"match {module.high_threshold}"
            best = quality.max(0).values
            self.near(f"{stage}: IoU to thresholds", best - module.high_threshold)
            self.near(f"{stage}: IoU to thresholds", best - module.low_threshold)
            self.saw(f"{stage}: IoU to thresholds", best)
            if len(quality) > 1:
                two = quality.topk(2, 0).values
                contested = two[0] >= module.low_threshold
                self.near(f"{stage}: best over second true box", (two[0] - two[1])[contested])
            if module.allow_low_quality_matches:
                top = quality.max(1).values[:, None]
                gap = (top - quality)[quality != top]
                self.near(f"{stage}: best anchor over next (exact ties aside)", gap)
            return real(module, quality)

        return matcher

    def paste(self, real):
        def paste(masks, boxes, shape, padding=1):
            if len(boxes):
                _, scale = roi_heads.expand_masks(masks, padding)
                wide = roi_heads.expand_boxes(boxes, scale)
                self.near("mask paste: corner to integer", wide - wide.round())
                self.saw("mask paste: corner to integer", wide)
            pasted = real(masks, boxes, shape, padding)
            self.near("mask paste: probability to 0.5", pasted - 0.5)
            self.saw("mask paste: probability to 0.5", pasted)
            return pasted

        return paste

    def levels(self, real):
        def levels(module, boxlists):
            area = torch.cat([box_ops.box_area(b) for b in boxlists])
            exact = module.lvl0 + torch.log2(area.sqrt() / module.s0) + module.eps
            inner = exact[(exact > module.k_min + 0.5) & (exact < module.k_max + 0.5)]
            self.near("RoI level: log2 to integer", inner - inner.round())
            self.saw("RoI level: log2 to integer", exact)
            return real(module, boxlists)

        return levels


class Targets(Recorder):
    """Also records what the matchers and samplers of a step decide."""

    def __init__(self):
        super().__init__()
        self.labels, self.matched = [], []

    def __enter__(self):
        super().__enter__()
        self.wrap(det_utils.BalancedPositiveNegativeSampler, "__call__", self.sampler)
        self.wrap(det_utils.Matcher, "__call__", self.remember)
        self.wrap(torch.nn.functional, "binary_cross_entropy_with_logits", self.same_type)
        return self

    def same_type(self, real):
        """The RPN's labels are float32 whatever the model is, and would round a float64 loss to it."""
        return lambda logits, labels, **options: real(logits, labels.to(logits.dtype), **options)

    def sampler(self, real):
        def sampler(module, labels):
            self.labels.append([l.long() for l in labels])
            chosen = real(module, labels)
            taken = sum(int(c.sum()) for side in chosen for c in side)
            assert taken == sum(int((l >= 0).sum()) for l in labels), "the sampler left candidates out"
            return chosen

        return sampler

    def remember(self, real):
        def remember(module, quality):
            matched = real(module, quality)
            self.matched.append(matched.clone())
            return matched

        return remember
