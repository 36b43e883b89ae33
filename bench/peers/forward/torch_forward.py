"""models/tiny in PyTorch eager mode (CPU, one thread), for bench/forward.ts.

    torch_forward.py MODEL_DIRECTORY

Speaks JSON, one object per line. It says what it is; is told the inputs:
{"ids": [[token id]], "images": [base64 of RGB bytes]}; and then answers each
{"batch": B, "vision": bool, "passes": n} with {"seconds": of processor time for n
passes, "logits": [[V]] of the last one}.

A pass goes from token ids and RGB bytes (from vision features where "vision" is
false) to the logits of the next token. It fills no KV cache, as ours does not,
and computes the logits of the last position only.
"""

import base64
import json
import sys
import time

import torch
import transformers
from transformers import LlavaForConditionalGeneration

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()

directory = sys.argv[1]
model = LlavaForConditionalGeneration.from_pretrained(
    directory, dtype=torch.float32
).eval()
with open(f"{directory}/preprocessor_config.json") as file:
    preprocessor = json.load(file)
mean = torch.tensor(preprocessor["image_mean"]).view(3, 1, 1)
std = torch.tensor(preprocessor["image_std"]).view(3, 1, 1)


def answer(value):
    print(json.dumps(value), flush=True)


def features_of(rgb):
    """[B, H, W, 3] bytes -> vision features [B * N, D]."""
    pixels = (rgb.permute(0, 3, 1, 2) / 255 - mean) / std
    return torch.cat(list(model.get_image_features(pixels).pooler_output))


def forward(ids, features):
    """The logits of the next token, [B, V]."""
    embeddings = model.get_input_embeddings()(ids)
    holes = (ids == model.config.image_token_id).unsqueeze(-1)
    embeddings = embeddings.masked_scatter(holes, features)
    return model(
        inputs_embeds=embeddings, use_cache=False, logits_to_keep=1
    ).logits[:, -1]


answer({
    "name": f"PyTorch {torch.__version__} eager, transformers "
    f"{transformers.__version__}, {torch.get_num_threads()} thread"
})
inputs = json.loads(sys.stdin.readline())
all_ids = torch.tensor(inputs["ids"])
side = model.config.vision_config.image_size
all_rgb = torch.stack([
    torch.frombuffer(bytearray(base64.b64decode(image)), dtype=torch.uint8)
    .view(side, side, 3)
    for image in inputs["images"]
])
with torch.inference_mode():
    for line in sys.stdin:
        case = json.loads(line)
        ids, rgb = all_ids[: case["batch"]], all_rgb[: case["batch"]]
        features = features_of(rgb)
        start = time.process_time()
        for _ in range(case["passes"]):
            logits = forward(ids, features_of(rgb) if case["vision"] else features)
        seconds = time.process_time() - start
        answer({"seconds": seconds, "logits": logits.tolist()})
