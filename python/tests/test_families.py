"""A tiny random checkpoint of each family against plain loops (plain.py)."""

from functools import cache

import pytest
import torch

import plain
import tokensieve
from families import FAMILIES, IMAGE, LAYERS, SAMPLES, Family

LOGITS = {"rtol": 1e-4, "atol": 1e-4}
ANSWER_TOKENS = 4

NAMES = pytest.mark.parametrize("name", FAMILIES)
ATTENTION = pytest.mark.parametrize("attention", ["sdpa", "eager"])
RANKING = pytest.mark.parametrize("ranking", ["instruction", "last"])


def schedule_for(ranking):
    """A schedule for more vision tokens than any sample has: rates count."""
    return tokensieve.Schedule(1000, (1000, 700, 250, 0), ranking)


@cache
def expected(name, ranking):
    """The results of the loops for each sample alone."""
    family = Family(name, "eager")
    outcomes = []
    for sample in SAMPLES:
        batch = family.batch([sample])
        ids = batch["input_ids"][0].tolist()
        n = ids.count(IMAGE)
        keep = [n, (7 * n + 5) // 10, (n + 2) // 4, 0]
        with torch.no_grad():
            start = plain.entering(
                family.decoder, lambda: family.model(**batch), ids, IMAGE
            )
            outcomes.append(
                plain.run(
                    family.decoder,
                    family.model.lm_head,
                    start,
                    keep,
                    ranking,
                    ANSWER_TOKENS,
                )
            )
    return outcomes


def answers(model, batch, **options):
    ids = model.generate(
        **batch,
        max_new_tokens=ANSWER_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        **options,
    )
    return ids[:, batch["input_ids"].shape[1] :].tolist()


@NAMES
@ATTENTION
@RANKING
@pytest.mark.parametrize("size", [1, 8])
def test_family_computes_what_plain_loops_do(name, attention, ranking, size):
    family = Family(name, attention)
    model = family.model
    outcomes = expected(name, ranking)
    with tokensieve.apply(model, schedule_for(ranking)) as applied, torch.no_grad():
        for start in range(0, len(SAMPLES), size):
            chosen = slice(start, start + size)
            batch, wanted = family.batch(SAMPLES[chosen]), outcomes[chosen]
            logits = model(**batch).logits[:, -1]
            for b, outcome in enumerate(wanted):
                assert [layer[b].tolist() for layer in applied.kept] == outcome.kept
            torch.testing.assert_close(
                logits, torch.stack([outcome.logits for outcome in wanted]), **LOGITS
            )
            ids = [outcome.answer for outcome in wanted]
            assert answers(model, batch) == ids
            assert answers(model, batch, use_cache=False) == ids


@NAMES
@ATTENTION
def test_family_generates_in_other_ways_alike(name, attention):
    family = Family(name, attention)
    model, batch = family.model, family.batch(SAMPLES)
    with tokensieve.apply(model, schedule_for("instruction")):
        wanted = [outcome.answer for outcome in expected(name, "instruction")]
        assert answers(model, batch, cache_implementation="static") == wanted
        alone = [family.batch([sample]) for sample in SAMPLES]
        wanted = [answers(model, one, num_beams=3)[0] for one in alone]
        assert answers(model, batch, num_beams=3) == wanted


@NAMES
def test_second_question_sees_what_the_first_kept(name):
    family = Family(name, "sdpa")
    model, batch = family.model, family.batch(SAMPLES[2:3])
    start = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None}
    with tokensieve.apply(model, schedule_for("instruction")) as applied, torch.no_grad():
        first = model.generate(**batch, **options, return_dict_in_generate=True)
        kept = [layer[0].tolist() for layer in applied.kept]
        ids = torch.cat([first.sequences, torch.tensor([[5, 6, 7]])], 1)
        text = without_images(longer(batch, ids))
        second = model.generate(**text, **options, cache=first.cache)
        # The same without a cache: the first question alone ranks.
        for _ in range(3):
            with applied.answering(start):
                logits = model(**longer(batch, ids), use_cache=False).logits
            assert [layer[0].tolist() for layer in applied.kept] == kept
            ids = torch.cat([ids, logits[:, -1:].argmax(-1)], 1)
    assert second.tolist() == ids.tolist()


def longer(batch, ids):
    """A prompt with text behind it."""
    inputs = {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "mm_token_type_ids" in batch:
        inputs["mm_token_type_ids"] = (ids == IMAGE).int()
    return inputs


def without_images(batch):
    names = ("input_ids", "attention_mask", "mm_token_type_ids")
    return {name: batch[name] for name in names if name in batch}


@NAMES
def test_samples_are_as_different_as_the_tests_want(name):
    family = Family(name, "sdpa")
    rows = [family.ids(sample) for sample in SAMPLES]
    assert len(set(map(len, rows))) >= 4
    assert len({row.count(IMAGE) for row in rows}) >= 3
    for ranking in ("instruction", "last"):
        outcomes = expected(name, ranking)
        assert all(len(outcome.kept) == LAYERS for outcome in outcomes)
        assert len({tuple(outcome.answer) for outcome in outcomes}) > 2
    kept = [[outcome.kept[2] for outcome in expected(name, r)] for r in ("instruction", "last")]
    assert kept[0] != kept[1]


@NAMES
@ATTENTION
def test_half_precision_keeps_as_many_and_nearly_the_same(name, attention):
    family = Family(name, attention)
    batch, outcomes = family.batch(SAMPLES), expected(name, "instruction")
    batch["pixel_values"] = batch["pixel_values"].bfloat16()
    model = family.model.bfloat16()
    with tokensieve.apply(model, schedule_for("instruction")) as applied, torch.no_grad():
        logits = model(**batch).logits
        answers(model, batch)
    assert logits.dtype == torch.bfloat16 and logits.isfinite().all()
    same = total = 0
    for layer in range(LAYERS):
        for kept, outcome in zip(applied.kept[layer], outcomes):
            assert len(kept) == len(outcome.kept[layer])
            total += len(kept)
            same += len(set(kept.tolist()) & set(outcome.kept[layer]))
    assert same / total > 0.9
