"""Accuracy on held-out scenes, over all questions and per kind."""

import numpy as np
import torch

from batches import Split
from model import Model


@torch.no_grad()
def evaluate(model: Model, split: Split, kinds: list[str], images: int, keep=None):
    """Accuracy over all questions and per kind, on the first `images` scenes.

    `keep` is ("attention" or "random", tokens): only so many vision tokens,
    ranked thus, are left from layer 2 on.
    """
    rng = np.random.default_rng(1)
    rank, tokens = keep or (None, None)
    schedule = {} if keep is None else {2: tokens}
    right, total = np.zeros(len(kinds)), np.zeros(len(kinds))
    for start in range(0, images, 25):
        rows = np.arange(start, min(start + 25, images))
        questions, answers, kind = split.questions(rows, half=0)
        features = model.features(split.get("images", rows))
        scores = None
        if rank == "random":
            shape = (*answers.shape, features.shape[1])
            scores = torch.from_numpy(rng.random(shape)).to(features.device)
        logits = model(features, questions, None, schedule, scores)
        hits = (logits.argmax(-1) == answers).flatten().cpu().numpy()
        kind = kind.flatten().cpu().numpy()
        right += np.bincount(kind, hits, len(kinds))
        total += np.bincount(kind, minlength=len(kinds))
    return right.sum() / total.sum(), right / np.maximum(total, 1)


def report(model: Model, split: Split, kinds: list[str], images: int) -> str:
    overall, per_kind = evaluate(model, split, kinds, images)
    parts = [f"{kind} {100 * a:.1f}" for kind, a in zip(kinds, per_kind)]
    reduced = [
        f"{100 * evaluate(model, split, kinds, images // 2, (rank, 14))[0]:.1f}"
        for rank in ("attention", "random")
    ]
    return (
        f"all {100 * overall:.1f} | {' '.join(parts)} "
        f"| 14 tokens from layer 2: {' at random '.join(reduced)}"
    )
