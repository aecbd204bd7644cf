"""The real DVC with the real dvc.yaml and miniature stages."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from pipeline import graph
from pipeline.dvc_backend import dvc_client, subprocesses
from pipeline.dvc_backend.digests import write_digests
from stages import params
from stages.code_digest import WRITE_COMMAND
from tests.miniature import ROOT, agreed


def wait_for(path: str) -> str:
    for _ in range(1200):
        if Path(path).exists() and Path(path).read_text():
            return Path(path).read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def test_repro_runs_every_stage_once_each_after_what_it_needs(computed):
    lines = (computed.folder / "ran").read_text().split()
    config = params.load(computed.folder / "params.yaml")
    goals = {*graph.producers(config).values()}
    plan = graph.plan(config, goals)
    assert sorted(lines) == sorted(goals)
    assert all(lines.index(needed) < lines.index(address) for address, needs in plan.items() for needed in needs)


def test_nothing_changed_nothing_runs(project):
    project.dvc("repro")
    assert project.ran() == []
    assert dvc_client.reproduce("fusion@ava_from_ben") is False


def test_a_lost_artifact_comes_from_the_cache(project):
    before = project.artifacts()
    Path("artifacts/ava/poses.parquet").unlink()
    assert dvc_client.reproduce("pose_extraction@ava") is False
    assert project.ran() == [] and project.artifacts() == before


def test_a_changed_subject_affects_no_other(project):
    project.change(subjects={"ben": {"consent": agreed("to this test")}})
    project.dvc("repro")
    assert sorted(project.ran()) == [f"{stage}@ben" for stage in (
        "background_inpainting", "face_vector_indexing", "generator_training", "local_gan_training", "mask_segmentation")]


def test_a_stage_without_consent_says_what_to_write(project):
    """DVC would only say that a parameter is missing."""
    content = yaml.safe_load(Path("params.yaml").read_text())
    del content["subjects"]["ben"]["consent"]
    Path("params.yaml").write_text(yaml.safe_dump(content))
    stage = Path("stages/generator_training.py")
    asking = "def run(params, key, entry, **paths):\n    entry.require_consent(key)"
    stage.write_text(stage.read_text().replace("def run(params, key, **paths):", asking))
    write_digests()
    with pytest.raises(dvc_client.StageFailed, match="subjects.ben has no consent. Write who agreed, when, to what"):
        dvc_client.reproduce("generator_training@ben")


@pytest.mark.parametrize("address", ["fusion@ava_from_ben", "signing@ava_from_ben", "mask_segmentation@ava"])
def test_after_consent_is_withdrawn_no_stage_runs(project, address):
    """Although the trained weights exist and only this stage is run."""
    project.change(subjects={"ava": {"consent": None}})
    project.stale(graph.split(address)[0])
    with pytest.raises(dvc_client.StageFailed, match="subjects.ava has no consent"):
        dvc_client.reproduce(address)
    assert project.ran() == []


def test_a_new_person_affects_no_other(project):
    project.change(samples={"cleo": dict(person="ava", motions=["turn"], seed=3, seconds=1.0, size=64)})
    project.dvc("repro")
    assert project.ran() == ["samples@cleo"]


@pytest.mark.parametrize("file, added, ran", [
    ("stages/retargeting.py", "changed = 1", ["retargeting@ava_from_ben"]),  # its output is the same, so no later stage runs
    ("stages/retargeting.py", "\n\n# a comment", []),
    ("stages/params.py", "changed = 1", []),
])
def test_changed_code_reruns_its_stage_and_comments_do_not(project, file, added, ran):
    Path(file).write_text(f"{Path(file).read_text()}{added}\n")
    subprocess.run([sys.executable, "-P", "-m", "pipeline.dvc_backend.digests"], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    assert ("up to date" in project.dvc("status")) == (not ran)
    project.dvc("repro")
    assert project.ran() == ran


@pytest.mark.parametrize("ask", [
    lambda: ["repro"], lambda: ["repro", "report@ava_from_ben"],
    lambda: Path("artifacts/ava/poses.parquet").write_text("others") and ["repro", "--single-item", "retargeting@ava_from_ben"],
], ids=["all", "one and what it needs", "one alone"])
@pytest.mark.subprocesses
def test_dvc_itself_stops_at_an_outdated_digest(project, ask):
    with Path("stages/retargeting.py").open("a") as code:
        code.write("changed = 1\n")
    done = project.try_dvc(*ask())
    assert done.returncode and project.ran() == []
    message = "digests/retargeting.txt is out of date: stages/retargeting.py changed since it was written.\n"
    message += f"  {WRITE_COMMAND}"
    assert message in done.stdout + done.stderr


def test_the_pipeline_stops_at_an_outdated_digest(project):
    with Path("stages/retargeting.py").open("a") as code:
        code.write("changed = 1\n")
    with pytest.raises(dvc_client.StageFailed, match="digests/retargeting.txt is out of date: stages/retargeting.py changed"):
        dvc_client.pending(graph.plan(params.load(), ["retargeting@ava_from_ben"]))


@pytest.mark.subprocesses
def test_rejected_input_is_reported_with_the_stages_own_message(project, capsys):
    project.order("pose_extraction@ava", "refuse")
    Path("artifacts/ava/frames.mkv").write_text("another video")
    with pytest.raises(dvc_client.StageFailed) as failure:
        dvc_client.reproduce("pose_extraction@ava")
    assert str(failure.value) == "pose_extraction@ava: nobody is in this video\n  in no frame of it"
    assert failure.value.permanent
    shown = capsys.readouterr().out
    assert "pose_extraction ava works" in shown and "lock file" not in shown and "Running stage" not in shown


@pytest.mark.subprocesses
def test_a_crash_is_reported_with_its_last_lines_and_the_next_run_works(project):
    order = project.order("retargeting@ava_from_ben", "crash")
    Path("artifacts/ava/poses.parquet").write_text("other poses")
    with pytest.raises(dvc_client.StageFailed, match="exited with 1(.|\n)*ZeroDivisionError: a bug") as failure:
        dvc_client.reproduce("retargeting@ava_from_ben")
    assert not failure.value.permanent
    order.unlink()
    assert dvc_client.reproduce("retargeting@ava_from_ben") is True


def test_an_error_of_dvc_is_reported(project):
    Path("artifacts/samples/ava.mp4").unlink()
    with pytest.raises(dvc_client.StageFailed, match="artifacts/samples/ava.mp4"):
        dvc_client.reproduce("frames@ava")


@pytest.mark.parametrize("kill", [
    lambda pid: os.kill(pid, signal.SIGKILL),                  # the stage
    lambda pid: os.killpg(os.getpgid(pid), signal.SIGKILL),    # the stage and DVC
    lambda pid: dvc_client.stop_all(),                                    # Ctrl-C
], ids=["stage", "stage and dvc", "interrupt"])
@pytest.mark.fault
@pytest.mark.subprocesses
def test_a_killed_stage_leaves_nothing_and_the_next_run_works(project, kill, monkeypatch):
    monkeypatch.setattr(subprocesses, "_shutdown", threading.Event())
    order = project.order("retargeting@ava_from_ben", "hang")
    Path("artifacts/ava/poses.parquet").write_text("other poses")
    failures = []

    def attempt():
        try:
            dvc_client.reproduce("retargeting@ava_from_ben")
        except dvc_client.StageFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=attempt)
    thread.start()
    kill(int(wait_for("hangs")))
    thread.join(timeout=30)
    assert not thread.is_alive() and len(failures) == 1 and not failures[0].permanent
    assert not Path("artifacts/ava_from_ben/driving.parquet").exists()
    subprocesses._shutdown.clear()  # as in the process of the next run
    order.unlink()
    assert dvc_client.reproduce("retargeting@ava_from_ben") is True
    assert b"retargeting" in Path("artifacts/ava_from_ben/driving.parquet").read_bytes()


@pytest.mark.fault
@pytest.mark.subprocesses
def test_a_stage_without_output_is_terminated(project):
    order = project.order("retargeting@ava_from_ben", "hang")
    Path("artifacts/ava/poses.parquet").write_text("other poses")
    with pytest.raises(dvc_client.StageFailed) as failure:
        dvc_client.reproduce("retargeting@ava_from_ben", idle_timeout=3)
    assert not failure.value.permanent and str(failure.value) == (
        "retargeting@ava_from_ben was terminated: no output for 0.05 minutes. "
        "--retries 1 tries again; --timeout MINUTES allows more time")
    order.unlink()
    assert dvc_client.reproduce("retargeting@ava_from_ben", idle_timeout=30) is True


SAYS = """
import json, os
def emit(**event):
    with open(os.environ["FAKEMOTION_EVENTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
print("Running stage 'a@b':\\n> python -m stages a b", flush=True)
emit(kind="begun", address="a@b")
print("hello\\nW0000 00:00:17 x.cc:1] noise", flush=True)
emit(kind="progress", what="a", done=3, total=3, unit="it", elapsed=1, rate=3.0, note=None)
print("Updating lock file 'dvc.lock'\\n\\nüber", flush=True)
emit(kind="ended", address="a@b")
"""


def test_only_output_of_the_stage_is_shown_and_passed_on(monkeypatch, capsys):
    heard = []
    monkeypatch.setattr(dvc_client, "Program", lambda _, *rest: subprocesses.Program([sys.executable, "-c", SAYS], *rest))
    output = dvc_client._run([], "a@b", on_event=heard.append)
    assert output == ("Running stage 'a@b':\n> python -m stages a b\nhello\nW0000 00:00:17 x.cc:1] noise\n"
                      "Updating lock file 'dvc.lock'\n\nüber\n")
    lines, others = ([event for event in heard if (event["kind"] == "line") == line] for line in (True, False))
    assert [event["text"] for event in lines] == ["hello", "über"]
    assert [event["kind"] for event in others] == ["begun", "progress", "ended"]
    shown = capsys.readouterr().out.splitlines()
    assert {"hello", "über"} < set(shown) and len(shown) == 3 and any("100%" in line for line in shown)


def test_python_in_dvc_yaml_is_the_one_that_runs(project):
    path = dvc_client._environment()["PATH"]
    said = subprocess.run(["sh", "-c", "command -v python"], env={"PATH": path}, capture_output=True, text=True).stdout
    assert Path(said.strip()).parent == Path(os.sys.executable).parent
