"""Losses on single patches: what is painted there, and where it is.

Used in training only. They give the encoder something to learn from every patch
instead of one answer per question.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config import Config

# Columns of patches.npy: name, classes, weight of its loss, "nothing here".
PATCH_LABELS = [
    ("colour", 9, 1.0, 8),
    ("shape", 7, 1.0, 6),
    ("size", 3, 1.0, 2),
    ("digit", 11, 2.0, 10),
    ("centre", 2, 2.0, 0),
]


def is_object(labels: Tensor) -> Tensor:
    """Patches that show an object or hold its centre; (B, N, 5) to (B, N)."""
    _, _, _, background = PATCH_LABELS[0]
    return (labels[..., 0] != background) | (labels[..., 4] == 1)


class PatchHeads(nn.Module):
    """Linear read-outs of each patch's features; thrown away after training."""

    def __init__(self, config: Config):
        super().__init__()
        self.grid = config.grid
        self.sizes = [classes for _, classes, _, _ in PATCH_LABELS]
        self.content = nn.Linear(config.width, sum(self.sizes))
        self.position = nn.Linear(config.width, 2 * config.grid)

    def losses(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """features (B, N, D), labels (B, N, 5): content loss, position loss."""
        guesses = self.content(features).split(self.sizes, -1)
        content = sum(
            weight * F.cross_entropy(guess.flatten(0, 1), labels[..., i].flatten())
            for i, (guess, (_, _, weight, _)) in enumerate(zip(guesses, PATCH_LABELS))
        )
        B, N, _ = features.shape
        patch = torch.arange(N, device=features.device).expand(B, N)
        row, column = self.position(features).chunk(2, -1)
        position = F.cross_entropy(
            row.flatten(0, 1), (patch // self.grid).flatten()
        ) + F.cross_entropy(column.flatten(0, 1), (patch % self.grid).flatten())
        return content, position

    def accuracies(self, features: Tensor, labels: Tensor) -> dict[str, float]:
        """Per label, over the patches where there is something to say."""
        guesses = self.content(features).split(self.sizes, -1)
        result = {}
        for i, (guess, (name, _, _, nothing)) in enumerate(zip(guesses, PATCH_LABELS)):
            something = labels[..., i] != nothing
            right = guess.argmax(-1) == labels[..., i]
            result[name] = right[something].float().mean().item()
        return result
