"""The tables' experiments in the miniature project with the real DVC, stopped and killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.__main__ import main
from pipeline.file_lock import try_lock
from pipeline.paper_tables import experiments
from stages import InputError, layout, params, pretrained
from tests.pipeline.conftest import PAPER, ROOT, TRANSFERS, git
from tests.server import alive, content, wait_for

CALL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pipeline import __main__
from pipeline.paper_tables import tables
tables.PAPER = Path("paper.yaml")
sys.argv = ["pipeline", "table", "1"]
sys.exit(__main__.main())
"""


def start() -> subprocess.Popen:
    """Starts the command in a process of its own, and waits until the stage hangs that was ordered to."""
    call = [sys.executable, "-P", "-c", CALL, str(ROOT)]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process = subprocess.Popen(call, **pipes, start_new_session=True)
    wait_for(lambda: content(Path("hangs")) or process.poll() is not None, 300, "the stage")
    assert process.poll() is None, process.stdout.read()
    return process


LEARNED = ["local_gan_training@ava", "retargeting@ava_from_ava", "fusion@ava_from_ava", "fusion@ava_from_ben"]


@pytest.mark.fault
def test_a_table_is_killed_stopped_and_finished(study, monkeypatch, capfd):
    """kill -9, then Ctrl-C, both while the second of two variants trains. Then the same command again."""
    before, config = study.artifacts(), params.load()
    order = study.order("generator_training@ava", "hang")
    process = start()
    assert sorted(study.ran()) == sorted(LEARNED)  # `complete`: its generator came from the cache
    training = int(Path("hangs").read_text())
    state = layout.EXPERIMENTS / ".checkpoints/state"
    state.parent.mkdir(exist_ok=True)
    state.write_text("what a training goes on from")
    process.kill()
    process.wait()
    assert alive(training)  # after kill -9 of the command, DVC and the stage still run

    Path("hangs").unlink()
    process = start()
    assert not alive(training) and study.ran() == []
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "1 of 2 experiments are finished, 1 left" in message
    assert "[1/1] td: generator_training@ava ..." in message
    written = (layout.TABLES / "table_1_demo_ava_ben.md").read_text()  # with the results so far
    assert "TD: not run yet" in written and "26.00 / 25.00" in written

    order.unlink()
    monkeypatch.setattr(sys, "argv", ["pipeline", "table", "1", "--into", "results.md"])
    assert main() == 0
    assert "[1/1] td: finished; 0 left" in capfd.readouterr().out
    assert set(study.ran()) == {"generator_training@ava", *LEARNED} - {"retargeting@ava_from_ava"}
    assert state.exists()

    names = {one.variant: one.name for one in experiments.plan_experiments(config, "demo", ["complete", "td"], TRANSFERS)}
    refs = {ref.rpartition("/")[2]: ref for ref in git("for-each-ref", "--format=%(refname)", "refs/exps").split()}
    for variant, name in names.items():
        kept = params.Params(**yaml.safe_load(git("show", f"{refs[name]}:params.yaml")))
        assert kept.presets["demo"] == config.with_variants("demo", "complete", variant), "what ran is not the variant"
    assert study.artifacts().items() >= before.items()  # the user's files have not changed
    assert git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml") == ""

    cells = pq.read_table(layout.TABLES / "table_1_demo_ava_ben.parquet").to_pylist()
    found = {(cell["method"], cell["protocol"], cell["metric"]): cell for cell in cells}
    ours, td = (found[name, "reconstruction", "psnr"] for name in ("Ours", "TD"))
    assert td["difference"] == pytest.approx(ours["value"] - td["value"]) and td["difference_low"] is not None
    assert td["verdict"] == "not tested: one training"
    assert found["TD", "reconstruction", "lpips"]["reason"] == "no weights"
    assert "## Table 1: In miniature" in Path("results.md").read_text()

    assert main() == 0  # again: nothing is left to do
    assert "2 of 2 experiments are finished, 0 left" in capfd.readouterr().out and study.ran() == []


def test_a_failed_experiment_is_reported_and_retried(study, monkeypatch, capfd):
    reduced = {**PAPER, 1: {**PAPER[1], "rows": PAPER[1]["rows"][1:]}}
    Path("paper.yaml").write_text(yaml.safe_dump(reduced, sort_keys=False))
    order = study.order("local_gan_training@ava", "refuse")
    monkeypatch.setattr(sys, "argv", ["pipeline", "table", "1"])
    assert main() == 1
    why = "local_gan_training@ava: nobody is in this video"
    out, error = capfd.readouterr()
    assert f"[1/1] complete: failed: {why}" in out
    assert error == "1 of 1 experiments failed; the same command tries them again\n"
    assert f"- Ours: {why} in no frame of it\n" in (layout.TABLES / "table_1_demo_ava_ben.md").read_text()
    order.unlink()
    assert main() == 0
    assert why not in (layout.TABLES / "table_1_demo_ava_ben.md").read_text()


@pytest.mark.parametrize("given, message", [
    (["--into", "nowhere/results.md"], "nowhere/results.md: expected a file in an existing folder"),
    (["--into", "artifacts"], "expected a file in an existing folder"),
    (["--preset", "huge"], "no `huge` in `presets`; there are"),
    (["--subject", "cleo"], "no transfer from `cleo` to `cleo`"),
    (["--source", "cleo"], "no transfer from `cleo` to `ava`"),
])
def test_invalid_arguments_are_rejected_before_anything_runs(study, monkeypatch, capsys, given, message):
    monkeypatch.setattr(sys, "argv", ["pipeline", "table", "1", *given])
    assert main() == 1 and study.ran() == []
    assert message in capsys.readouterr().err and not layout.TABLES.exists()


def test_a_second_table_at_the_same_time_is_rejected(study):
    config = params.load()
    experiments.LOCK.parent.mkdir(exist_ok=True)
    with experiments.LOCK.open("w") as lock:
        assert try_lock(lock)
        with pytest.raises(InputError, match="another `table` is running"):
            experiments.run(config, experiments.plan_experiments(config, "demo", ["td"], TRANSFERS), {})


def names(config=None, variants=("complete", "td")) -> list[str]:
    return [one.name for one in experiments.plan_experiments(config or params.load(), "demo", variants, TRANSFERS)]


def test_a_name_changes_only_with_what_scores_depend_on(study):
    first = names()
    assert len(set(first)) == 2
    Path("README.md").write_text("nothing")
    Path("stages/report.py").write_text("# no score depends on it")
    study.change(variants={"td": {"report": {"frames": 4}}}, videos={"cleo": {"file": "cleo.mp4", "preset": "demo"}})
    assert names()[0] == first[0]
    study.change(variants={"td": {"fusion": {"batch": 4}}})
    second = names()
    assert (second[0] == first[0], second[1] == first[1]) == (True, False)
    Path("stages/retargeting.py").write_text("changed = 1")
    third = names()
    assert not set(third) & set(second)
    study.change(presets={"demo": {"frames": params.load().presets["demo"].frames.model_dump() | {"margin": 0.2}}})
    assert not set(names()) & set(third)


def test_each_seed_is_an_experiment_with_trainings_of_its_own(study):
    config = params.load()
    found = experiments.plan_experiments(config, "demo", ["complete", "td"], TRANSFERS, 3)
    assert [(one.variant, one.seed) for one in found] == [
        (variant, seed) for seed in range(3) for variant in ("complete", "td")]
    assert len({one.name for one in found}) == 6 and [one.name for one in found[:2]] == names()
    places = [f"presets.demo.{stage}.seed" for stage in ("generator_training", "local_gan_training")]
    assert not set(places) & found[0].changes.keys()
    for one in found[2:]:
        assert {place: one.changes[place] for place in places} == dict.fromkeys(places, str(one.seed))
        assert one.changes.keys() - places == next(f for f in found if f.variant == one.variant).changes.keys()


def test_a_name_changes_with_the_users_video(study):
    study.change(videos={"ben": {"file": "ben.mp4", "preset": "demo"}},
                 transfers={"ava_from_ben": {"truth": "ben.mp4"}})
    found = []
    for film in ("one film", "another"):
        Path("ben.mp4").write_text(film)
        found += names(variants=["td"])
    assert found[0] != found[1]
    Path("ben.mp4").unlink()
    with pytest.raises(InputError, match="ben.mp4 does not exist"):
        names()


def test_a_name_changes_with_the_metric_weights(study):
    Path("weights").mkdir()
    found = []
    for file in (Path("weights/yolo.pt"), pretrained.METRIC_FOLDER / pretrained.RAFT):
        file.write_text("weights")
        found += names(variants=["td"])
    assert len(set(found + names(variants=["td"]))) == 2


def test_metric_weights_are_fetched_before_a_table_is_planned(study, monkeypatch):
    """Weights that are added during the experiments would change their names, and they would not count as finished."""
    study.change(variants={"complete": {"metrics": {"weights": True}}})
    asked = []
    monkeypatch.setattr(pretrained, "fetch", lambda name: pretrained.path_of(name).write_text(name))
    monkeypatch.setattr(experiments, "run", lambda config, wanted, failures: asked.extend(wanted))
    monkeypatch.setattr(sys, "argv", ["pipeline", "table", "1"])
    assert main() == 0
    assert {path.name for path in pretrained.METRIC_FOLDER.glob("[!.]*")} == {pretrained.ALEXNET, pretrained.INCEPTION, pretrained.FACES}
    assert {one.name for one in asked} == set(names())


def test_another_preset_is_written_into_every_entry(study):
    config = params.load()
    one = experiments.plan_experiments(config, "paper", ["td"], TRANSFERS)[0]
    entries = {place: value for place, value in one.changes.items() if not place.startswith("presets.")}
    assert entries == {f"{place}.preset": "paper" for place in (
        "videos.ava", "videos.ben", "subjects.ava", *(f"transfers.{key}" for key in TRANSFERS))}
    assert one.changes["presets.paper.generator_training.weight_temporal"] == "0.0"
