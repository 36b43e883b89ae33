"""models/tiny under schedules, against what the TypeScript library computes.

fixtures/tiny.json comes from make_fixture.ts.
"""

import base64
import json
from pathlib import Path

import pytest
import torch
from transformers import LlavaForConditionalGeneration

import tokensieve

HERE = Path(__file__).resolve().parent
TINY = HERE.parents[1] / "models" / "tiny"
FIXTURE = json.loads((HERE / "fixtures" / "tiny.json").read_text())
PREPROCESSOR = json.loads((TINY / "preprocessor_config.json").read_text())
IMAGE, PAD, N = 4, 0, 144
LOGITS = {"rtol": 1e-4, "atol": 1e-4}

RUNS = pytest.mark.parametrize("run", FIXTURE["runs"], ids=lambda run: run["name"])
ATTENTION = pytest.mark.parametrize("attention", ["sdpa", "eager"])


def load(attention="sdpa"):
    return LlavaForConditionalGeneration.from_pretrained(
        TINY, dtype=torch.float32, attn_implementation=attention
    ).eval()


def schedule_of(run):
    return tokensieve.Schedule(run["visionTokens"], tuple(run["keep"]), run["ranking"])


def scene(image):
    data = bytearray(base64.b64decode(FIXTURE["images"][image]))
    return torch.frombuffer(data, dtype=torch.uint8).view(96, 96, 3)


def pixels(image):
    values = scene(image).permute(2, 0, 1)
    mean, std = (
        torch.tensor(PREPROCESSOR[name])[:, None, None]
        for name in ("image_mean", "image_std")
    )
    return (values / 255 - mean) / std


def inputs(questions):
    """A batch, padded on the left."""
    rows = [q["before"] + [IMAGE] * N + q["after"] for q in questions]
    length = max(map(len, rows))
    return {
        "input_ids": torch.tensor([[PAD] * (length - len(r)) + r for r in rows]),
        "attention_mask": torch.tensor(
            [[0] * (length - len(r)) + [1] * len(r) for r in rows]
        ),
        "pixel_values": torch.stack([pixels(q["image"]) for q in questions]),
    }


def answers(model, batch, **options):
    ids = model.generate(
        **batch, max_new_tokens=6, do_sample=False, eos_token_id=None, **options
    )
    return ids[:, batch["input_ids"].shape[1] :].tolist()


@RUNS
@ATTENTION
@pytest.mark.parametrize("size", [1, 8])
def test_tiny_computes_what_the_library_does(run, attention, size):
    model = load(attention)
    questions = FIXTURE["questions"]
    assert len({len(question["after"]) for question in questions}) > 2
    with tokensieve.apply(model, schedule_of(run)) as applied, torch.no_grad():
        for start in range(0, len(questions), size):
            chosen = slice(start, start + size)
            batch, expected = inputs(questions[chosen]), run["samples"][chosen]
            logits = model(**batch).logits[:, -1]
            for b, sample in enumerate(expected):
                assert [layer[b].tolist() for layer in applied.kept] == sample["kept"]
            wanted = torch.tensor([sample["logits"] for sample in expected])
            torch.testing.assert_close(logits, wanted, **LOGITS)
            wanted = [sample["answer"] for sample in expected]
            assert answers(model, batch) == wanted
            assert answers(model, batch, use_cache=False) == wanted


def hooks(model):
    modules = list(model.modules())
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


def test_remove_restores_the_model():
    model, batch = load(), inputs(FIXTURE["questions"][:2])
    with torch.no_grad():
        before, own = model(**batch).logits, hooks(model)
        with tokensieve.apply(model, schedule_of(FIXTURE["runs"][0])):
            assert hooks(model) > own
            assert not torch.equal(model(**batch).logits, before)
        assert torch.equal(model(**batch).logits, before)
    assert "generate" not in vars(model)
    assert hooks(model) == own


def test_apply_lasts_until_it_is_removed(tmp_path):
    model, batch, run = load(), inputs(FIXTURE["questions"][:1]), FIXTURE["runs"][1]
    path = tmp_path / "schedule.json"
    fields = {"format": "tokensieve schedule 1", **run}
    path.write_text(json.dumps(fields))
    applied = tokensieve.apply(model, path)
    assert answers(model, batch) == [run["samples"][0]["answer"]]
    with pytest.raises(ValueError, match="must obey no other one"):
        tokensieve.apply(model, fields)
    applied.remove()
    assert applied.schedule == schedule_of(run)


def test_full_schedule_changes_nothing():
    model, batch = load(), inputs(FIXTURE["questions"])
    with torch.no_grad():
        before = model(**batch).logits
        with tokensieve.apply(model, tokensieve.Schedule(N, (N,) * 8)):
            assert torch.equal(model(**batch).logits, before)


@RUNS
def test_each_layer_caches_what_it_kept(run):
    model, batch = load(), inputs(FIXTURE["questions"][:1])
    with tokensieve.apply(model, schedule_of(run)), torch.no_grad():
        cache = model(**batch, use_cache=True).cache
    text = batch["input_ids"].shape[1] - N
    lengths = [cache.get_seq_length(layer) for layer in range(8)]
    assert lengths == [text + keep for keep in run["keep"]]


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3},
        {"cache_implementation": "static"},
        {"prompt_lookup_num_tokens": 2},
    ],
    ids=lambda options: next(iter(options)),
)
@ATTENTION
def test_ways_of_generating_see_the_same_kept_sets(options, attention):
    run = FIXTURE["runs"][1]
    model = load(attention)
    with tokensieve.apply(model, schedule_of(run)):
        # Prompts of a batch are answered as each alone.
        size = 1 if "prompt_lookup_num_tokens" in options else 4
        batch = inputs(FIXTURE["questions"][:size])
        together = answers(model, batch, **options)
        if "num_beams" not in options:
            wanted = [sample["answer"] for sample in run["samples"][:size]]
            assert together == wanted
        else:
            alone = [
                answers(model, inputs([question]), **options)[0]
                for question in FIXTURE["questions"][:size]
            ]
            assert together == alone


def test_forced_answers_do_not_rank():
    run, question = FIXTURE["runs"][1], FIXTURE["questions"][0]
    sample, model = run["samples"][0], load()
    batch = inputs([question])
    start = batch["input_ids"].shape[1]
    forced = torch.tensor([sample["answer"]])
    ids = torch.cat([batch["input_ids"], forced], 1)
    longer = {"input_ids": ids, "pixel_values": batch["pixel_values"]}
    with tokensieve.apply(model, schedule_of(run)) as applied, torch.no_grad():
        with applied.answering(start):
            logits = model(**longer).logits
        assert [layer[0].tolist() for layer in applied.kept] == sample["kept"]
        model(**longer)
        assert [layer[0].tolist() for layer in applied.kept] != sample["kept"]
    assert logits.shape[1] == ids.shape[1]
    assert logits[0, start - 1 : -1].argmax(-1).tolist() == sample["answer"]


def test_padding_on_the_right_gives_the_same_logits():
    run, questions = FIXTURE["runs"][2], FIXTURE["questions"]
    rows = [q["before"] + [IMAGE] * N + q["after"] for q in questions]
    length = max(map(len, rows))
    batch = {
        "input_ids": torch.tensor([r + [PAD] * (length - len(r)) for r in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(r) + [0] * (length - len(r)) for r in rows]
        ),
        "pixel_values": torch.stack([pixels(q["image"]) for q in questions]),
    }
    with tokensieve.apply(load_ := load(), schedule_of(run)), torch.no_grad():
        logits = load_(**batch).logits
    for b, row in enumerate(rows):
        wanted = torch.tensor(run["samples"][b]["logits"])
        torch.testing.assert_close(logits[b, len(row) - 1], wanted, **LOGITS)


def test_labels_give_the_loss_of_the_last_token():
    run, question = FIXTURE["runs"][1], FIXTURE["questions"][0]
    sample, model, batch = run["samples"][0], load(), inputs([question])
    ids = torch.cat([batch["input_ids"], torch.tensor([[sample["answer"][0]]])], 1)
    labels = torch.full_like(ids, -100)
    labels[:, -1] = ids[:, -1]
    with tokensieve.apply(model, schedule_of(run)) as applied, torch.no_grad():
        with applied.answering(ids.shape[1] - 1):
            loss = model(ids, batch["pixel_values"], labels=labels).loss
    logits = torch.tensor(sample["logits"], dtype=torch.float64)
    wanted = -logits.log_softmax(-1)[sample["answer"][0]]
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-4, atol=1e-4)


def test_conversation_continues_from_its_cache():
    run, question = FIXTURE["runs"][1], FIXTURE["questions"][0]
    model, batch = load(), inputs([question])
    first, second = run["samples"][0]["answer"][:2], question["after"]
    with tokensieve.apply(model, schedule_of(run)) as applied, torch.no_grad():
        cache = model(**batch, use_cache=True).cache
        later = torch.tensor([first + second])
        together = model(input_ids=later, cache=cache).logits
        ids = torch.cat([batch["input_ids"], later], 1)
        with applied.answering(batch["input_ids"].shape[1]):
            whole = model(input_ids=ids, pixel_values=batch["pixel_values"]).logits
    torch.testing.assert_close(together, whole[:, -later.shape[1] :], **LOGITS)


def test_images_after_a_filled_cache_are_refused():
    model, batch = load(), inputs(FIXTURE["questions"][:1])
    with tokensieve.apply(model, schedule_of(FIXTURE["runs"][1])), torch.no_grad():
        cache = model(**batch, use_cache=True).cache
        with pytest.raises(ValueError, match="images must come with the first tokens"):
            model(
                input_ids=batch["input_ids"],
                pixel_values=batch["pixel_values"],
                cache=cache,
            )


def test_prefill_in_chunks_is_refused():
    model, batch = load(), inputs(FIXTURE["questions"][:1])
    with tokensieve.apply(model, schedule_of(FIXTURE["runs"][1])):
        with pytest.raises(ValueError, match="all of their 151 tokens must come at once"):
            answers(model, batch, prefill_chunk_size=150)


def test_prompts_without_text_behind_the_image_are_refused():
    model, batch = load(), inputs(FIXTURE["questions"][:1])
    ids = torch.tensor([[1] + [IMAGE] * N])
    with tokensieve.apply(model, schedule_of(FIXTURE["runs"][1])), torch.no_grad():
        with pytest.raises(ValueError, match="text must follow the last of them"):
            model(input_ids=ids, pixel_values=batch["pixel_values"])


def test_prompts_without_images_are_left_alone():
    model, ids = load(), torch.tensor([[1, 5, 6, 7]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with tokensieve.apply(model, schedule_of(FIXTURE["runs"][1])) as applied:
            assert torch.equal(model(input_ids=ids).logits, before)
            assert applied.kept == []


def test_embeddings_without_ids_are_refused():
    model = load()
    with tokensieve.apply(model, schedule_of(FIXTURE["runs"][1])), torch.no_grad():
        with pytest.raises(ValueError, match="input_ids must be given"):
            model(inputs_embeds=torch.zeros(1, 4, 128))
