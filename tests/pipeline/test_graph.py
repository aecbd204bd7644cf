"""Plans, and the errors when there is none."""

import sys

import pytest
import yaml

from pipeline import graph
from pipeline.__main__ import main
from stages import InputError, params


def test_a_plan_has_only_what_the_goal_needs(project):
    plan = graph.plan(params.load(), ["face_vector_indexing@ava"])
    assert list(plan) == ["samples@ava", "frames@ava", "pose_extraction@ava", "face_vector_indexing@ava"]
    assert plan["face_vector_indexing@ava"] == ["frames@ava", "pose_extraction@ava"]
    assert plan["frames@ava"] == ["samples@ava"]


def test_a_transfer_needs_the_sources_poses_but_not_its_training(project):
    plan = graph.plan(params.load(), ["report@ava_from_ben"])
    assert "pose_extraction@ben" in plan and "generator_training@ben" not in plan


def test_a_result_can_be_a_source(project):
    project.change(videos={"echo": {"file": "artifacts/ava_from_ben/video.mp4", "preset": "demo"}})
    assert graph.plan(params.load(), ["frames@echo"])["frames@echo"] == ["signing@ava_from_ben"]


def test_a_long_chain_of_results_is_planned_quickly(project):
    """Twenty transfers, each the source of the next. There are too many paths through them to visit each."""
    levels = range(20)
    project.change(
        videos={f"echo{n + 1}": {"file": f"artifacts/copy{n}/video.mp4", "preset": "demo"} for n in levels},
        transfers={f"copy{n}": dict(target="ava", source=f"echo{n}" if n else "ben", preset="demo",
                                    truth=f"artifacts/copy{n - 1}/video.mp4" if n else "artifacts/samples/ben.mp4")
                   for n in levels})
    config, calls = params.load(), 0

    def count(frame, event, _):
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename == graph.__file__
        assert calls < 5000

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        plan = graph.plan(config, [f"report@copy{levels[-1]}"])
    finally:
        sys.setprofile(before)
    assert {f"signing@copy{n}" for n in levels} < set(plan)
    order = list(plan)
    assert all(order.index(needed) < order.index(address) for address in plan for needed in plan[address])


@pytest.mark.parametrize("change, goal, output", [
    ({}, "frames", "expected STAGE@KEY"),
    ({}, "painting@ava", "no stage `painting`"),
    ({}, "frames@zoe", "no `zoe` in `videos`"),
    ({"videos": {"ava": {"file": "clips/ava.mp4"}}}, "report@ava_from_ben", "videos.ava.file: clips/ava.mp4 does not exist"),
    ({"transfers": {"ava_from_ben": {"truth": "no.mp4"}}}, "metrics@ava_from_ben", "truth: no.mp4 does not exist"),
    ({"videos": {"ben": {"file": "artifacts/ava_from_ben/video.mp4"}}}, "frames@ben", "these stages depend on each other"),
    ({"videos": {"../ava": {"file": "a.mp4", "preset": "demo"}}}, "frames@ava", r"videos.\.\./ava"),
    ({"subjects": {"ava/b": {"preset": "demo", "consent": "synthetic"}}}, "frames@ava", "subjects.ava/b"),
    ({"transfers": {"ava_from_ben": {"truth": None}}}, "frames@ava", "own file: artifacts/samples/ben.mp4"),
    ({"subjects": {"ava": {"consent": None}}}, "report@ava_from_ben", "subjects.ava has no consent"),
    ({"subjects": {"ava": {"consent": None}}}, "face_vector_indexing@ava", "subjects.ava has no consent"),
])
def test_errors_are_raised_before_anything_runs(project, change, goal, output):
    project.change(**change)
    with pytest.raises(InputError, match=output):
        graph.plan(params.load(), [goal])


@pytest.mark.parametrize("goal", ["report@ava_from_ben", "pose_extraction@ben"])
def test_a_source_needs_no_consent(project, goal):
    project.change(subjects={"ben": {"consent": None}})
    assert "pose_extraction@ben" in graph.plan(params.load(), [goal])


def test_a_transfer_is_found_by_target_and_source(project):
    config = params.load()
    assert graph.transfer(config, "ava", "ben") == "ava_from_ben"
    assert graph.transfer(config, "ava", "ben", "ava_from_ben") == "ava_from_ben"


def test_one_of_several_transfers_is_chosen_by_key(project):
    again = dict(target="ava", source="ben", preset="demo", truth="artifacts/samples/ben.mp4")
    project.change(transfers={"again": again})
    config = params.load()
    with pytest.raises(InputError, match="ava_from_ben, again|again, ava_from_ben"):
        graph.transfer(config, "ava", "ben")
    assert graph.transfer(config, "ava", "ben", "again") == "again"
    with pytest.raises(InputError, match="`third` is not one of them"):
        graph.transfer(config, "ava", "ben", "third")


@pytest.mark.parametrize("target, source, output", [
    ("avaa", "ben", ["no `avaa` in `subjects`; did you mean `ava`? There are ava, ben"]),
    ("ava", "bem", ["no `bem` in `videos`; did you mean `ben`? There are ben, ava"]),
    ("Ben", "cleo", ["no `Ben` in `subjects`; did you mean `ben`? There are ben, ava",
                     "no `cleo` in `videos`; there are "]),
    ("ben", "ava", []),
])
def test_an_unknown_name_is_answered_with_existing_names(project, target, source, output):
    """The most similar first, and then how to add the new one."""
    with pytest.raises(InputError) as refusal:
        graph.transfer(params.load(), target, source)
    message, _, lines = str(refusal.value).partition("Add:\n")
    assert all(words in message for words in output) and message.count("\n") == len(output) and f"{target}_from_{source}" in lines


def test_only_the_most_similar_of_many_names_are_listed(project):
    project.change(videos={f"p{n:03}": {"file": "artifacts/samples/ben.mp4", "preset": "demo"} for n in range(300)})
    with pytest.raises(InputError, match=r"did you mean `p217`\? There are p217, .* and 29\d more\n"):
        graph.transfer(params.load(), "ava", "p217x")


@pytest.mark.parametrize("target, source", [("ben", "ava"), ("cleo", "ben"), ("ava", "dan"), ("cleo", "cleo")])
def test_the_example_entries_are_valid(project, target, source):
    with pytest.raises(InputError) as refusal:
        graph.transfer(params.load(), target, source)
    project.change(**yaml.safe_load(str(refusal.value).partition("Add:\n")[2]))
    assert graph.transfer(params.load(), target, source) == f"{target}_from_{source}"


def test_a_transfer_without_a_truth_has_none(project):
    assert params.load().entry("metrics", "ava_from_ben").truth is None
    project.change(transfers={"ava_from_ben": {"truth": "artifacts/samples/ava.mp4"}})
    assert params.load().entry("metrics", "ava_from_ben").truth == "artifacts/samples/ava.mp4"


@pytest.mark.parametrize("words", [
    ["run", "ava", "--from", "ben"], ["run", "--all"], ["stage", "fusion@ava_from_ben"],
    ["stage", "mask_segmentation@ava"],
])
def test_without_consent_no_command_runs(project, monkeypatch, capsys, words):
    project.change(subjects={"ava": {"consent": None}})
    project.stale("frames")
    monkeypatch.setattr("pipeline.__main__._flow", lambda name, *_, **__: pytest.fail(f"{name} has begun"))
    monkeypatch.setattr(sys, "argv", ["pipeline", *words])
    assert main() == 1 and project.ran() == []
    assert "subjects.ava has no consent. Write who agreed" in capsys.readouterr().err
