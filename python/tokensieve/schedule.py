"""Schedules: how many vision tokens each decoder layer keeps, and which.

L = decoder layers, N = vision tokens that enter the decoder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = "tokensieve schedule 1"
"""The field ``format`` of a schedule.json."""

RANKINGS = ("instruction", "last")
"""The rankings that this package computes."""

POSITIONS = ("original",)
"""The position rules that this package knows."""


@dataclass(frozen=True)
class Schedule:
    """How many vision tokens each layer keeps, and how they are ranked."""

    vision_tokens: int
    """N, the vision tokens of the prompts that the schedule was found with."""
    keep: tuple[int, ...]
    """Shape [L]: layer i computes with ``keep[i]`` vision tokens. Non-increasing;
    layer 0 keeps all, as it has no attention before it to rank by."""
    ranking: str = "instruction"
    """``instruction``: by the attention of all instruction tokens in the layer
    before, mean over heads, summed; ``last``: by that of the last one."""
    positions: str = "original"
    """Tokens that stay keep their position ids."""

    def __post_init__(self) -> None:
        _check(**vars(self), label="a schedule")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Schedule:
        """Reads a schedule.json, as ``search.ts`` writes it.

        Raises ``ValueError`` with the file and the field if it is not one.
        """
        label = os.fspath(path)
        with open(path, encoding="utf-8") as file:
            try:
                fields = json.load(file)
            except ValueError as error:
                raise ValueError(f"Cannot read {label} as JSON: {error}") from error
        return cls.from_json(fields, label)

    @classmethod
    def from_json(cls, fields: Any, label: str = "a schedule") -> Schedule:
        """The schedule in the parsed JSON of a schedule.json.

        ``label`` names the file in errors.
        """
        if not isinstance(fields, Mapping):
            raise ValueError(_sentence(label, "it must be a JSON object", fields))
        if fields.get("format") != FORMAT:
            requirement = f'format must be "{FORMAT}"'
            raise ValueError(_sentence(label, requirement, fields.get("format")))
        keep = fields.get("keep")
        if not isinstance(keep, list):
            raise ValueError(_sentence(label, "keep must be a list of counts", keep))
        values: dict[str, Any] = {
            "vision_tokens": fields.get("visionTokens"),
            "keep": tuple(keep),
            "ranking": fields.get("ranking", "instruction"),
            "positions": fields.get("positions", "original"),
        }
        _check(**values, label=label)
        return cls(**values)

    def keep_for(self, vision_tokens: int) -> tuple[int, ...]:
        """Keep counts for a prompt with another number n of vision tokens.

        The keeping rates count: round(keep / N · n), halves up.
        """
        n, total = vision_tokens, self.vision_tokens
        return tuple((2 * count * n + total) // (2 * total) for count in self.keep)


def _check(
    *, vision_tokens: Any, keep: Any, ranking: Any, positions: Any, label: str
) -> None:
    """Raises ValueError if the values of a schedule are not as described."""
    if not _is_count(vision_tokens) or vision_tokens == 0:
        requirement = "visionTokens must be an integer >= 1"
        raise ValueError(_sentence(label, requirement, vision_tokens))
    if len(keep) == 0:
        raise ValueError(_sentence(label, "keep must have at least one layer", []))
    most = vision_tokens
    for layer, count in enumerate(keep):
        if not _is_count(count) or count > most:
            requirement = f"keep of layer {layer} must be an integer in [0, {most}]"
            raise ValueError(_sentence(label, requirement, count))
        most = count
    if keep[0] != vision_tokens:
        requirement = (
            f"keep must begin with all {vision_tokens} vision tokens, as layer 0 "
            "has no attention before it to rank by"
        )
        raise ValueError(_sentence(label, requirement, keep[0]))
    if ranking not in RANKINGS:
        requirement = f"ranking must be {' or '.join(RANKINGS)} in PyTorch"
        raise ValueError(_sentence(label, requirement, ranking))
    if positions not in POSITIONS:
        requirement = f"positions must be {' or '.join(POSITIONS)} in PyTorch"
        raise ValueError(_sentence(label, requirement, positions))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sentence(label: str, requirement: str, value: object) -> str:
    shown = json.dumps(value, default=repr)
    return f"Cannot use {label} as {requirement}: current value is {shown}"
