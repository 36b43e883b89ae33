"""A tiny random checkpoint of each family, and prompts for it.

Images have different sizes where the family allows it. The sizes of the
decoders are the same: four layers, four query heads, two key/value heads.
"""

from dataclasses import dataclass
from typing import Any, Callable

import torch
from transformers import (
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    InternVLConfig,
    InternVLVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    MistralConfig,
    Qwen2Config,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3Config,
    Qwen3VLConfig,
    SiglipVisionConfig,
    SmolVLMConfig,
)

LAYERS, VOCABULARY, IMAGE, VIDEO, PAD = 4, 64, 60, 61, 0

TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": PAD,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NARROW = TEXT | {"head_dim": 8}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
TOKENS = {"image_token_id": IMAGE, "video_token_id": VIDEO}
PINPOINTS = [[16, 32], [32, 16], [32, 32]]
ROPE = {"rope_type": "default", "rope_theta": 10000.0}


def square(i: int) -> dict[str, Any]:
    """One image of one size."""
    return {"pixel_values": noise(i, 1, 3, 16, 16)}


def squares(i: int) -> dict[str, Any]:
    """One image in one or two tiles."""
    return {"pixel_values": noise(i, 1 + i % 2, 3, 16, 16)}


def tiled(i: int) -> dict[str, Any]:
    """One image in three or five tiles, of which five are given."""
    size = PINPOINTS[i % 3]
    tiles = 1 + size[0] * size[1] // 256
    pixels = torch.zeros(1, 5, 3, 16, 16)
    pixels[0, :tiles] = noise(i, tiles, 3, 16, 16)
    return {"pixel_values": pixels, "image_sizes": torch.tensor([size])}


def patches(width: int) -> Callable[[int], dict[str, Any]]:
    """One image of patches that Qwen-VL merges two by two."""

    def image(i: int) -> dict[str, Any]:
        grid = [1, 4, 4 + 2 * (i % 3)]
        return {
            "pixel_values": noise(i, grid[1] * grid[2], 3 * 2 * width**2),
            "image_grid_thw": torch.tensor([grid]),
        }

    return image


def noise(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator)


def qwen_vision(**more: Any) -> dict[str, Any]:
    common = {"depth": 2, "num_heads": 2, "patch_size": 4, "temporal_patch_size": 2}
    return common | {"spatial_merge_size": 2} | more


def mrope(section: list[int]) -> dict[str, Any]:
    return ROPE | {"mrope_section": section}


INTERNVL = VISION | {"image_size": [16, 16], "patch_size": [4, 4]}


def internvl(text: Any) -> InternVLConfig:
    return InternVLConfig(
        vision_config=InternVLVisionConfig(**INTERNVL),
        text_config=text,
        image_token_id=IMAGE,
        image_seq_length=4,
    )


FAMILIES: dict[str, tuple[Any, Callable[[int], dict[str, Any]]]] = {
    "llava 1.5": (
        LlavaConfig(
            vision_config=CLIPVisionConfig(**VISION),
            text_config=LlamaConfig(**NARROW),
            image_token_id=IMAGE,
        ),
        square,
    ),
    "llava next": (
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(**VISION),
            text_config=MistralConfig(**NARROW, sliding_window=None),
            image_token_id=IMAGE,
            image_grid_pinpoints=PINPOINTS,
        ),
        tiled,
    ),
    "llava onevision": (
        LlavaOnevisionConfig(
            vision_config=SiglipVisionConfig(**VISION),
            text_config=Qwen2Config(**TEXT),
            image_grid_pinpoints=PINPOINTS,
            **TOKENS,
        ),
        tiled,
    ),
    "internvl 2.5": (internvl(LlamaConfig(**NARROW, attention_bias=True)), squares),
    "internvl 3": (internvl(Qwen2Config(**TEXT)), squares),
    "internvl 3.5": (internvl(Qwen3Config(**NARROW)), squares),
    "qwen2 vl": (
        Qwen2VLConfig(
            vision_config=qwen_vision(embed_dim=16, hidden_size=32),
            text_config=TEXT | {"rope_parameters": mrope([2, 1, 1])},
            **TOKENS,
        ),
        patches(4),
    ),
    "qwen2.5 vl": (
        Qwen2_5_VLConfig(
            vision_config=qwen_vision(
                hidden_size=16,
                intermediate_size=24,
                out_hidden_size=32,
                window_size=16,
                fullatt_block_indexes=[1],
            ),
            text_config=TEXT | {"rope_parameters": mrope([2, 1, 1])},
            **TOKENS,
        ),
        patches(4),
    ),
    "qwen3 vl": (
        Qwen3VLConfig(
            vision_config=qwen_vision(
                hidden_size=16,
                intermediate_size=24,
                out_hidden_size=32,
                num_position_embeddings=64,
                deepstack_visual_indexes=[0, 1],
            ),
            text_config=NARROW | {"rope_parameters": mrope([2, 1, 1])},
            **TOKENS,
        ),
        patches(4),
    ),
    "smolvlm": (
        SmolVLMConfig(
            vision_config=VISION,
            text_config=LlamaConfig(**NARROW),
            image_token_id=IMAGE,
            scale_factor=2,
        ),
        square,
    ),
}

TEXTS = [[5, 6], [7], [8, 9, 10, 11, 12], [13, 14, 15], [16, 17, 18, 19, 20, 21, 22]]


@dataclass
class Sample:
    """Texts and images in turn; a text comes first and last."""

    texts: list[list[int]]
    images: list[int]


SAMPLES = [
    Sample([TEXTS[0], TEXTS[2]], [0]),
    Sample([TEXTS[1], TEXTS[3]], [1]),
    Sample([TEXTS[0], TEXTS[1], TEXTS[4]], [2, 1]),
    Sample([TEXTS[3], TEXTS[1]], [2]),
    Sample([TEXTS[1], TEXTS[3], TEXTS[1], TEXTS[0]], [3, 4, 5]),
    Sample([TEXTS[4], TEXTS[2]], [4]),
    Sample([TEXTS[0], TEXTS[4]], [5]),
    Sample([TEXTS[2], TEXTS[0], TEXTS[2]], [6, 0]),
]


class Family:
    """A model, and batches of prompts for it."""

    def __init__(self, name: str, attention: str) -> None:
        config, self._image = FAMILIES[name]
        torch.manual_seed(1)
        self.model = AutoModelForImageTextToText.from_config(
            config, attn_implementation=attention, dtype=torch.float32
        ).eval()
        randomize(self.model)
        base = self.model.base_model
        self.decoder = getattr(base, "language_model", None) or base.text_model
        self._smol = name == "smolvlm"

    def vision_tokens(self, i: int) -> int:
        """Vision tokens of an image."""
        inputs = self._image(i)
        if self._smol:
            inputs["pixel_values"] = inputs["pixel_values"][None]
        with torch.no_grad():
            features = self.model.get_image_features(**inputs).pooler_output
        return sum(feature.shape[:-1].numel() for feature in features)

    def ids(self, sample: Sample) -> list[int]:
        ids = list(sample.texts[0])
        for image, text in zip(sample.images, sample.texts[1:]):
            ids += [IMAGE] * self.vision_tokens(image) + text
        return ids

    def batch(self, samples: list[Sample]) -> dict[str, torch.Tensor]:
        """Inputs of the model, padded on the left."""
        rows = [self.ids(sample) for sample in samples]
        length = max(map(len, rows))
        ids = torch.tensor([[PAD] * (length - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        images = [self._image(i) for sample in samples for i in sample.images]
        inputs = {name: torch.cat([i[name] for i in images]) for name in images[0]}
        if self._smol:
            # Samples with fewer images have black ones behind them.
            most = max(len(sample.images) for sample in samples)
            pixels = torch.zeros(len(samples), most, 3, 16, 16)
            own = iter(inputs["pixel_values"])
            for b, sample in enumerate(samples):
                for n in range(len(sample.images)):
                    pixels[b, n] = next(own)
            inputs["pixel_values"] = pixels
        if "image_grid_thw" in inputs:
            inputs["mm_token_type_ids"] = (ids == IMAGE).int()
        return {"input_ids": ids, "attention_mask": mask, **inputs}


def randomize(model: Any) -> None:
    """Weights large enough that attention and answers depend on the tokens."""
    for name, parameter in sorted(model.named_parameters()):
        with torch.no_grad():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.normal_(std=1)
            else:
                parameter.normal_(std=0.25)
    # An answer must not hold placeholders of images, which have no pixels.
    with torch.no_grad():
        model.lm_head.weight[[IMAGE, VIDEO]] = 0
