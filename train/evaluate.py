"""Accuracy on held-out scenes, over all questions and per kind."""

import numpy as np
import torch

from batches import Split
from model import Model, Reduction


@torch.no_grad()
def evaluate(model: Model, split: Split, kinds: list[str], images: int, keep=None):
    """Accuracy over all questions and per kind, on the first `images` scenes.

    With `keep`, only that many random vision tokens survive into layers 3 to 7.
    """
    rng = np.random.default_rng(1)
    reductions = [] if keep is None else [Reduction(3, keep)]
    right, total = np.zeros(len(kinds)), np.zeros(len(kinds))
    for start in range(0, images, 25):
        rows = np.arange(start, min(start + 25, images))
        questions, answers, kind = split.questions(rows, half=0)
        features = model.features(split.get("images", rows))
        priority = torch.from_numpy(rng.random(features.shape[:2])).to(features.device)
        logits = model(features, questions, reductions, priority)
        hits = (logits.argmax(-1) == answers).flatten().cpu().numpy()
        kind = kind.flatten().cpu().numpy()
        right += np.bincount(kind, hits, len(kinds))
        total += np.bincount(kind, minlength=len(kinds))
    return right.sum() / total.sum(), right / np.maximum(total, 1)


def report(model: Model, split: Split, kinds: list[str], images: int) -> str:
    overall, per_kind = evaluate(model, split, kinds, images)
    reduced, _ = evaluate(model, split, kinds, images // 2, keep=36)
    parts = [f"{kind} {100 * a:.1f}" for kind, a in zip(kinds, per_kind)]
    return (
        f"all {100 * overall:.1f} | {' '.join(parts)} "
        f"| 36 random tokens from layer 3: {100 * reduced:.1f}"
    )
