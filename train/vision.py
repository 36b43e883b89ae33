"""CLIP's vision tower, and the projector that follows it.

Names and arithmetic as Hugging Face's CLIPVisionModel and
LlavaMultiModalProjector, with the options that LLaVA does not use left out.

Dimensions: B images, C channels, N patches, S = 1 + N tokens, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention import merge_heads, project_heads
from config import Config


def normalise(images: Tensor, config: Config) -> Tensor:
    """uint8 (B, height, width, 3) to float (B, 3, height, width)."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    return (pixels - config.image_mean) / config.image_std


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
        # matrix product over patches.
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


def sine_cosine(grid: int, width: int) -> Tensor:
    """2-D sine-cosine position code (grid * grid, width): half row, half column.

    Only a starting point (positions are learned), but one from which a linear
    map can read row and column. A trial run that started from small noise was
    slow to learn where a patch is.
    """
    frequency = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    angle = torch.arange(grid)[:, None] * frequency  # (grid, width / 4)
    axis = torch.cat([angle.sin(), angle.cos()], 1)
    row = axis[:, None].expand(grid, grid, -1)
    column = axis[None].expand(grid, grid, -1)
    return torch.cat([row, column], -1).reshape(grid * grid, width)
