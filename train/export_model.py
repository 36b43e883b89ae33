"""Saves a checkpoint of train.py as models/tiny, in the Hugging Face layout.

Writes config.json, generation_config.json, model.safetensors (float16),
preprocessor_config.json, tokenizer.json, tokenizer_config.json and
chat_template.jinja, then loads the directory with transformers and compares
logits: the files are right only if the class they are made for gives the same
answers as model.py.

Run:      python train/export_model.py
Versions: Python 3.11, torch 2.15.0, transformers 5.24.0, tokenizers 0.23.3,
          safetensors 0.8.0
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from batches import Split
from config import Config
from model import Model, Questions
from vision import normalise

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>", "<image>"]
PAD, BOS, EOS, UNK, IMAGE = range(len(SPECIAL))
CHECKED_QUESTIONS = 16
TOLERANCE = 1e-4  # of logits, both sides in float32 with the same weights


def llava_config(c: Config) -> LlavaConfig:
    vision = CLIPVisionConfig(
        hidden_size=c.width,
        intermediate_size=c.vision_mlp,
        num_hidden_layers=c.vision_layers,
        num_attention_heads=c.heads,
        image_size=c.image_size,
        patch_size=c.patch_size,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )
    text = LlamaConfig(
        vocab_size=c.vocabulary,
        hidden_size=c.width,
        intermediate_size=c.mlp,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        num_key_value_heads=c.heads,
        rms_norm_eps=1e-5,
        rope_theta=c.rope_base,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        image_seq_length=c.vision_tokens,
        projector_hidden_act="gelu",
        vision_feature_layer=-1,  # the last encoder layer's output
        vision_feature_select_strategy="default",  # without the class token
        tie_word_embeddings=False,
        architectures=["LlavaForConditionalGeneration"],
        dtype="float16",
    )


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_tokenizer(directory: Path, vocabulary: list[str]) -> None:
    """One id per word; "Is it red?" and "is it red ?" are the same question."""
    assert vocabulary[: len(SPECIAL)] == SPECIAL, "special tokens come first"
    ids = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(directory / "tokenizer.json"))
    names = dict(zip(("pad", "bos", "eos", "unk", "image"), SPECIAL))
    write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 256,
            "clean_up_tokenization_spaces": False,
            **{f"{name}_token": token for name, token in names.items()},
        },
    )
    # Words only, as in training; an image is "<image>" in front of the question.
    (directory / "chat_template.jinja").write_text(
        "<bos>{% for message in messages %}{{ message.content }} {% endfor %}"
    )


def export(checkpoint: dict, directory: Path) -> None:
    config = Config(**checkpoint["config"])
    directory.mkdir(parents=True, exist_ok=True)
    llava_config(config).save_pretrained(directory)
    write_json(
        directory / "generation_config.json",
        {
            "do_sample": False,
            "max_new_tokens": 1,  # every answer is one word
            "pad_token_id": PAD,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
        },
    )
    side = {"height": config.image_size, "width": config.image_size}
    write_json(
        directory / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"shortest_edge": config.image_size},
            "resample": 3,  # bicubic
            "do_center_crop": True,
            "crop_size": side,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [config.image_mean] * 3,
            "image_std": [config.image_std] * 3,
        },
    )
    write_tokenizer(directory, checkpoint["vocabulary"])
    weights = {
        name: tensor.half().contiguous() for name, tensor in checkpoint["model"].items()
    }
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def verify(checkpoint: dict, directory: Path, validation: Split) -> float:
    """Largest difference between transformers' logits and ours."""
    ours = Model(Config(**checkpoint["config"]))
    ours.load_state_dict({k: v.half().float() for k, v in checkpoint["model"].items()})
    theirs, loading = LlavaForConditionalGeneration.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True
    )
    assert not any(loading.values()), f"transformers complains: {loading}"
    tokenizer = AutoTokenizer.from_pretrained(directory)

    rows = np.arange(CHECKED_QUESTIONS)
    images = validation.get("images", rows)
    tokens = validation.get("tokens", rows).long()
    lengths = validation.get("lengths", rows).long()
    logits = ours(ours.features(images), Questions.pack(tokens, lengths))
    pixels = normalise(images, ours.config)
    worst = 0.0
    for i in rows:
        question = i  # another one of each image, so that kinds vary
        words = tokens[i, question, : lengths[i, question]].tolist()
        text = " ".join(checkpoint["vocabulary"][word] for word in words)
        prompt = "<image>" * ours.config.vision_tokens + text
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        assert ids[0].tolist() == [BOS] + [IMAGE] * ours.config.vision_tokens + words
        output = theirs(input_ids=ids, pixel_values=pixels[i : i + 1])
        difference = (output.logits[0, -1] - logits[i, question]).abs().max()
        worst = max(worst, difference.item())
    return worst


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Save models/tiny.")
    parser.add_argument("--data", type=Path, default=here / "data")
    parser.add_argument("--to", type=Path, default=here.parent / "models" / "tiny")
    parser.add_argument("--checkpoint", type=Path, help="default: in --data")
    options = parser.parse_args()
    path = options.checkpoint or options.data / "checkpoint.pt"
    checkpoint = torch.load(path, map_location="cpu")
    export(checkpoint, options.to)
    validation = Split(options.data / "validation", torch.device("cpu"))
    worst = verify(checkpoint, options.to, validation)
    size = (options.to / "model.safetensors").stat().st_size
    print(f"stage {checkpoint['stage']} step {checkpoint['step']}, {size} bytes")
    print(f"largest difference from transformers: {worst:.1e}")
    assert worst < TOLERANCE, "models/tiny does not reproduce the trained model"


if __name__ == "__main__":
    main()
