"""Deleting a person from the miniature project: all their files in all versions, and nothing of others."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from pipeline import forget, graph
from pipeline.__main__ import main
from pipeline.dvc_backend import dvc_client
from pipeline.dvc_backend.storage import Store
from pipeline.paper_tables import experiments
from pipeline.studio import uploads
from stages import InputError, params
from tests.miniature import agreed

WHO = ["-c", "user.name=a", "-c", "user.email=", "-c", "commit.gpgsign=false"]
OURS = (b'"key": "ava"', b'"key": "ava_from_ben"', b"artifacts/ava/", b"artifacts/ava_from_ben/")
HERS = (".checkpoints/generator_training@ava_0123456789abcdef.pt", "artifacts/tables/experiments/one/ava_from_ben.json",
        "artifacts/tables/table_1_demo_ava_ben.md", ".checkpoints/sheets/generator_training@ava.png",
        ".checkpoints/.generator_training@ava_0123456789abcdef.77.pt", "studio/videos/ava.mp4", "studio/videos/ava",
        "studio/shown/ava_from_ben.mp4")
THEIRS = (".checkpoints/generator_training@ava_two_0123456789abcdef.pt", ".checkpoints/costs/frames@ava_two.json",
          "artifacts/tables/table_1_demo_ben_ben.md", "studio/videos/ava_two.mp4")  # names with the same prefix
SAMPLES = b'"stage": "samples"'  # the rendered samples stay


def left(folder: Path) -> list[Path]:
    """Files with content from ava's artifacts or with their paths."""
    files = [file for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts]
    ignored = ("dvc.yaml", ".py", "ran", ".db", ".db-wal")
    return [file for file in files if not file.name.endswith(ignored) and any(word in file.read_bytes() for word in OURS)
            and SAMPLES not in file.read_bytes()]


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pipeline", "forget", *arguments])
    return main()


@pytest.fixture
def versions(project, folder_remote) -> Path:
    """The project with two versions of ava's artifacts, one of them only in git's history, all of them also in a
    remote. The folder of the remote."""
    folder_remote.configure(project.folder)
    git = ["git", *WHO]
    for consent in (agreed("first"), agreed("second")):
        project.change(subjects={"ava": {"consent": consent}})
        project.dvc("repro")
        project.dvc("push", "--run-cache")
        for words in (["add", "-A"], ["commit", "-qm", consent["record"]]):
            subprocess.run([*git, *words], cwd=project.folder, check=True)
    for name in (*HERS, *THEIRS):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text('"key": "ava"' if name in HERS else "others'")
    return Path(folder_remote.url)


def test_everything_of_a_person_is_deleted_and_nothing_of_others(project, versions, monkeypatch, capsys):
    others = {path: content for path, content in project.artifacts().items() if path.startswith("artifacts/ben/")}
    assert left(project.folder) and left(versions)
    assert run(monkeypatch, "ava", "--yes") == 0
    message = capsys.readouterr().out
    assert left(project.folder) == left(versions) == []
    assert [name for name in (*HERS, *THEIRS) if Path(name).exists()] == list(THEIRS)
    config = params.load()
    assert list(config.videos) == list(config.subjects) == ["ben"] and not config.transfers
    for word in ("artifacts/ava", "DVC's cache", "remote storage", "videos.ava", "artifacts/samples/ava.mp4 itself"):
        assert word in message, message
    assert others.items() <= project.artifacts().items()
    assert dvc_client.pending(graph.plan(config, ["local_gan_training@ben"])) == {} and "up to date" in project.dvc("status")
    project.ran()
    subprocess.run(["rm", "-r", ".dvc/cache", "artifacts/ben"], check=True)
    project.dvc("pull", "--run-cache")
    assert project.ran() == [] and others.items() <= project.artifacts().items()
    assert left(project.folder) == []


def test_forgetting_a_source_deletes_its_transfers(project, monkeypatch, capsys):
    assert run(monkeypatch, "ben", "--yes") == 0
    assert not Path("artifacts/ava_from_ben").exists() and Path("artifacts/ava/generator").exists()
    assert list(params.load().subjects) == ["ava"]


@pytest.mark.parametrize("answer, code", [("yes", 1), ("ava", 0)])
def test_it_asks_for_confirmation(project, monkeypatch, capsys, answer, code):
    before = project.artifacts()
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert run(monkeypatch, "ava") == code
    assert (project.artifacts() == before) == bool(code)
    assert capsys.readouterr().out.count("found of ava") == 1


def test_files_made_during_the_question_are_deleted_too(project, monkeypatch, capsys):
    def answer(_) -> str:
        with Repo() as repo, repo.lock:  # as `dvc repro` does
            Path(HERS[0]).write_text("a training that went on meanwhile", encoding="utf-8")
        for lock in (experiments.LOCK, uploads.LOCK):
            lock.parent.mkdir(exist_ok=True)
            with lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        project.change(transfers={"again": dict(target="ava", source="ben", preset="demo",
                                                truth="artifacts/samples/ben.mp4")})
        return "ava"

    monkeypatch.setattr("builtins.input", answer)
    assert run(monkeypatch, "ava") == 0
    assert not Path(HERS[0]).exists() and not params.load().transfers and left(project.folder) == []
    before, _, after = capsys.readouterr().out.partition("removed. ")[0].rpartition("found of ava")
    assert HERS[0] not in before and HERS[0] in after and "transfers.again" in after


def test_without_a_terminal_nothing_is_removed(project, monkeypatch, capsys):
    before = project.artifacts()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(monkeypatch, "ava") == 1
    assert project.artifacts() == before and "--yes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cleo", "", ".", "..", "../ava", "*", "samples", "tables", "ava\n"])
def test_an_unknown_name_is_rejected(project, monkeypatch, capsys, name):
    """Above all names that are paths. Shared folders stay."""
    before = project.artifacts()
    for folder in forget.SHARED_FOLDERS:
        folder.mkdir(parents=True)
    assert run(monkeypatch, name, "--yes") == 1
    assert project.artifacts() == before and Path("params.yaml").exists() and all(map(Path.exists, forget.SHARED_FOLDERS))
    assert f"unknown video `{name}`" in capsys.readouterr().err


def test_a_result_used_as_a_video_is_deleted_too(project, monkeypatch, capsys):
    """With everything made from it. Another video of the same file is reported."""
    project.change(videos={"eve": {"file": "artifacts/ava_from_ben/video.mp4", "preset": "demo"},
                           "ava_two": {"file": "artifacts/samples/ava.mp4", "preset": "demo"}},
                   subjects={"eve": {"preset": "demo", "consent": "synthetic"}},
                   transfers={"ben_from_eve": {"target": "ben", "source": "eve", "preset": "demo",
                                               "truth": "artifacts/ava_from_ben/video.mp4"}})
    assert run(monkeypatch, "ava", "--yes") == 0
    config = params.load()
    assert (list(config.videos), list(config.subjects), list(config.transfers)) == (["ava_two", "ben"], ["ben"], [])
    message = capsys.readouterr().out
    assert "ava_two: made from the same file, and not removed with ava" in message


def test_cache_files_without_a_record_are_deleted_too(project, monkeypatch):
    """A worker that crashed has pulled it, or a stage was killed while DVC saved it."""
    content = b"a frame of ava"
    checksum = hashlib.md5(content).hexdigest()
    Path("artifacts/ava/frames.mkv").unlink()
    stray = Path(f".dvc/cache/files/md5/{checksum[:2]}/{checksum[2:]}")
    stray.parent.mkdir(exist_ok=True)
    for file in (stray, Path("artifacts/ava/frames.mkv")):
        file.write_bytes(content)
    assert run(monkeypatch, "ava", "--yes") == 0
    assert not stray.exists()


def test_nothing_is_removed_while_a_stage_uses_it(project, monkeypatch, capsys):
    before = project.artifacts()
    working = {"pid": os.getppid(), "cmd": "dvc repro"}
    notes = {"write": {str(Path("artifacts/ava/generator").resolve()): working}, "read": {}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(notes))
    assert run(monkeypatch, "ava", "--yes") == 1
    assert project.artifacts() == before and "ava" in params.load().subjects
    assert f"(PID {os.getppid()})" in capsys.readouterr().err
    assert run(monkeypatch, "ben", "--yes") == 0  # the running stage does not use ben


@pytest.mark.parametrize("lock, who", [
    (experiments.LOCK, "`table`"), (experiments.RUNNING_LOCK, "`table`"), (uploads.LOCK, "the studio")])
def test_nothing_is_removed_while_table_or_studio_run(project, monkeypatch, capsys, lock, who):
    before = project.artifacts()
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(monkeypatch, "ava", "--yes") == 1
    assert project.artifacts() == before and f"{who} is running in this folder" in capsys.readouterr().err


def test_uneditable_params_are_reported_before_anything_is_removed(project, monkeypatch, capsys):
    before, path = project.artifacts(), Path("params.yaml")
    blocks = yaml.safe_load(path.read_text())
    path.write_text("".join(f"{name}: {json.dumps(entries)}\n" for name, entries in blocks.items()))
    assert run(monkeypatch, "ava", "--yes") == 1
    assert project.artifacts() == before and "remove them by hand" in capsys.readouterr().err


def test_an_interrupted_forget_can_be_repeated(project, monkeypatch, capsys):
    """It is interrupted in the cache, where the lists of folders name their files."""
    stage = Path("stages/generator_training.py")
    now = stage.read_text()
    for text in (now.replace("x * value", "x * value + ord(key[0])"), now):  # the older version has curves that only ava has
        stage.write_text(text)
        project.dvc("repro", "--single-item", "generator_training@ava")
    shutil.copytree(".", "../whole", symlinks=True)
    files = lambda folder: (path for path in Path(folder, ".dvc/cache").rglob("*") if path.is_file())
    cached = lambda folder: {path.relative_to(folder) for path in files(folder)}
    remove, calls = Store._remove, []

    def half(store, fs, paths):
        calls.append(paths)
        if len(calls) == 1:
            remove(store, fs, sorted(paths, key=lambda path: not path.endswith(".dir"))[: len(paths) // 2])
            raise InputError("the cache cannot be reached")
        remove(store, fs, paths)

    monkeypatch.setattr(Store, "_remove", half)
    assert run(monkeypatch, "ava", "--yes") == 1 and Path("artifacts/ava").exists()
    assert run(monkeypatch, "ava", "--yes") == 0
    monkeypatch.chdir("../whole")
    assert run(monkeypatch, "ava", "--yes") == 0
    assert cached("../project") == cached("../whole")


def test_a_remote_that_cannot_be_used_is_named(project, monkeypatch, capsys):
    Path(".dvc/config.local").write_text("['remote \"cloud\"']\n    url = s3://a/b\n    version_aware = true\n")
    assert run(monkeypatch, "ava", "--yes") == 1
    assert "remote cloud cannot be reached" in capsys.readouterr().err


def test_renamed_entries_are_found_in_dvcs_records(project, monkeypatch, capsys):
    """The entry of the transfer is gone, its artifacts still exist."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("ava_from_ben:", "another:"))
    assert run(monkeypatch, "ava", "--yes") == 0
    assert left(project.folder) == []


def test_an_unreachable_remote_stops_it_before_anything_is_removed(project, s3, s3_remote, monkeypatch, capsys):
    s3_remote.configure(project.folder)
    s3.stop()
    before = project.artifacts()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert run(monkeypatch, "ava", "--yes") == 1
    assert project.artifacts() == before and "ava" in params.load().subjects
    assert "cannot be reached" in capsys.readouterr().err
    s3.start()
