"""Reads what export.ts wrote, and says which images a step sees."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import Questions


class Split:
    """One directory written by export.ts, read through memory maps."""

    def __init__(self, directory: Path, device: torch.device):
        self.device = device
        names = ("images", "patches", "tokens", "lengths", "answers", "kinds")
        self.arrays = {
            name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in names
        }

    def __len__(self) -> int:
        return len(self.arrays["images"])

    def get(self, name: str, images: np.ndarray, columns=slice(None)) -> Tensor:
        """Rows `images` of one array; `columns` selects questions."""
        picked = np.ascontiguousarray(self.arrays[name][images][:, columns])
        return torch.from_numpy(picked).to(self.device)

    def questions(self, images: np.ndarray, half: int):
        """One of the two sets of questions: packed questions, answers, kinds."""
        count = self.arrays["tokens"].shape[1] // 2
        columns = slice(half * count, (half + 1) * count)
        tokens, lengths, answers, kinds = (
            self.get(name, images, columns).long()
            for name in ("tokens", "lengths", "answers", "kinds")
        )
        return Questions.pack(tokens, lengths), answers, kinds


def batch_of(step: int, batch: int, count: int, seed: int) -> tuple[np.ndarray, int]:
    """Images of a step and how often each was seen before: every epoch is a
    new permutation; the epoch's parity chooses the set of questions.
    """
    per_epoch = count // batch
    epoch, index = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return np.sort(order[index * batch : (index + 1) * batch]), epoch
