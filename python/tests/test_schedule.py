"""Reading of schedule.json, and scaling to other numbers of vision tokens."""

import json
from pathlib import Path

import pytest

from tokensieve import Schedule

GOOD = {
    "format": "tokensieve schedule 1",
    "visionTokens": 144,
    "keep": [144, 72, 3],
    "ranking": "last",
    "positions": "original",
}
G_SEARCH = Path(__file__).parent / "fixtures" / "g_search.json"


def test_read_gives_what_search_wrote():
    fields = json.loads(G_SEARCH.read_text())
    schedule = Schedule.read(G_SEARCH)
    assert schedule.vision_tokens == fields["visionTokens"] == 144
    assert list(schedule.keep) == fields["keep"]
    assert (schedule.ranking, schedule.positions) == ("instruction", "original")


def test_ranking_and_positions_have_defaults():
    fields = {name: GOOD[name] for name in ("format", "visionTokens", "keep")}
    schedule = Schedule.from_json(fields)
    assert (schedule.ranking, schedule.positions) == ("instruction", "original")


@pytest.mark.parametrize(
    "tokens, kept",
    [(144, (144, 72, 3)), (288, (288, 144, 6)), (1, (1, 1, 0)), (0, (0, 0, 0)),
     (7, (7, 4, 0)), (24, (24, 12, 1))],
)
def test_keep_for_rounds_halves_up(tokens, kept):
    # 72/144 · 7 = 3.5 and 3/144 · 24 = 0.5, as Math.round() rounds them.
    assert Schedule.from_json(GOOD).keep_for(tokens) == kept


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "x"}, 'format must be "tokensieve schedule 1": current value is "x"'),
        ({"visionTokens": 0}, "visionTokens must be an integer >= 1: current value is 0"),
        ({"visionTokens": True}, "visionTokens must be an integer >= 1: current value is true"),
        ({"keep": None}, "keep must be a list of counts: current value is null"),
        ({"keep": []}, "keep must have at least one layer: current value is []"),
        ({"keep": [144, 145]}, "keep of layer 1 must be an integer in [0, 144]: current value is 145"),
        ({"keep": [144, 9, 10]}, "keep of layer 2 must be an integer in [0, 9]: current value is 10"),
        ({"keep": [144, 1.5]}, "keep of layer 1 must be an integer in [0, 144]: current value is 1.5"),
        ({"keep": [100, 9]}, "keep must begin with all 144 vision tokens"),
        ({"ranking": "raters"}, 'ranking must be instruction or last in PyTorch: current value is "raters"'),
        ({"positions": "reindexed"}, 'positions must be original in PyTorch: current value is "reindexed"'),
    ],
)  # fmt: skip
def test_bad_schedules_are_refused_by_file_and_field(change, message, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ValueError) as error:
        Schedule.read(path)
    assert str(error.value).startswith(f"Cannot use {path} as {message}")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=f"Cannot read {path} as JSON: "):
        Schedule.read(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="must be a JSON object: current value is "):
        Schedule.read(path)


def test_schedules_made_in_python_are_checked():
    with pytest.raises(ValueError, match="Cannot use a schedule as keep of layer 1"):
        Schedule(144, (144, 150))
