"""LLaMA's decoder over rows of one image prefix and many questions.

Names and arithmetic as Hugging Face's LlamaForCausalLM. What a row is: model.py.

Dimensions: B images, P prefix length, T text tokens per row, S = P + T,
Q questions per image, D width, H heads, E head width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention import merge_heads, project_heads
from config import Config

Rotation = tuple[Tensor, Tensor]  # cosines and signed sines, (B, 1, S, E) each


class DecoderAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x: Tensor,
        rotation: Rotation,
        text_mask: Tensor,
        prefix: int,
        with_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """x (B, P + T, D); text_mask (B, 1, T, P + T), 0 or -inf. Where wanted,
        also the weights of the text's attention, mean over heads (B, T, P + T).
        """
        q, k, v = project_heads(x, self.heads, self.q_proj, self.k_proj, self.v_proj)
        q, k = rotate(q, rotation), rotate(k, rotation)
        # Two calls instead of one with a big mask: the prefix is purely causal
        # and never looks at text, which the fused kernel exploits.
        y_prefix = F.scaled_dot_product_attention(
            q[:, :, :prefix], k[:, :, :prefix], v[:, :, :prefix], is_causal=True
        )
        q = q[:, :, prefix:]
        weights = None
        if with_weights:  # the fused kernel does not give them
            weights = (q @ k.mT * q.shape[-1] ** -0.5 + text_mask).softmax(-1)
            y_text = weights @ v
            weights = weights.detach().mean(1)
        else:
            y_text = F.scaled_dot_product_attention(q, k, v, attn_mask=text_mask)
        return self.o_proj(merge_heads(torch.cat([y_prefix, y_text], 2))), weights

    def at_rows(
        self, x: Tensor, rows: Tensor, rotation: Rotation, mask: Tensor
    ) -> Tensor:
        """The output of some rows only. rows (B, Q); mask (B, 1, Q, P + T)."""
        q, k, v = project_heads(x, self.heads, self.q_proj, self.k_proj, self.v_proj)
        q, k = rotate(q, rotation), rotate(k, rotation)
        q = q.gather(2, rows[:, None, :, None].expand(-1, q.shape[1], -1, q.shape[3]))
        return self.o_proj(
            merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        )


class DecoderMlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(c.width, eps=1e-5)
        self.self_attn = DecoderAttention(c.width, c.heads)
        self.post_attention_layernorm = nn.RMSNorm(c.width, eps=1e-5)
        self.mlp = DecoderMlp(c.width, c.mlp)

    def forward(self, x: Tensor, *attention) -> tuple[Tensor, Tensor | None]:
        """`attention` as DecoderAttention takes it; the weights are passed on."""
        y, weights = self.self_attn(self.input_layernorm(x), *attention)
        x = x + y
        return x + self.mlp(self.post_attention_layernorm(x)), weights

    def at_rows(
        self, x: Tensor, rows: Tensor, rotation: Rotation, mask: Tensor
    ) -> Tensor:
        """What `forward` gives at some rows: only they reach the head."""
        y = self.self_attn.at_rows(self.input_layernorm(x), rows, rotation, mask)
        x = take_rows(x, rows) + y
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocabulary, c.width)
        self.layers = nn.ModuleList(DecoderLayer(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width, eps=1e-5)
        self.share_queries_and_keys(c.shared_from)

    def share_queries_and_keys(self, first: int) -> None:
        """Layers from `first` on ask with the same matrices. The checkpoint has
        a copy for each of them, as the format knows no sharing.
        """
        source = self.layers[first]
        for layer in self.layers[first + 1 :]:
            layer.input_layernorm = source.input_layernorm
            layer.self_attn.q_proj = source.self_attn.q_proj
            layer.self_attn.k_proj = source.self_attn.k_proj


class LanguageModel(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.model = Decoder(c)
        self.lm_head = nn.Linear(c.width, c.vocabulary, bias=False)


def rotation_at(positions: Tensor, c: Config) -> Rotation:
    """RoPE for each token of each row; positions (B, S)."""
    E = c.width // c.heads
    power = torch.arange(0, E, 2, device=positions.device) / E
    angle = positions[..., None].float() * c.rope_base**-power  # (B, S, E / 2)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], -1)[:, None], torch.cat([-sin, sin], -1)[:, None]


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotary embedding of x (B, H, S, E): channel i pairs with i + E / 2."""
    cos, signed_sin = rotation
    return x * cos + x.roll(x.shape[-1] // 2, -1) * signed_sin


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """x (B, S, D), rows (B, R) to (B, R, D)."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[2]))
