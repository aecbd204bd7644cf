"""The code and parameters that a caller and a worker compare."""

import json
from pathlib import Path

import pytest

from pipeline.workers.fingerprint import COMMIT, differences, fingerprint_of
from stages import params
from tests.miniature import agreed

ADDRESS = "generator_training@ava"


def test_the_same_project_has_the_same_fingerprint(project):
    assert differences(fingerprint_of(params.load(), ADDRESS), fingerprint_of(params.load(), ADDRESS)) == []


@pytest.mark.parametrize(
    "file", ["stages/generator_training.py", "stages/media/files.py", "stages/params.py", "stages/layout.py", "dvc.yaml",
             "pipeline/dvc_backend/split_lock.py"])
def test_code_that_differs_is_named(project, file):
    ours = fingerprint_of(params.load(), ADDRESS)
    path = Path(file)
    path.write_text(path.read_text() + ("# changed\n" if path.suffix == ".yaml" else "changed = 1\n"))
    assert differences(ours, fingerprint_of(params.load(), ADDRESS)) == [file]


@pytest.mark.parametrize("file", ["stages/generator_training.py", "pipeline/dvc_backend/split_lock.py", "stages/params.py"])
def test_comments_do_not_matter(project, file):
    ours = fingerprint_of(params.load(), ADDRESS)
    Path(file).write_text(Path(file).read_text() + "# changed\n")
    assert differences(ours, fingerprint_of(params.load(), ADDRESS)) == []


@pytest.mark.parametrize("file", ["stages/fusion.py", "README.md"])
def test_code_of_other_stages_does_not_matter(project, file):
    ours = fingerprint_of(params.load(), ADDRESS)
    Path(file).write_text("# changed\n")
    assert differences(ours, fingerprint_of(params.load(), ADDRESS)) == []


def test_different_parameters_are_shown_with_both_values(project):
    ours = fingerprint_of(params.load(), ADDRESS)
    project.change(subjects={"ava": {"consent": agreed("today")}, "ben": {"consent": agreed("not compared")}})
    content = Path("params.yaml").read_text()
    steps = ours["presets.demo.generator_training.steps"]
    Path("params.yaml").write_text(content.replace(f"steps: {steps}", "steps: 7"))
    assert differences(ours, fingerprint_of(params.load(), ADDRESS)) == [
        f"presets.demo.generator_training.steps: {steps}, not 7",
        f'subjects.ava.consent: "synthetic", not {json.dumps(agreed("today") | {"sha256": None})}']


def test_a_file_that_only_one_has_and_the_commit():
    ours, theirs = {COMMIT: "a", "stages/a.py": "1"}, {COMMIT: "b", "stages/b.py": "1"}
    assert differences(ours, theirs) == ["stages/a.py", "stages/b.py"]
