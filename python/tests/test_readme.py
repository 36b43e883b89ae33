"""The example of README.md, as written, with models/tiny."""

import re
import shutil
from pathlib import Path

from PIL import Image
from transformers import AutoProcessor, AutoTokenizer, CLIPImageProcessor, LlavaProcessor

from test_tiny import FIXTURE, HERE, TINY, scene

EXAMPLE = re.search(r"```python\n(.*?)```", (HERE.parent / "README.md").read_text(), re.S)


def test_example_runs_as_written(tmp_path, monkeypatch):
    # models/tiny says in no file how many tokens an image has, as others do.
    processor = LlavaProcessor(
        CLIPImageProcessor.from_pretrained(TINY),
        AutoTokenizer.from_pretrained(TINY),
        patch_size=8,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
    )
    monkeypatch.setattr(AutoProcessor, "from_pretrained", lambda folder: processor)
    monkeypatch.chdir(tmp_path)
    shutil.copy(HERE / "fixtures" / "g_search.json", "schedule.json")
    Image.fromarray(scene(0).numpy()).save("scene.png")
    question = FIXTURE["questions"][0]
    # The tokenizer puts the first token in front.
    ids = question["before"] + [processor.image_token_id] + question["after"]
    names = {
        "folder": TINY,
        "path": Path("scene.png"),
        "prompt": " ".join(processor.tokenizer.convert_ids_to_tokens(ids[1:])),
    }
    exec(EXAMPLE[1], names)
    asked = names["inputs"]["input_ids"][0].tolist()
    assert asked == question["before"] + [processor.image_token_id] * 144 + question["after"]
    answer = names["ids"][0, len(asked) :].tolist()
    wanted = FIXTURE["runs"][2]["samples"][0]["answer"]
    assert answer[0] == wanted[0]
    kept = names["model"]._tokensieve.kept
    assert kept == []  # The second apply() is in effect, and has run nothing.
