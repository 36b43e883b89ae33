"""The models that can obey a schedule, and where their parts are.

All have a decoder whose layers are called with the hidden states, ``cache``,
``attention_mask`` and ``position_embeddings``, and whose attention has
``q_proj`` and ``k_proj`` (with ``q_norm`` and ``k_norm`` behind them in Qwen3).
A model that is not listed is refused: a decoder that is only similar, for
example one with a sliding window, would compute something else unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers.utils.generic import is_flash_attention_requested

DECODER_OF = {
    "internvl": "language_model",
    "llava": "language_model",
    "llava_next": "language_model",
    "llava_onevision": "language_model",
    "qwen2_5_vl": "language_model",
    "qwen2_vl": "language_model",
    "qwen3_vl": "language_model",
    "smolvlm": "text_model",
}
"""Model type → the attribute that holds the decoder."""

DECODERS = (
    "llama",
    "mistral",
    "qwen2",
    "qwen2_5_vl_text",
    "qwen2_vl_text",
    "qwen3",
    "qwen3_vl_text",
)
"""Model types of decoders."""

ATTENTIONS = ("eager", "sdpa", "some FlashAttention")
"""Implementations of attention whose masks are known."""


@dataclass(frozen=True)
class Parts:
    """The parts of a model that ``apply`` works with."""

    multimodal: nn.Module
    """Receives token ids and pixels."""
    decoder: Any
    """Receives embeddings; has ``layers`` and ``config``."""
    image_token: int
    """Id of the token that stands for one vision token."""
    video_token: int | None
    """The same for videos, which are refused."""


def find_parts(model: nn.Module) -> Parts:
    """The parts of a model.

    Raises ``TypeError`` with the model's name if its structure is not known.
    """
    config: Any = getattr(model, "config", None)
    name = type(model).__name__
    kind = getattr(config, "model_type", None)
    if kind not in DECODER_OF:
        raise TypeError(_refusal(name, "its model type", DECODER_OF, kind))
    multimodal: Any = getattr(model, "base_model")
    decoder: Any = getattr(multimodal, DECODER_OF[kind], None)
    if decoder is None or not hasattr(decoder, "layers"):
        raise TypeError(
            f"Cannot apply a schedule to {name} as it must have a decoder "
            f"{DECODER_OF[kind]} with layers: current model has none"
        )
    text = decoder.config
    if text.model_type not in DECODERS:
        raise TypeError(
            _refusal(name, "the model type of its decoder", DECODERS, text.model_type)
        )
    if _has_sliding_window(text):
        raise TypeError(
            f"Cannot apply a schedule to {name} as all layers of its decoder must "
            f"have full attention: current window is {text.sliding_window}"
        )
    check_attention(model, decoder)
    return Parts(
        multimodal=multimodal,
        decoder=decoder,
        image_token=config.image_token_id,
        video_token=getattr(config, "video_token_id", None),
    )


def check_attention(model: nn.Module, decoder: Any) -> None:
    """Raises ``TypeError`` if the masks of a model's attention are not known."""
    kind = decoder.config._attn_implementation
    if kind in ATTENTIONS[:2] or kind.startswith("flash_attention"):
        return
    # A kernel from a repository; "paged|…" is that of continuous batching.
    if "/" in kind and is_flash_attention_requested(decoder.config):
        return
    name = type(model).__name__
    raise TypeError(_refusal(name, "its attention", ATTENTIONS, kind))


def _has_sliding_window(text: Any) -> bool:
    types = getattr(text, "layer_types", None)
    if types is not None:
        return any(kind != "full_attention" for kind in types)
    return getattr(text, "sliding_window", None) is not None


def _refusal(name: str, what: str, known: Any, value: object) -> str:
    return (
        f"Cannot apply a schedule to {name} as {what} must be one of "
        f"{', '.join(known)}: current value is {value}"
    )
