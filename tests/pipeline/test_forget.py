"""A person is removed from the miniature project: nothing that was made from them is left, in any version, and what is
others' stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __main__ as command
from pipeline import dvc, graph
from stages import params
from tests.miniature import agreed

WHO = ["-c", "user.name=a", "-c", "user.email=", "-c", "commit.gpgsign=false"]
OURS = (b'"key": "ava"', b'"key": "ava_from_ben"', b"artifacts/ava/", b"artifacts/ava_from_ben/")
SAMPLES = b'"stage": "samples"'  # the rendered people, who stay


def left(folder: Path) -> list[Path]:
    """Files with something of ava's: of her artifacts, or where they lay."""
    files = [file for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts]
    apart = ("dvc.yaml", ".py", "ran", ".db", ".db-wal")
    return [file for file in files if not file.name.endswith(apart) and any(word in file.read_bytes() for word in OURS)
            and SAMPLES not in file.read_bytes()]


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pipeline", "forget", *arguments])
    return command.main()


@pytest.fixture
def versions(project, folder_remote) -> Path:
    """The project with two versions of all that is ava's, one of them in git's history only, all of it in a remote too;
    where that lies."""
    folder_remote.configure(project.folder)
    git = ["git", *WHO]
    for consent in (agreed("first"), agreed("second")):
        project.change(subjects={"ava": {"consent": consent}})
        project.dvc("repro")
        project.dvc("push", "--run-cache")
        for words in (["add", "-A"], ["commit", "-qm", consent["record"]]):
            subprocess.run([*git, *words], cwd=project.folder, check=True)
    for name in (".checkpoints/generator_training@ava_12ab.pt", "artifacts/tables/experiments/one/ava_from_ben.json",
                 "studio/videos/ava.mp4", ".checkpoints/sheets/generator_training@ava.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text('"key": "ava"')
    return Path(folder_remote.url)


def test_nothing_of_a_person_is_left_and_the_others_have_lost_nothing(project, versions, monkeypatch, capsys):
    others = {path: content for path, content in project.artifacts().items() if path.startswith("artifacts/ben/")}
    assert left(project.folder) and left(versions)
    assert run(monkeypatch, "ava", "--yes") == 0
    told = capsys.readouterr().out
    assert left(project.folder) == left(versions) == []
    config = params.load()
    assert list(config.videos) == list(config.subjects) == ["ben"] and not config.transfers
    for word in ("artifacts/ava", "DVC's cache", "remote storage", "videos.ava", "artifacts/samples/ava.mp4 itself"):
        assert word in told, told
    assert others.items() <= project.artifacts().items()
    assert dvc.pending(graph.plan(config, ["local_gan_training@ben"])) == {} and "up to date" in project.dvc("status")
    project.ran()
    subprocess.run(["rm", "-r", ".dvc/cache", "artifacts/ben"], check=True)
    project.dvc("pull", "--run-cache")
    assert project.ran() == [] and others.items() <= project.artifacts().items()
    assert left(project.folder) == []


def test_whose_motion_it_was_goes_with_what_was_made_of_it(project, monkeypatch, capsys):
    assert run(monkeypatch, "ben", "--yes") == 0
    assert not Path("artifacts/ava_from_ben").exists() and Path("artifacts/ava/generator").exists()
    assert list(params.load().subjects) == ["ava"]


@pytest.mark.parametrize("answer, code", [("yes", 1), ("ava", 0)])
def test_it_asks_first(project, monkeypatch, capsys, answer, code):
    before = project.artifacts()
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert run(monkeypatch, "ava") == code
    assert (project.artifacts() == before) == bool(code)
    assert "what there is of ava" in capsys.readouterr().out


def test_nobody_is_refused(project, monkeypatch, capsys):
    assert run(monkeypatch, "cleo", "--yes") == 1
    assert "nobody is called `cleo`" in capsys.readouterr().err


def test_what_was_renamed_in_params_is_found_by_dvcs_notes(project, monkeypatch, capsys):
    """The transfer's entry is gone, what it made is still there."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("ava_from_ben:", "another:"))
    assert run(monkeypatch, "ava", "--yes") == 0
    assert left(project.folder) == []


def test_a_remote_that_does_not_answer_stops_it_before_anything_is_removed(project, s3, s3_remote, monkeypatch, capsys):
    s3_remote.configure(project.folder)
    s3.stop()
    before = project.artifacts()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert run(monkeypatch, "ava", "--yes") == 1
    assert project.artifacts() == before and "ava" in params.load().subjects
    assert "cannot be reached" in capsys.readouterr().err
    s3.start()
