"""Which trainings are run, in which order, and how a stopped run is continued. The trainings are replaced by
stubs."""

import json

import numpy as np
import pytest

from stages import InputError, layout
from tests.benchmarks.cell import SCORING, Cell, code, prepared
from tests.benchmarks.comparison import MEASURES
from tests.benchmarks.experiments import Results, gather, people_by_name, plan, run
from tests.benchmarks.held_out import paired
from tests.benchmarks.recipes import EXPERIMENTS, PRESET, Experiment

FOUND = {"steps": 9, "took": 5.0} | dict.fromkeys(MEASURES, 0.5)
TWO = (Experiment("base", ""), Experiment("adam", "", {"optimiser": "adam"}))


@pytest.fixture
def folder(tmp_path):
    """What prepares a and b, as far as hashes go."""
    for person in ("a", "b"):
        for path in layout.inputs("generator_training", person).values():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(f"{person} {path.name}")
    return tmp_path


def test_every_experiment_can_be_trained_and_differs_from_the_others(config):
    blocks = [experiment.block(config, 0) for experiment in EXPERIMENTS]
    assert len({block.model_dump_json() for block in blocks}) == len(EXPERIMENTS)
    assert len({experiment.name for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
    assert not any("," in experiment.name for experiment in EXPERIMENTS)  # --only separates names by commas
    assert blocks[0] == config.presets[PRESET].generator_training.model_copy(update={"device": "cpu"})


def test_changes_are_laid_over_the_variant(config):
    block = Experiment("", "", {"weight_l2": 50.0}, variant="l2").block(config, 7)
    assert (block.weight_gw, block.weight_l2, block.seed) == (0.0, 50.0, 7)


@pytest.mark.parametrize("changes", [{"optimizer": "adam"}, {"ema": 2.0}])
def test_what_cannot_be_trained_is_refused(config, changes):
    with pytest.raises((InputError, ValueError), match=next(iter(changes))):
        Experiment("x", "", changes).block(config, 0)


def test_the_base_comes_first_then_row_by_row(config):
    order = [(cell.experiment, cell.seed, cell.person) for cell in plan(TWO, config, ["a", "b"], 2, 5)]
    assert order == [(name, seed, person) for name in ("base", "adam") for seed in (0, 1) for person in "ab"]


def test_a_stopped_run_goes_on(config, folder):
    plan_, asked = plan(TWO, config, ["a", "b"], 2, 5), []

    def stopping(_, cell):
        asked.append((cell.experiment, cell.person, cell.seed))
        if len(asked) > 3:
            raise KeyboardInterrupt
        return FOUND

    with pytest.raises(KeyboardInterrupt):
        run(plan_, Results(folder / "r.jsonl"), folder, 1, stopping)
    kept = len((folder / "r.jsonl").read_text().splitlines())
    assert kept == 3
    asked.clear()
    run(plan_, Results(folder / "r.jsonl"), folder, 1, lambda _, cell: asked.append(cell) or FOUND | {"steps": 10})
    assert asked == plan_[3:]
    rows = [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()]
    assert [row["steps"] for row in rows] == [9] * 3 + [10] * 5
    found = gather(plan_, Results(folder / "r.jsonl"), folder)
    assert {name: sorted(rows) for name, rows in found.items()} == dict.fromkeys(
        ("base", "adam"), [("a", 0), ("a", 1), ("b", 0), ("b", 1)])
    run(plan_, Results(folder / "r.jsonl"), folder, 2, lambda *_: pytest.fail("measured again"))


def test_two_experiments_that_come_to_the_same_are_measured_once(config, folder):
    optimiser = config.presets[PRESET].generator_training.optimiser
    same, asked = plan([TWO[0], Experiment("as ever", "", {"optimiser": optimiser})], config, ["a"], 1, 5), []
    results = Results(folder / "r.jsonl")
    run(same, results, folder, 1, lambda _, cell: asked.append(cell) or FOUND)
    assert len(asked) == 1 and set(gather(same, results, folder)) == {"base", "as ever"}


@pytest.mark.parametrize("change", ["data", "steps", "seed", "params", "base", "code", "machine"])
def test_what_a_result_depends_on_makes_it_out_of_date(config, folder, monkeypatch, change):
    base = TWO[0].block(config, 0)
    cell = Cell("base", "a", 5, base, base)
    before = cell.key(folder)
    assert Cell("another name", "a", 5, base.model_copy(update={"steps": 3}), base).key(folder) == before
    if change == "data":
        (folder / layout.ROOT / "a/masks.mkv").write_text("other masks")
        prepared.cache_clear()
    elif change in ("code", "machine"):
        monkeypatch.setattr(f"tests.benchmarks.cell.{change}", lambda *_: "other")
    fields = {"seed": {"seed": 1}, "params": {"weight_l1": 1.0}}.get(change, {})
    steps, other = 6 if change == "steps" else 5, TWO[1].block(config, 0) if change == "base" else base
    assert Cell("base", "a", steps, base.model_copy(update=fields), other).key(folder) != before


def test_code_is_known_by_what_it_does(tmp_path):
    """Of a copy: a comment changes nothing, a value does."""
    files = ("stages/generator_training.py", *SCORING)
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("a = 1\n")
    before, last = code(tmp_path), tmp_path / files[-1]
    found = []
    for text in ("a = 1  # one\n", "a = 2\n"):
        last.write_text(text)
        code.cache_clear()
        found.append(code(tmp_path) == before)
    assert found == [True, False]


def test_who(tmp_path):
    (clip := tmp_path / "juggle.mp4").touch()
    assert people_by_name("stranger_301", str(clip)) == {"stranger_301": "rendered", "juggle": str(clip)}
    (tmp_path / "My clip.mp4").touch()
    for people, clips, why in [("stranger_301,stranger_301", "", "twice"), ("ava", "", "stranger_301"),
                               ("", str(tmp_path / "none.mp4"), "no such file"),
                               ("", str(tmp_path / "My clip.mp4"), "rename")]:
        with pytest.raises(InputError, match=why):
            people_by_name(people, clips)


@pytest.mark.parametrize("count, pairs, expected", [
    (75, None, range(75)), (24, 12, range(24)), (10, 2, [0, 1, 8, 9]), (9, 3, [0, 1, 4, 5, 7, 8]),
])
def test_pairs_of_held_out_frames(count, pairs, expected):
    np.testing.assert_array_equal(paired(count, pairs), list(expected))


def test_pairs_are_whole_and_far_apart():
    chosen = paired(75, 12)
    assert len(chosen) == 24 and (chosen[1::2] == chosen[::2] + 1).all() and np.diff(chosen[::2]).min() >= 6
