"""The shape of the embedded model."""

from dataclasses import dataclass


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
    shared_from: int = 1  # this layer and all deeper ones share queries and keys
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
