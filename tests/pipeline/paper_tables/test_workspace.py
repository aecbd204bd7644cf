"""The clone of the project in which the tables' experiments run."""

from pathlib import Path

import pytest

from pipeline.paper_tables.workspace import Workspace
from stages import InputError, pretrained
from tests.pipeline.conftest import git


def test_the_workspace_has_uncommitted_changes_and_the_users_files(study, tmp_path):
    Path("stages/retargeting.py").write_text("# changed")
    Path("stages/fresh.py").write_text("# new")
    Path("dvc.yaml").write_text(Path("dvc.yaml").read_text() + "# changed")
    git("add", "dvc.yaml")
    Path("stages/report.py").unlink()
    Path("clips/ben").mkdir(parents=True)
    Path("clips/ben/1.png").write_text("a picture")
    Path("weights").mkdir()
    (pretrained.METRIC_FOLDER / "metric.pth").write_text("weights")
    diff = git("status", "--porcelain")
    given = [Path("clips/ben"), pretrained.METRIC_FOLDER]
    workspace = Workspace(given)
    there = workspace.folder
    for _ in range(2):
        for name in ("stages/retargeting.py", "stages/fresh.py", "dvc.yaml", "params.yaml", "clips/ben/1.png"):
            assert (there / name).read_text() == Path(name).read_text()
        assert not (there / "stages/report.py").exists() and (there / "weights").is_dir()
        assert (there / pretrained.METRIC_FOLDER / "metric.pth").exists()
        assert git("status", "--porcelain", folder=there) == ""
        (there / "params.yaml").write_text("an experiment's")
        (there / "left").write_text("over")
        workspace.reset()
        assert not (there / "left").exists()
    assert git("status", "--porcelain") == diff
    commit = git("rev-parse", "HEAD", folder=there)
    (pretrained.METRIC_FOLDER / "metric.pth").unlink()
    Workspace(given)
    assert not (there / pretrained.METRIC_FOLDER / "metric.pth").exists()
    assert git("rev-parse", "HEAD", folder=there) == commit  # the same state gives the same commit


@pytest.mark.parametrize("files, message", [
    ([Path("../ben.mp4")], "is outside the project; write its absolute path"), (None, "a git repository with a commit"),
])
def test_errors(study, tmp_path, monkeypatch, files, message):
    if files is None:
        monkeypatch.chdir(tmp_path)
        git("init", "-q")
    with pytest.raises(InputError, match=message):
        Workspace(files or [])
