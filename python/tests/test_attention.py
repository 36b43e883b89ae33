"""Fused attention stays on: what its implementations are called with."""

import copy

import pytest
import torch
from transformers.modeling_flash_attention_utils import _is_packed_sequence
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import tokensieve
from test_tiny import FIXTURE, LOGITS, RUNS, answers, inputs, load, schedule_of


calls = []


def flash(module, query, key, value, attention_mask, scaling, **options):
    """Computes as FlashAttention does, and checks what it is called with.

    Masks have two dimensions, and queries are aligned with the last keys.
    Position ids with gaps would be taken for several texts in one row.
    """
    B, _, T, _ = query.shape
    S = key.shape[2]
    assert attention_mask is None or attention_mask.shape == (B, S)
    ids = options.get("position_ids")
    assert ids is None or ids.shape[-1] == T and not _is_packed_sequence(ids, B)
    calls.append(module)
    key, value = (
        x.repeat_interleave(module.num_key_value_groups, dim=1) for x in (key, value)
    )
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T).expand(B, 1, T, S)
    if attention_mask is not None:
        seen = seen & attention_mask[:, None, None].bool()
    logits = (query @ key.transpose(2, 3) * scaling).masked_fill(~seen, -1e30)
    return (logits.softmax(-1) @ value).transpose(1, 2), None


@RUNS
@pytest.mark.parametrize("size", [1, 8])
def test_flash_attention_is_called_as_it_expects(run, size, monkeypatch):
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "flash_attention_2", flash)
    model = load()
    model.model.language_model.config._attn_implementation = "flash_attention_2"
    batch, expected = inputs(FIXTURE["questions"][:size]), run["samples"][:size]
    calls.clear()
    with tokensieve.apply(model, schedule_of(run)) as applied, torch.no_grad():
        logits = model(**batch).logits[:, -1]
        for b, sample in enumerate(expected):
            assert [layer[b].tolist() for layer in applied.kept] == sample["kept"]
        wanted = torch.tensor([sample["logits"] for sample in expected])
        torch.testing.assert_close(logits, wanted, **LOGITS)
        assert answers(model, batch) == [sample["answer"] for sample in expected]
    assert len(calls) == 8 * (1 + 6)


@RUNS
def test_sdpa_needs_no_mask_without_padding(run, monkeypatch):
    masks = []
    original = torch.nn.functional.scaled_dot_product_attention

    def note(query, key, value, attn_mask=None, **options):
        masks.append(attn_mask)
        return original(query, key, value, attn_mask=attn_mask, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", note)
    model = load()
    with tokensieve.apply(model, schedule_of(run)):
        answers(model, inputs(FIXTURE["questions"][:1]))
    assert len(masks) >= 8 * 6
    assert all(mask is None for mask in masks)


def test_scoring_projects_nothing_again():
    """Each projection runs once per layer: queries and keys are caught."""
    model, run = load(), FIXTURE["runs"][1]
    calls = []
    for layer in model.model.language_model.layers:
        for name in ("q_proj", "k_proj", "v_proj"):
            getattr(layer.self_attn, name).register_forward_hook(
                lambda module, args, output: calls.append(module)
            )
    with tokensieve.apply(model, schedule_of(run)), torch.no_grad():
        model(**inputs(FIXTURE["questions"][:1]))
    assert len(calls) == len(set(calls)) == 3 * 8


def test_copies_of_a_cache_continue_alike():
    run, model = FIXTURE["runs"][1], load()
    batch = inputs(FIXTURE["questions"])
    later = torch.tensor([sample["answer"][:2] for sample in run["samples"]])
    longer = {"attention_mask": torch.cat([batch["attention_mask"], 0 * later + 1], 1)}
    with tokensieve.apply(model, schedule_of(run)), torch.no_grad():
        cache = model(**batch, use_cache=True).cache
        twin = copy.deepcopy(cache)
        first = model(input_ids=later, cache=cache, **longer).logits
        second = model(input_ids=later, cache=twin, **longer).logits
    assert torch.equal(first, second)
    assert first[:, 0].argmax(-1).tolist() == [s["answer"][1] for s in run["samples"]]
    assert first[:, 1].argmax(-1).tolist() == [s["answer"][2] for s in run["samples"]]


def test_caches_are_cropped_behind_the_prompt_only():
    run, model = FIXTURE["runs"][1], load()
    batch, sample = inputs(FIXTURE["questions"][:1]), run["samples"][0]
    later = torch.tensor([sample["answer"]])
    with tokensieve.apply(model, schedule_of(run)), torch.no_grad():
        cache = model(**batch, use_cache=True).cache
        whole = model(input_ids=later, cache=cache).logits
        cache.crop(-4)
        again = model(input_ids=later[:, 2:], cache=cache).logits
        torch.testing.assert_close(again, whole[:, 2:], **LOGITS)
        cache.crop(-8)
        with pytest.raises(ValueError, match="its cache must hold all of it"):
            model(input_ids=later, cache=cache)
