"""A hostile params.yaml with the real DVC, which reads it without our checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KEYS = ["x; touch pwned", "$(touch pwned)", "`touch pwned`", "x|touch pwned", "x&touch pwned&", "x>pwned",
        "x' ; touch pwned; '", 'x" ; touch pwned; "', "${presets}", "-c", "x\ntouch pwned", "$DVC_STAGE"]


def test_dvc_runs_no_command_from_params_yaml(project):
    """`dvc repro` reads params.yaml before we do, so no part of a command may come from it."""
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["samples"] |= {key: content["samples"]["ava"] for key in KEYS}
    content["videos"] |= {"own": {"file": "${samples}", "preset": "demo"},
                          "sub": {"file": "$(touch pwned)", "preset": "demo"}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "dvc", "repro", "--keep-going"]
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert all(f"Running stage 'samples@{key}':" in done.stdout for key in KEYS), done.stdout
    assert f"{project.folder}/${{samples}}'" in done.stderr, done.stderr  # a file of that name, no template
    assert project.ran() == [] and not list(project.folder.rglob("*pwned*"))


@pytest.mark.parametrize("arguments", [["stage", "samples@ava"], ["run", "ava", "--from", "ben"]], ids=["stage", "run"])
def test_our_commands_reject_such_a_file_before_dvc_runs(project, arguments):
    """DVC deletes a stage's outputs before it runs, and a hostile key could place an output anywhere."""
    Path("clips").mkdir()
    Path("clips/mum.mp4").write_text("dear")
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["samples"] |= {"../../clips/mum": content["samples"]["ava"]}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run([sys.executable, "-P", "-m", "pipeline", *arguments], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert done.returncode == 1 and "samples.../../clips/mum" in done.stderr
    assert Path("clips/mum.mp4").read_text() == "dear"
