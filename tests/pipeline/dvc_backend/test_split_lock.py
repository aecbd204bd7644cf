"""DVC with one state file per stage, compared with the plain program on the same project."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline import graph
from pipeline.dvc_backend import dvc_client
from stages import layout, params
from tests.miniature import agreed

ITSELF = dict(target="ava", source="ava", preset="demo", truth="artifacts/samples/ava.mp4")


def everything() -> dict[str, list[str]]:
    config = params.load()
    return graph.plan(config, sorted({*graph.producers(config).values()}))


def run_all() -> None:
    """What a flow does, one stage after another."""
    for address in dvc_client.pending(everything()):
        dvc_client.reproduce(address)
    dvc_client.update_dvc_lock()


def locked() -> dict:
    return yaml.safe_load(Path("dvc.lock").read_text())["stages"]


def test_what_dvc_has_computed_is_up_to_date(project):
    assert dvc_client.pending(everything()) == {} and project.ran() == []


def test_stage_by_stage_gives_the_same_dvc_lock(project):
    before, artifacts = locked(), project.artifacts()
    Path("dvc.lock").unlink()
    for folder in ("artifacts", ".dvc/cache"):
        shutil.rmtree(folder)
    run_all()
    assert sorted(project.ran()) == sorted(everything()) and project.artifacts() == artifacts
    assert locked() == before
    assert "up to date" in project.dvc("status") and "up to date" in project.dvc("repro")
    assert project.ran() == []


def test_both_programs_share_the_run_cache(project):
    goal = "retargeting@ava_from_ben"
    project.stale("retargeting")
    project.dvc("repro", goal)
    assert project.ran() == [goal]
    Path("dvc.lock").unlink()
    for address in graph.plan(params.load(), [goal]):
        assert dvc_client.reproduce(address) is False  # from the run cache alone
    project.stale("retargeting")
    assert dvc_client.reproduce(goal) is True and project.ran() == [goal]
    project.dvc("repro", goal)  # with its old dvc.lock
    assert project.ran() == []


BENS = [f"{stage}@ben" for stage in (
    "mask_segmentation", "background_inpainting", "face_vector_indexing", "generator_training", "local_gan_training")]


@pytest.mark.parametrize("change, changed, ran", [
    (lambda project: project.change(subjects={"ben": {"consent": agreed("today")}}),
     ["mask_segmentation@ben", "face_vector_indexing@ben"], BENS),
    (lambda project: project.stale("retargeting"),
     ["retargeting@ava_from_ben"], ["retargeting@ava_from_ben"]),
    (lambda project: Path("artifacts/ben/masks.mkv").unlink(), ["mask_segmentation@ben"], []),
    (lambda project: project.change(presets={"demo": {"report": {"frames": 7}}}),
     ["report@ava_from_ben"], ["report@ava_from_ben"]),
    (lambda project: project.change(transfers={"ava_from_ava": ITSELF}), ["retargeting@ava_from_ava"],
     [f"{stage}@ava_from_ava" for stage in ("retargeting", "fusion", "metrics", "pose_coverage", "signing", "report")]),
], ids=["parameter", "code", "lost artifact", "preset", "one more transfer"])
def test_only_changed_stages_run(project, change, changed, ran):
    change(project)
    left = dvc_client.pending(everything())
    assert [address for address, needs in left.items() if not needs] == changed
    for address in left:
        dvc_client.reproduce(address)
    assert project.ran() == ran
    dvc_client.update_dvc_lock()
    assert "up to date" in project.dvc("status")


def test_a_dvc_lock_from_git_is_loaded(project):
    """dvc.lock of another commit: its outputs are checked out, not computed."""
    before, artifacts = Path("dvc.lock").read_text(), project.artifacts()
    project.change(subjects={"ben": {"consent": agreed("today")}})
    run_all()
    assert locked() != yaml.safe_load(before)["stages"] and project.ran()
    project.change(subjects={"ben": {"consent": "synthetic"}})
    Path("dvc.lock").write_text(before)
    project.dvc("checkout")
    assert dvc_client.pending(everything()) == {} and project.artifacts() == artifacts


def test_states_of_a_killed_flow_are_merged_by_the_next(project):
    project.change(subjects={"ben": {"consent": agreed("today")}})
    left = dvc_client.pending(everything())
    for address in left:
        dvc_client.reproduce(address)
    assert "generator_training@ben" in project.dvc("status")
    assert dvc_client.pending(everything()) == {}
    assert "up to date" in project.dvc("status")


@pytest.mark.parametrize("damage", ["", '{"cmd": "python'])
def test_a_lost_state_is_restored_from_the_run_cache(project, damage):
    dvc_client.pending(everything())
    state = layout.state("pose_extraction@ava")
    whole = json.loads(state.read_text())
    state.write_text(damage)
    assert list(dvc_client.pending(everything()))[0] == "pose_extraction@ava"
    assert dvc_client.reproduce("pose_extraction@ava") is False
    assert json.loads(state.read_text()) == whole


def test_only_new_states_are_written_into_dvc_lock(project):
    """The text of the other stages stays, so that git shows only what was computed."""
    project.change(subjects={"ben": {"consent": agreed("today")}})
    run_all()
    before = Path("dvc.lock").read_text().splitlines()
    project.change(subjects={"ben": {"consent": agreed("12e5")}})  # a number to other readers of YAML
    run_all()
    after = Path("dvc.lock").read_text().splitlines()
    assert {line.split(":")[0].strip() for line in set(after) - set(before)} <= {"record", "md5", "size", "- path"}
    assert len(after) == len(before)
    project.dvc("repro")
    assert project.ran() == [*BENS, *BENS]


def test_plain_dvc_gives_the_same(project, monkeypatch):
    """FAKEMOTION_SPLIT_LOCK=0: the same stages run, and dvc.lock has the same content."""
    project.change(subjects={"ben": {"consent": agreed("today")}})
    monkeypatch.setattr(dvc_client, "USE_SPLIT_LOCK", False)
    left = dvc_client.pending(everything())
    assert sorted(left) == sorted(BENS)
    for address in left:
        assert dvc_client.reproduce(address) is True
        assert dvc_client.outputs(address) == locked()[address]["outs"]
    dvc_client.update_dvc_lock()
    assert dvc_client.pending(everything()) == {} and "up to date" in project.dvc("status")
    monkeypatch.setattr(dvc_client, "USE_SPLIT_LOCK", True)
    assert dvc_client.pending(everything()) == {} and sorted(project.ran()) == sorted(BENS)


def test_plain_dvc_removes_states(project, monkeypatch):
    monkeypatch.setattr(dvc_client, "USE_SPLIT_LOCK", False)
    dvc_client.remove_states(["ben"])
    assert not [address for address in locked() if address.endswith("@ben") and not address.startswith("samples@")]
    assert "samples@ben" in locked() and "frames@ava" in locked()
