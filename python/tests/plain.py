"""A decoder under a schedule in plain loops, for one prompt.

It knows no cache, no hook, no batch and no mask but the causal one, and shares
no code with the package: attention is computed head by head from the weights,
and every generated token runs the whole text again. Of transformers it uses the
embeddings of the prompt and the cosines and sines of rotary embedding.
"""

from dataclasses import dataclass, field

import torch


@dataclass
class Entering:
    """The input of layer 0."""

    embeds: torch.Tensor  # [S, D]
    positions: torch.Tensor  # [axes, S]
    vision: list[bool]  # S of them
    features: list[torch.Tensor] = field(default_factory=list)  # [n, D] per layer


@dataclass
class Outcome:
    kept: list[list[int]]  # per layer
    logits: torch.Tensor  # [V], after the prompt
    answer: list[int]


class _Caught(Exception):
    pass


def entering(decoder, call, ids, image_token):
    """Runs a model up to its decoder, and takes what the decoder is given."""
    caught = {}

    def take(**kwargs):
        caught.update(kwargs)
        raise _Caught

    decoder.forward = take
    try:
        call()
    except _Caught:
        pass
    finally:
        del decoder.forward
    embeds = caught["inputs_embeds"][0]
    positions = caught.get("position_ids")
    positions = torch.arange(len(embeds))[None] if positions is None else positions[:, 0]
    return Entering(
        embeds,
        positions,
        [token == image_token for token in ids],
        list(caught.get("deepstack_visual_embeds") or []),
    )


def run(decoder, head, start, keep, ranking, answer_tokens):
    """The prompt, and a greedy answer."""
    S = len(start.embeds)
    last_image = max(i for i, is_vision in enumerate(start.vision) if is_vision)
    asking = [S - 1] if ranking == "last" else list(range(last_image + 1, S))
    embeds, positions, answer, first = start.embeds, start.positions, [], None
    for _ in range(answer_tokens):
        hidden, kept = _layers(decoder, embeds, positions, start, keep, asking)
        logits = head(_rms_norm(hidden[-1], decoder.norm))
        first = (logits, kept) if first is None else first
        answer.append(int(logits.argmax()))
        embeds = torch.cat([embeds, decoder.embed_tokens.weight[answer[-1:]]])
        positions = torch.cat([positions, positions.max() + 1 + 0 * positions[:, :1]], 1)
    return Outcome(first[1], first[0], answer)


def _layers(decoder, hidden, positions, start, keep, asking):
    axes = positions[:, None] if len(positions) > 1 else positions
    cos, sin = (x[0] for x in decoder.rotary_emb(hidden[None], axes))
    here = list(range(len(hidden)))  # the columns that are still there
    vision = [i for i, is_vision in enumerate(start.vision) if is_vision]
    number = {column: n for n, column in enumerate(vision)}
    kept, received = [], None
    for i, layer in enumerate(decoder.layers):
        if keep[i] < len(vision):
            best = sorted(vision, key=lambda column: (-received[column], column))
            vision = sorted(best[: keep[i]])
            stays = [c for c in here if c not in number or c in vision]
            hidden = hidden[[here.index(c) for c in stays]]
            here = stays
        kept.append([number[column] for column in vision])
        hidden, weights = _layer(layer, hidden, cos[here], sin[here])
        mean = weights.mean(0)
        received = {
            c: sum(float(mean[here.index(row), here.index(c)]) for row in asking)
            for c in vision
        }
        if i < len(start.features):
            hidden = hidden.clone()
            for column in vision:
                hidden[here.index(column)] += start.features[i][number[column]]
    return hidden, kept


def _layer(layer, hidden, cos, sin):
    attention = layer.self_attn
    E, R = attention.head_dim, len(hidden)
    x = _rms_norm(hidden, layer.input_layernorm)
    q, k, v = (
        getattr(attention, name)(x).view(R, -1, E)
        for name in ("q_proj", "k_proj", "v_proj")
    )
    if hasattr(attention, "q_norm"):
        q, k = _rms_norm(q, attention.q_norm), _rms_norm(k, attention.k_norm)
    heads, group = q.shape[1], q.shape[1] // k.shape[1]
    future = torch.ones(R, R, dtype=torch.bool).triu(1)
    all_weights, mixed = [], []
    for h in range(heads):
        a, b = _turn(q[:, h], cos, sin), _turn(k[:, h // group], cos, sin)
        weights = (a @ b.T / E**0.5).masked_fill(future, -torch.inf).softmax(-1)
        all_weights.append(weights)
        mixed.append(weights @ v[:, h // group])
    hidden = hidden + attention.o_proj(torch.cat(mixed, dim=-1))
    x, mlp = _rms_norm(hidden, layer.post_attention_layernorm), layer.mlp
    gated = torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x)
    return hidden + mlp.down_proj(gated), torch.stack(all_weights)


def _turn(x, cos, sin):
    half = x.shape[-1] // 2
    first, second = x[:, :half], x[:, half:]
    return torch.cat(
        [
            first * cos[:, :half] - second * sin[:, :half],
            second * cos[:, half:] + first * sin[:, half:],
        ],
        dim=-1,
    )


def _rms_norm(x, norm):
    variance = x.pow(2).mean(-1, keepdim=True)
    return x * torch.rsqrt(variance + norm.variance_epsilon) * norm.weight
