"""Makes a transformers model obey a schedule.

Hooks on the decoder layers do all of it, and the model's own code stays as it
is. Before a layer that keeps fewer vision tokens, the rows of removed ones are
taken out of the hidden states and of the rotary embeddings, and the layer gets
a mask of its own. In the layer before, the queries of the instruction and all
keys are caught as they leave their projections, and rank the vision tokens;
attention itself runs as configured. After the last layer, hidden states return
to their places, so that logits have the shape that they always have.

The KV cache of each layer has the length that the layer saw. What the masks of
decoding need to know about it stays with the cache.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_causal_mask

from .families import check_attention, find_parts
from .prefill import Prefill, Prompt, take
from .schedule import Schedule

ScheduleLike = Schedule | Mapping[str, Any] | str | os.PathLike[str]


def apply(model: nn.Module, schedule: ScheduleLike) -> Applied:
    """Makes a model obey a schedule from now on.

    ``schedule`` is a ``Schedule``, the path of a schedule.json, or its parsed
    JSON. The model obeys until ``remove()`` of the result is called, or to the
    end of a ``with`` block around it::

        with tokensieve.apply(model, "schedule.json"):
            model.generate(**inputs)

    Raises ``TypeError`` with the model's name if its structure is not known, and
    ``ValueError`` if the schedule is none, or one for another depth.
    """
    return Applied(model, schedule)


@dataclass
class _Call:
    """Arguments of the model that its decoder layers need."""

    ids: Tensor | None
    mask: Tensor | None
    features: list[Tensor] = field(default_factory=list)
    """Features that are added to vision tokens behind the first layers."""


@dataclass
class _Memory:
    """The prompts in a KV cache, for the masks of later tokens."""

    columns: int
    """S, tokens of the padded prompts."""
    layers: dict[int, tuple[int, Tensor | None]] = field(default_factory=dict)
    """Layer → rows of the prompts in its cache, and which of them are no padding,
    shape [B, rows], or None if all are. Layers before the first reduction have
    no entry."""


@dataclass
class _Step:
    """Tokens that follow a filled cache."""

    memory: _Memory
    tail: Tensor | None
    """Which tokens after the prompts are no padding, or None if all are."""
    masks: dict[tuple[int, int], Any] = field(default_factory=dict)


class Applied:
    """A schedule in effect on a model; a context manager that ends it."""

    def __init__(self, model: nn.Module, schedule: ScheduleLike) -> None:
        self.model = model
        self.schedule = _read(schedule)
        self._parts = find_parts(model)
        name, layers = type(model).__name__, self._parts.decoder.layers
        if len(self.schedule.keep) != len(layers):
            raise ValueError(
                f"Cannot apply a schedule to {name} as keep must have a count for "
                f"each of its {len(layers)} layers: current number is "
                f"{len(self.schedule.keep)}"
            )
        if hasattr(model, "_tokensieve"):
            raise ValueError(
                f"Cannot apply a schedule to {name} as it must obey no other one: "
                "remove() that first"
            )
        self._answer_start: int | None = None
        self._call: _Call | None = None
        self._running: Prefill | _Step | None = None
        self._rotary: tuple[Tensor, ...] = ()
        self._mask: Any = None
        self._features: list[Tensor] = []
        self._caught: dict[str, Tensor] = {}
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._handles = list(self._hook())
        self._generate = model.__dict__.get("generate")
        if hasattr(model, "generate"):
            model.generate = self._generating(model.generate)  # type: ignore
        model._tokensieve = self  # type: ignore

    def remove(self) -> None:
        """Lets the model compute with all vision tokens again."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self.model.__dict__.pop("_tokensieve", None) is None:
            return
        self.model.__dict__.pop("generate", None)
        if self._generate is not None:
            self.model.generate = self._generate

    def __enter__(self) -> Applied:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def kept(self) -> list[list[Tensor]]:
        """The vision tokens that each layer computed with in the last prefill.

        For each layer and sample their numbers among the sample's vision tokens,
        ascending. Empty before the first prefill.
        """
        return [
            [own[which] for own, which in zip(numbers, vision)]
            for numbers, vision in self._kept
        ]

    @contextmanager
    def answering(self, start: int) -> Iterator[None]:
        """Within it, tokens from column ``start`` on belong to an answer.

        They do not rank vision tokens: answers that are given with the prompt
        are judged with the kept sets that the prompt alone has. ``generate()``
        does this by itself.
        """
        before, self._answer_start = self._answer_start, start
        try:
            yield
        finally:
            self._answer_start = before

    def _generating(self, generate: Callable[..., Any]) -> Callable[..., Any]:
        """``generate()``, whose new tokens do not rank where there is no cache."""

        @functools.wraps(generate)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            given = [*args[:1], kwargs.get("inputs"), kwargs.get("input_ids")]
            ids = next((ids for ids in given if ids is not None), None)
            if ids is None:
                return generate(*args, **kwargs)
            with self.answering(ids.shape[1]):
                return generate(*args, **kwargs)

        return wrapped

    def _hook(self) -> Iterator[Any]:
        """Registers all hooks, and yields their handles."""
        parts, keep = self._parts, self.schedule.keep
        yield parts.multimodal.register_forward_pre_hook(
            self._before_model, with_kwargs=True
        )
        yield parts.decoder.register_forward_pre_hook(
            self._before_decoder, with_kwargs=True
        )
        for index, layer in enumerate(parts.decoder.layers):
            before = functools.partial(self._before_layer, index)
            yield layer.register_forward_pre_hook(before, with_kwargs=True)
            after = functools.partial(self._after_layer, index)
            yield layer.register_forward_hook(after)
            if index + 1 < len(keep) and keep[index + 1] < keep[index]:
                attention = layer.self_attn
                for name in ("q", "k"):
                    source = getattr(attention, f"{name}_norm", None)
                    source = source or getattr(attention, f"{name}_proj")
                    catch = functools.partial(self._catch, index, name)
                    yield source.register_forward_hook(catch)

    def _before_model(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        ids = args[0] if args else kwargs.get("input_ids")
        mask = kwargs.get("attention_mask")
        # generate() makes the masks of some caches itself, one for each kind.
        mask = mask["full_attention"] if isinstance(mask, dict) else mask
        self._call = _Call(ids, mask)

    def _before_decoder(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Takes over the features that Qwen3-VL adds behind its first layers.

        Attention can be configured anew at any time, so it is checked here again.
        """
        check_attention(self.model, self._parts.decoder)
        if self._call is None or kwargs.get("deepstack_visual_embeds") is None:
            return None
        self._call.features = list(kwargs["deepstack_visual_embeds"])
        return args, {
            **kwargs,
            "visual_pos_masks": None,
            "deepstack_visual_embeds": None,
        }

    def _before_layer(
        self,
        index: int,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        hidden, *others = args
        cache = kwargs.get("cache")
        if index == 0:
            self._running = self._start(hidden, cache)
        running = self._running
        if isinstance(running, _Step):
            if index not in running.memory.layers:
                return None
            mask = self._step_mask(running, index, hidden, cache)
            return args, {**kwargs, "attention_mask": mask, "position_ids": None}
        if running is None:
            return None

        running.move_to(hidden.device)
        if index == 0:
            B = hidden.shape[0]
            self._rotary = tuple(
                x.expand(B, -1, -1) for x in kwargs["position_embeddings"]
            )
        if running.reduces(index):
            rows = running.reduce(index)
            hidden = take(hidden, rows)
            self._rotary = tuple(take(x.to(rows.device), rows) for x in self._rotary)
            self._mask = self._own_mask(
                hidden, running.valid if running.padded else None, cache, index
            )
        self._kept.append((running.numbers, running.vision))
        if not running.reduced:
            return None
        if cache is not None:
            valid = running.valid if running.padded else None
            cache._tokensieve.layers[index] = (hidden.shape[1], valid)
        # Position ids with gaps would look to FlashAttention like several texts in
        # one row. The layers themselves use the rotary embeddings only.
        return (hidden, *others), {
            **kwargs,
            "attention_mask": self._mask,
            "position_ids": None,
            "position_embeddings": self._rotary,
        }

    def _after_layer(
        self, index: int, module: Any, args: tuple[Any, ...], hidden: Tensor
    ) -> Tensor | None:
        running = self._running
        if not isinstance(running, Prefill):
            return None
        if running.reduces(index + 1):
            attention = module.self_attn
            q, k = (
                x.view(*x.shape[:2], -1, attention.head_dim)
                for x in (self._caught.pop("q"), self._caught.pop("k"))
            )
            rotary = [x.to(k.device) for x in self._rotary]
            running.move_to(k.device)
            running.score(q, k, rotary, attention.scaling)
        if index < len(self._features):
            hidden = running.add_vision(hidden, self._features[index])
        if index + 1 == len(self.schedule.keep):
            self._running = self._mask = None
            self._rotary, self._features = (), []
            return running.restore(hidden) if running.reduced else hidden
        return hidden

    def _catch(
        self, index: int, name: str, module: nn.Module, args: Any, output: Tensor
    ) -> None:
        if isinstance(self._running, Prefill) and self._running.reduces(index + 1):
            self._caught[name] = output

    def _start(self, hidden: Tensor, cache: Any) -> Prefill | _Step | None:
        """Finds out what enters layer 0: prompts, later tokens, or neither (None)."""
        (B, S), call, self._call = hidden.shape[:2], self._call, None
        if call is None:
            return None  # The decoder was called without the model around it.
        past = 0 if cache is None else int(cache.get_seq_length())
        if call.ids is None:
            if past == 0:
                raise ValueError(
                    "Cannot find the vision tokens of the prompts as input_ids must "
                    "be given: current inputs are embeddings"
                )
            vision = None
        elif past > 0 and S == 1:
            vision = None
        else:
            vision = self._find_vision(call.ids).to(hidden.device)
        if past > 0:
            if vision is not None and vision.any():
                raise ValueError(
                    "Cannot remove vision tokens as images must come with the first "
                    f"tokens of a cache: current cache holds {past} tokens"
                )
            memory = getattr(cache, "_tokensieve", None)
            return None if memory is None else self._continue(memory, call.mask, past + S)
        assert vision is not None
        if cache is not None:
            cache._tokensieve = _Memory(S)
        self._kept, self._features = [], call.features
        if not vision.any():
            return None
        start = self._answer_start
        if start is not None and S < start:
            raise ValueError(
                "Cannot apply a schedule to a part of the prompts as all of their "
                f"{start} tokens must come at once: current number is {S}"
            )
        valid = _valid_columns(call.mask, B, S, hidden.device)
        return Prefill(Prompt(vision, valid, start), self.schedule)

    def _find_vision(self, ids: Tensor) -> Tensor:
        video = self._parts.video_token
        if video is not None and (ids == video).any():
            raise ValueError(
                "Cannot apply a schedule to prompts with videos as vision tokens must "
                f"be those of images: token {video} stands for a video"
            )
        return ids == self._parts.image_token

    def _continue(self, memory: _Memory, mask: Tensor | None, length: int) -> _Step:
        if mask is None or mask.ndim != 2 or mask.shape[1] < length:
            return _Step(memory, None)
        tail = mask[:, memory.columns : length].bool()
        return _Step(memory, None if tail.all() else tail)

    def _step_mask(self, step: _Step, index: int, hidden: Tensor, cache: Any) -> Any:
        """The mask of a layer for tokens that follow a filled cache."""
        rows, valid = step.memory.layers[index]
        B, new = hidden.shape[:2]
        grown = int(cache.get_seq_length(index)) - rows + new
        if grown < new:
            raise ValueError(
                "Cannot continue a prompt as its cache must hold all of it: current "
                f"cache of layer {index} is cropped by {new - grown} tokens"
            )
        key = (rows, id(valid))
        if key not in step.masks:
            if valid is not None or step.tail is not None:
                ones = hidden.new_ones(B, rows, dtype=torch.bool)
                head = ones if valid is None else valid.to(hidden.device)
                ones = hidden.new_ones(B, grown, dtype=torch.bool)
                tail = ones if step.tail is None else step.tail.to(hidden.device)
                valid = torch.cat([head, tail], dim=1)
            step.masks[key] = self._own_mask(hidden, valid, cache, index)
        return step.masks[key]

    def _own_mask(
        self, hidden: Tensor, valid: Tensor | None, cache: Any, index: int
    ) -> Any:
        """The causal mask of a layer, as the configured attention wants it."""
        return create_causal_mask(
            config=self._parts.decoder.config,
            inputs_embeds=hidden,
            attention_mask=valid,
            cache=cache,
            position_ids=None,
            layer_idx=index,
        )


def _read(schedule: ScheduleLike) -> Schedule:
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, Mapping):
        return Schedule.from_json(schedule)
    return Schedule.read(schedule)


def _valid_columns(
    mask: Tensor | None, B: int, S: int, device: torch.device
) -> Tensor:
    """Which tokens of the prompts are no padding, shape [B, S]."""
    if mask is None:
        return torch.ones(B, S, dtype=torch.bool, device=device)
    if mask.ndim == 4:
        # The last token sees all but padding; masks that are added are 0 there.
        mask = mask[:, 0, -1]
        mask = mask if mask.dtype == torch.bool else mask == 0
    return mask[:, :S].to(device).bool().expand(B, S)
