"""One prefill: the tokens of a batch of prompts on their way through the layers.

B = samples, S = tokens of the padded prompts, R = rows that a layer computes
with, n = vision tokens of a sample, T = instruction rows, D = model width,
H = query heads, K = key/value heads, E = head width.

A sample keeps its own set of vision tokens. Samples with fewer tokens than
others are padded on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import Schedule

ROWS_AT_ONCE = 64
"""Instruction rows that are scored at once: bounds the memory of long ones."""


@dataclass(frozen=True)
class Prompt:
    """The tokens of a batch, as they enter layer 0."""

    vision: Tensor
    """Which tokens are vision tokens, shape [B, S]."""
    valid: Tensor
    """Which tokens are no padding, shape [B, S]."""
    answer_start: int | None = None
    """Column of the first token that does not belong to the prompt but to an
    answer, which does not rank vision tokens. None if there is no answer."""


class Prefill:
    """The rows of the current layer, with all that the layer must know of them."""

    def __init__(self, prompt: Prompt, schedule: Schedule) -> None:
        vision = prompt.vision & prompt.valid
        asking = _instruction(prompt, vision, schedule.ranking)
        counts = torch.stack([vision.sum(1), prompt.valid.sum(1), asking.sum(1)])
        n, tokens, asked = counts.tolist()
        if any(n > 0 and asked == 0 for n, asked in zip(n, asked)):
            raise ValueError(
                "Cannot rank vision tokens as text must follow the last of them in "
                f"each prompt: current numbers of tokens behind it are {asked}"
            )
        B, S = vision.shape
        self._keep = [schedule.keep_for(count) for count in n]
        self._texts = [all - n for all, n in zip(tokens, n)]
        self._asked = max(asked)
        self._scores: Tensor | None = None
        self.shape = (B, S)
        #: Vision tokens of each sample in the current layer.
        self.counts = list(n)
        #: Column of each row in the prompts, shape [B, R].
        self.columns = torch.arange(S, device=vision.device).expand(B, S)
        #: Number of each row among the vision tokens of its sample, [B, R].
        self.numbers = vision.cumsum(1) - 1
        #: Which rows are vision tokens, shape [B, R].
        self.vision = vision
        #: Which rows are no padding, shape [B, R].
        self.valid = prompt.valid
        #: Which rows rank vision tokens, shape [B, R].
        self.asking = asking
        #: Vision tokens of the samples before each one, shape [B, 1].
        self.offsets = (counts[0].cumsum(0) - counts[0])[:, None]
        #: Whether vision tokens have been removed.
        self.reduced = False

    @property
    def padded(self) -> bool:
        """Whether there are rows of padding."""
        R = self.columns.shape[1]
        return any(R != text + n for text, n in zip(self._texts, self.counts))

    def move_to(self, device: torch.device) -> None:
        """Follows the hidden states of a model that is spread over devices."""
        if self.vision.device == device:
            return
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))

    def reduces(self, layer: int) -> bool:
        """Whether a layer computes with fewer vision tokens than the one before."""
        if layer == 0 or layer >= len(self._keep[0]):
            return False
        return any(keep[layer] < keep[layer - 1] for keep in self._keep)

    def reduce(self, layer: int) -> Tensor:
        """Sorts the vision tokens by score and keeps the best.

        Returns the rows that stay, in the order of the prompt, shape [B, R].
        """
        assert self._scores is not None
        self.counts = [keep[layer] for keep in self._keep]
        most = torch.tensor(self.counts, device=self.vision.device)[:, None]
        scores = self._scores.masked_fill(~self.vision, -torch.inf)
        # A stable sort: of two equal scores the first is the better one.
        best = scores.argsort(dim=1, descending=True, stable=True)
        places = best.argsort(dim=1)
        stays = self.valid & (~self.vision | (places < most))
        # Rows that stay come last and in order. Rows of padding come before them.
        R = max(text + n for text, n in zip(self._texts, self.counts))
        rows = stays.byte().argsort(dim=1, stable=True)[:, -R:]
        self.valid = stays.gather(1, rows)
        self.vision = self.vision.gather(1, rows) & self.valid
        self.asking = self.asking.gather(1, rows)
        self.columns = self.columns.gather(1, rows)
        self.numbers = self.numbers.gather(1, rows)
        self._scores = None
        self.reduced = True
        return rows

    def score(
        self, q: Tensor, k: Tensor, rotary: Sequence[Tensor], scaling: float
    ) -> None:
        """Scores the vision tokens by the attention that they receive.

        Mean over heads, summed over the rows that ask, of the probabilities that
        attention has in this layer.

        ``q``, shape [B, R, H, E], and ``k``, shape [B, R, K, E], are queries and
        keys before the rotation by ``rotary``, cosines and sines of shape
        [B, R, E].
        """
        B, R, K, E = k.shape
        columns = torch.arange(R, device=k.device)
        rows = self.asking.byte().argsort(dim=1, stable=True)[:, R - self._asked :]
        keys = rotate(k.float(), *rotary).permute(0, 2, 3, 1)
        scores = torch.zeros(B, R, device=k.device)
        for part in torch.split(rows, ROWS_AT_ONCE, dim=1):
            T = part.shape[1]
            index = part[:, :, None, None].expand(-1, -1, *q.shape[2:])
            turned = rotate(
                q.gather(1, index).float(), *(take(x, part) for x in rotary)
            )
            # The queries of a group of heads see the same keys.
            grouped = turned.view(B, T, K, -1, E).permute(0, 2, 3, 1, 4)
            logits = (grouped.reshape(B, K, -1, E) @ keys * scaling).view(B, K, -1, T, R)
            seen = self.valid[:, None] & (columns <= part[:, :, None])
            weights = logits.masked_fill(~seen[:, None, None], -torch.inf).softmax(-1)
            # Samples with fewer instruction tokens have other rows before them.
            asks = self.asking.gather(1, part)[:, :, None]
            scores += weights.mean((1, 2)).masked_fill(~asks, 0).sum(1)
        self._scores = scores

    def add_vision(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Adds features of vision tokens to their hidden states, shape [B, R, D].

        ``features`` has a row for each vision token of the prompts, in order.
        """
        rows = (self.offsets + self.numbers)[self.vision]
        added = features.to(hidden.device, hidden.dtype)[rows]
        places = self.vision.nonzero(as_tuple=True)
        return hidden.index_put(places, added, accumulate=True)

    def restore(self, hidden: Tensor) -> Tensor:
        """Hidden states in the places of the prompt, shape [B, S, D].

        The rows of removed tokens are 0.
        """
        full = hidden.new_zeros(*self.shape, hidden.shape[-1])
        index = self.columns[..., None].expand_as(hidden)
        return full.scatter(1, index, hidden.masked_fill(~self.valid[..., None], 0))


def _instruction(prompt: Prompt, vision: Tensor, ranking: str) -> Tensor:
    """Which tokens rank vision tokens, shape [B, S]."""
    columns = torch.arange(vision.shape[1], device=vision.device)
    behind = vision.flip(1).cumsum(1).flip(1) == 0
    instruction = prompt.valid & behind & vision.any(1, keepdim=True)
    if prompt.answer_start is not None:
        instruction = instruction & (columns < prompt.answer_start)
    if ranking == "last":
        last = (instruction * columns).amax(1, keepdim=True)
        instruction = instruction & (columns == last)
    return instruction


def take(x: Tensor, rows: Tensor) -> Tensor:
    """Rows of each sample: x of shape [B, S, D], rows of shape [B, R] → [B, R, D]."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of heads, shape [B, R, heads, E]."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return x * cos[:, :, None] + turned * sin[:, :, None]
