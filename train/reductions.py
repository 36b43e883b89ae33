"""Which vision tokens a batch loses in training."""

import numpy as np
import torch
from torch import Tensor

from model import top_slots
from patch_heads import is_object


def draw_input(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """A random number of vision tokens that enter the decoder, objects before
    background, each at its own position: (B, n), from labels (B, N, 5).

    It is meant against a shortcut that a trial run seemed to take: counting by
    the *fraction* of tokens that show objects, which every removal of
    background changes.
    """
    keep = int(rng.choice([56, 72, 88, 104, 124]))
    noise = torch.from_numpy(rng.random(labels.shape[:2], dtype=np.float32))
    return top_slots(noise.to(labels.device) + is_object(labels), keep)


def draw_blind(share: float, rng: np.random.Generator) -> int:
    """In how many of the first layers a batch's questions see no vision token: in
    so large a share of the batches one to three, else none.

    Left alone, the model reads an image in its first two layers, and whatever
    happens to vision tokens later does not matter. A large model has its
    language from before it saw images, and reads them later.
    """
    return int(rng.choice(4, p=[1 - share, share / 4, share / 2, share / 4]))


def draw_schedule(
    tokens: int, layers: int, blind: int, latest: int, rng: np.random.Generator
) -> dict[int, int]:
    """A random schedule, {layer: keep}: fewer and fewer of so many vision tokens
    from one of the layers 3 to `latest` on, ranked by the model's own attention.

    Layers 0 to 2 always see what entered. A trial that cut from layer 1 on
    taught the model to be done with the image by layer 3, so that it no longer
    mattered which tokens stay.
    """
    # A layer ranks by the attention of the one before, which must not be blind.
    layer = int(rng.integers(max(3, blind + 1), latest + 1))
    schedule, keep = {}, tokens * rng.uniform(0.1, 0.5)
    while layer < layers:
        schedule[layer] = max(4, int(keep))
        layer += int(rng.integers(1, 3))
        keep *= rng.uniform(0.4, 0.9)
    return schedule
