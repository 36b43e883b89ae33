"""The embedded model in PyTorch: CLIP vision tower, projector, LLaMA decoder.

Parameter names and arithmetic are those of Hugging Face's
LlavaForConditionalGeneration, so `state_dict()` is the checkpoint: nothing is
renamed on export. What is ours is the batching. All questions of one image
share one image prefix, which runs through the decoder once:

    row = <bos>, vision tokens, question 1, question 2, ...

A question token sees the prefix and its own question, never another question,
and every question starts at the position after the image. A row therefore gives
exactly the logits of as many separate prompts.

Dimensions: B images, Q questions per image, N vision tokens kept, P = 1 + N
prefix length, T text tokens per row, D width, H heads, E head width.

Read next: train.py (how it is trained), export_model.py (how it is saved).
Versions: Python 3.11, torch 2.15.0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    vocabulary: int
    width: int = 128
    heads: int = 4
    image_size: int = 96  # pixels per side
    patch_size: int = 8  # pixels per side
    vision_layers: int = 3
    vision_mlp: int = 512
    layers: int = 8
    mlp: int = 320
    rope_base: float = 10000.0
    image_mean: float = 0.35  # of pixels in [0, 1], the same for R, G, B
    image_std: float = 0.17

    @property
    def grid(self) -> int:
        return self.image_size // self.patch_size

    @property
    def vision_tokens(self) -> int:
        return self.grid**2


def normalise(images: Tensor, config: Config) -> Tensor:
    """uint8 (B, height, width, 3) to float (B, 3, height, width)."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    return (pixels - config.image_mean) / config.image_std


# ---------------------------------------------------------------- vision tower


class VisionAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (B, S, D)
        q, k, v = project_heads(x, self.heads, self.q_proj, self.k_proj, self.v_proj)
        return self.out_proj(merge_heads(F.scaled_dot_product_attention(q, k, v)))


class VisionMlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(c.width)
        self.self_attn = VisionAttention(c.width, c.heads)
        self.layer_norm2 = nn.LayerNorm(c.width)
        self.mlp = VisionMlp(c.width, c.vision_mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class VisionEmbeddings(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.patch_size = c.patch_size
        self.class_embedding = nn.Parameter(torch.zeros(c.width))
        # Only the weight is used: a convolution whose stride is its size is a
        # matrix product over patches, and that is several times faster on CPUs.
        self.patch_embedding = nn.Conv2d(
            3, c.width, c.patch_size, c.patch_size, bias=False
        )
        self.position_embedding = nn.Embedding(1 + c.vision_tokens, c.width)

    def forward(self, pixels: Tensor) -> Tensor:  # (B, 3, 96, 96) -> (B, 1 + N, D)
        B, C, height, width = pixels.shape
        p = self.patch_size
        patches = pixels.view(B, C, height // p, p, width // p, p)
        patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * p * p)
        x = patches @ self.patch_embedding.weight.flatten(1).T
        x = torch.cat([self.class_embedding.expand(B, 1, -1), x], 1)
        return x + self.position_embedding.weight


class VisionEncoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.layers = nn.ModuleList(VisionLayer(c) for _ in range(c.vision_layers))


class VisionModel(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.embeddings = VisionEmbeddings(c)
        self.pre_layrnorm = nn.LayerNorm(c.width)  # the spelling is Hugging Face's
        self.encoder = VisionEncoder(c)
        # Never applied: LLaVA takes the last layer's output before this norm.
        # It stays the identity because the checkpoint format asks for it.
        self.post_layernorm = nn.LayerNorm(c.width).requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:  # -> (B, N, D), no class token
        x = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder.layers:
            x = layer(x)
        return x[:, 1:]


class VisionTower(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.vision_model = VisionModel(c)


class Projector(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.linear_1 = nn.Linear(c.width, c.width)
        self.linear_2 = nn.Linear(c.width, c.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.gelu(self.linear_1(x)))


# --------------------------------------------------------------------- decoder


class DecoderAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, rotation: "Rotation", text_mask: Tensor, prefix: int
    ) -> Tensor:
        """x (B, P + T, D); text_mask (B, 1, T, P + T), 0 or -inf."""
        q, k, v = project_heads(x, self.heads, self.q_proj, self.k_proj, self.v_proj)
        q, k = rotate(q, rotation), rotate(k, rotation)
        # Two calls instead of one with a big mask: the prefix is purely causal
        # and never looks at text, which the fused kernel exploits.
        y_prefix = F.scaled_dot_product_attention(
            q[:, :, :prefix], k[:, :, :prefix], v[:, :, :prefix], is_causal=True
        )
        y_text = F.scaled_dot_product_attention(
            q[:, :, prefix:], k, v, attn_mask=text_mask
        )
        return self.o_proj(merge_heads(torch.cat([y_prefix, y_text], 2)))

    def at_rows(
        self, x: Tensor, rows: Tensor, rotation: "Rotation", mask: Tensor
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

    def forward(
        self, x: Tensor, rotation: "Rotation", text_mask: Tensor, prefix: int
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, text_mask, prefix)
        return x + self.mlp(self.post_attention_layernorm(x))

    def at_rows(
        self, x: Tensor, rows: Tensor, rotation: "Rotation", mask: Tensor
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


class LanguageModel(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.model = Decoder(c)
        self.lm_head = nn.Linear(c.width, c.vocabulary, bias=False)


# ----------------------------------------------------------------- whole model


@dataclass
class Questions:
    """The questions of each image, packed without gaps into one row of text."""

    tokens: Tensor  # (B, T) word ids, 0 = padding at the end of the row
    owner: Tensor  # (B, T) which question a token belongs to, Q = padding
    offset: Tensor  # (B, T) position inside its question, from 0
    last: Tensor  # (B, Q) column of each question's last token

    @staticmethod
    def pack(tokens: Tensor, lengths: Tensor) -> "Questions":
        """tokens (B, Q, L) right-padded, lengths (B, Q)."""
        B, Q, L = tokens.shape
        column = torch.arange(L, device=tokens.device)
        used = (column < lengths[..., None]).flatten(1)  # (B, Q * L)
        T = int(used.sum(1).max())
        order = used.logical_not().byte().argsort(dim=1, stable=True)[:, :T]
        owner = torch.arange(Q, device=tokens.device).repeat_interleave(L)
        padding = used.gather(1, order).logical_not()
        return Questions(
            tokens=tokens.flatten(1).gather(1, order).masked_fill(padding, 0),
            owner=owner[order].masked_fill(padding, Q),
            offset=column.repeat(Q)[order],
            last=lengths.cumsum(1) - 1,
        )


@dataclass(frozen=True)
class Reduction:
    """From decoder layer `layer` on (0-based), only `keep` vision tokens stay."""

    layer: int
    keep: int


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.vision_tower = VisionTower(config)
        self.multi_modal_projector = Projector(config)
        self.language_model = LanguageModel(config)
        self.apply_initialisation()

    def features(self, images: Tensor) -> Tensor:
        """uint8 (B, 96, 96, 3) to the encoder's output (B, N, D)."""
        return self.vision_tower.vision_model(normalise(images, self.config))

    def forward(
        self,
        features: Tensor,  # (B, N, D)
        questions: Questions,
        reductions: list[Reduction] = [],
        priority: Tensor | None = None,  # (B, N): the highest stay
    ) -> Tensor:
        """Logits of the answers, (B, Q, vocabulary)."""
        decoder = self.language_model.model
        B, N, D = features.shape
        bos = decoder.embed_tokens.weight[1].expand(B, 1, D)
        vision = self.multi_modal_projector(features)
        text = decoder.embed_tokens(questions.tokens)

        # Positions: <bos> 0, vision token p at 1 + p (also when others are
        # dropped, as a FastV-style implementation keeps them), text from 1 + N.
        kept = torch.arange(N, device=features.device).expand(B, N)
        text_positions = 1 + N + questions.offset
        x = torch.cat([bos, vision, text], 1)
        keep_from = {r.layer: r.keep for r in reductions}

        for index, layer in enumerate(decoder.layers):
            if index in keep_from:
                slots = top_slots(priority.gather(1, kept), keep_from[index])
                prefix = 1 + kept.shape[1]
                vision = take_rows(x[:, 1:prefix], slots)
                x = torch.cat([x[:, :1], vision, x[:, prefix:]], 1)
                kept = kept.gather(1, slots)
            if index == 0 or index in keep_from:
                prefix = 1 + kept.shape[1]
                positions = torch.cat([0 * kept[:, :1], 1 + kept, text_positions], 1)
                rotation = rotation_at(positions, self.config)
                mask = text_mask(questions.owner, prefix)
            if index < len(decoder.layers) - 1:
                x = layer(x, rotation, mask, prefix)
            else:
                last = questions.last
                answer_mask = mask.gather(
                    2, last[:, None, :, None].expand(-1, -1, -1, mask.shape[3])
                )
                x = layer.at_rows(x, prefix + last, rotation, answer_mask)
        return self.language_model.lm_head(decoder.norm(x))

    @torch.no_grad()
    def apply_initialisation(self) -> None:
        """Matrices 1/sqrt(fan-in); the last matrix of a residual branch is
        smaller, by 1/sqrt(2 * layers), so that depth does not add up at first.
        """
        c = self.config
        residual = {"out_proj": c.vision_layers, "fc2": c.vision_layers}
        residual |= {"o_proj": c.layers, "down_proj": c.layers}
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                depth = residual.get(name.split(".")[-1])
                scale = (2 * depth) ** -0.5 if depth else 1.0
                nn.init.normal_(module.weight, 0, scale * module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.language_model.lm_head.weight.mul_(0.5)
        nn.init.normal_(self.language_model.model.embed_tokens.weight, 0, 0.05)
        embeddings = self.vision_tower.vision_model.embeddings
        nn.init.normal_(
            embeddings.patch_embedding.weight, 0, (3 * c.patch_size**2) ** -0.5
        )
        nn.init.normal_(embeddings.class_embedding, 0, 0.5)
        embeddings.position_embedding.weight[1:] = 0.7 * sine_cosine(c.grid, c.width)
        embeddings.position_embedding.weight[0] = 0


# --------------------------------------------------------------------- helpers


Rotation = tuple[Tensor, Tensor]  # cosines and signed sines, (B, 1, S, E) each


def project_heads(
    x: Tensor, heads: int, *projections: nn.Linear
) -> tuple[Tensor, ...]:
    """(B, S, D) to one (B, H, S, E) per projection, in one matrix product."""
    weight = torch.cat([p.weight for p in projections])
    bias = None
    if projections[0].bias is not None:
        bias = torch.cat([p.bias for p in projections])
    y = F.linear(x, weight, bias)
    B, S, D = x.shape
    y = y.view(B, S, len(projections), heads, D // heads)
    return y.permute(2, 0, 3, 1, 4).unbind(0)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, S, E) to (B, S, D)."""
    return x.transpose(1, 2).flatten(2)


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


def text_mask(owner: Tensor, prefix: int) -> Tensor:
    """What each text token may see, (B, 1, T, prefix + T): 0 yes, -inf no."""
    B, T = owner.shape
    visible = (owner[:, :, None] == owner[:, None, :]).tril()
    mask = torch.zeros(B, 1, T, prefix + T, device=owner.device)
    mask[:, 0, :, prefix:].masked_fill_(~visible, float("-inf"))
    return mask


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """x (B, S, D), rows (B, R) to (B, R, D)."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[2]))


def top_slots(priority: Tensor, keep: int) -> Tensor:
    """Slots of the `keep` highest priorities, in their original order."""
    return priority.topk(keep, 1).indices.sort(1).values


def sine_cosine(grid: int, width: int) -> Tensor:
    """2-D sine-cosine position code (grid * grid, width): half row, half column.

    Only a starting point (positions are learned), but one from which a linear
    map can read row and column: started from small noise, the encoder hardly
    ever learned to tell where a patch is.
    """
    frequency = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    angle = torch.arange(grid)[:, None] * frequency  # (grid, width / 4)
    axis = torch.cat([angle.sin(), angle.cos()], 1)
    row = axis[:, None].expand(grid, grid, -1)
    column = axis[None].expand(grid, grid, -1)
    return torch.cat([row, column], -1).reshape(grid * grid, width)
