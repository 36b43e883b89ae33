"""Unknown structures are refused, by name, before anything runs."""

import re

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    Idefics3Config,
    LlamaConfig,
    LlavaConfig,
    MistralConfig,
    Phi3Config,
)

import tokensieve
from families import IMAGE, LAYERS, NARROW, SAMPLES, TEXT, VIDEO, VISION, Family

SCHEDULE = tokensieve.Schedule(100, (100, 50, 50, 10))


def llava(text):
    return LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION), text_config=text, image_token_id=IMAGE
    )


REFUSED = {
    "a text model": (
        LlamaConfig(**NARROW),
        "LlamaForCausalLM as its model type must be one of .*: current value is llama",
    ),
    "another family": (
        Idefics3Config(vision_config=VISION, text_config=LlamaConfig(**NARROW)),
        "Idefics3ForConditionalGeneration as its model type .* is idefics3",
    ),
    "another decoder": (
        llava(Phi3Config(**TEXT)),
        "LlavaForConditionalGeneration as the model type of its decoder .* is phi3",
    ),
    "a sliding window": (
        llava(MistralConfig(**NARROW, sliding_window=8)),
        "all layers of its decoder must have full attention: current window is 8",
    ),
}


@pytest.mark.parametrize("config, message", REFUSED.values(), ids=REFUSED)
def test_unknown_structures_are_refused_by_name(config, message):
    causal = config.model_type == "llama"
    maker = AutoModelForCausalLM if causal else AutoModelForImageTextToText
    model = maker.from_config(config)
    with pytest.raises(TypeError, match=f"Cannot apply a schedule to .*{message}"):
        tokensieve.apply(model, SCHEDULE)
    assert not hasattr(model, "_tokensieve")


@pytest.mark.parametrize("kind", ["flex_attention", "paged|sdpa", "paged|flash_attention_2"])
def test_unknown_attention_is_refused(kind):
    family = Family("llava 1.5", "sdpa")
    model, batch = family.model, family.batch(SAMPLES[:1])
    message = "its attention must be one of .*: current value is " + re.escape(kind)
    with tokensieve.apply(model, SCHEDULE), torch.no_grad():
        model.model.language_model.config._attn_implementation = kind
        with pytest.raises(TypeError, match=message):
            model(**batch)
    with pytest.raises(TypeError, match=message):
        tokensieve.apply(model, SCHEDULE)


def test_schedules_for_another_depth_are_refused():
    model = Family("llava 1.5", "sdpa").model
    with pytest.raises(ValueError, match=f"each of its {LAYERS} layers: .* is 2"):
        tokensieve.apply(model, tokensieve.Schedule(100, (100, 50)))


def test_videos_are_refused():
    family = Family("qwen2 vl", "sdpa")
    batch = family.batch(SAMPLES[:1])
    batch["input_ids"][0, 0] = VIDEO
    with tokensieve.apply(family.model, SCHEDULE), torch.no_grad():
        with pytest.raises(ValueError, match="prompts with videos"):
            family.model(**batch)
