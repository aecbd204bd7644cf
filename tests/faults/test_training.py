"""The real training, run by the real DVC, is killed and resumes from its checkpoint."""

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from pipeline.dvc_backend import dvc_client
from tests.server import ROOT, wait_for
from tests.stages.test_generator_training import place

ADDRESS, GENERATOR = "generator_training@figure", Path("artifacts/figure/generator")


def project(subject: dict, folder: Path) -> None:
    place(subject, folder, steps=25, checkpoint_every=5, preview_every=25)
    for name in (".dvc/config", ".dvcignore", "dvc.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("stages", "pipeline", "digests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


@pytest.mark.subprocesses
def test_a_killed_training_resumes_and_gives_the_same_bytes(subject, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    made = {}
    for name in ("unbroken", "killed"):
        project(subject, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        if name == "killed":
            failures = []

            def attempt():
                try:
                    dvc_client.reproduce(ADDRESS)
                except dvc_client.StageFailed as failure:
                    failures.append(failure)

            thread = threading.Thread(target=attempt)
            thread.start()
            wait_for(lambda: list(Path(".checkpoints").glob("[!.]*.pt")), 90, "a checkpoint")
            found = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and training(pid, tmp_path / name)]
            os.kill(found[0], signal.SIGKILL)
            thread.join(30)
            assert len(failures) == 1 and not GENERATOR.exists(), "was done before it could be killed"
            capfd.readouterr()
        assert dvc_client.reproduce(ADDRESS) is True
        assert ("resumed at step" in capfd.readouterr().out) == (name == "killed")
        made[name] = {file.relative_to(GENERATOR): file.read_bytes() for file in GENERATOR.rglob("*") if file.is_file()}
    assert made["killed"] == made["unbroken"] and Path("model.safetensors") in made["killed"]


def training(pid: str, folder: Path) -> bool:
    """Whether a process is the stage that runs in a folder."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        return words[1:4] == ["-m", "stages", "generator_training"] and os.readlink(f"/proc/{pid}/cwd") == str(folder)
    except OSError:
        return False
