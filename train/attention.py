"""What the attention of the vision tower and of the decoder share.

Dimensions: B images, S tokens, D width, H heads, E head width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
