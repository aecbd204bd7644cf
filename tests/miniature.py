"""A miniature project: the real dvc.yaml, layout, params and pipeline with stages of a few lines, which write their
arguments and record that they ran."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline.dvc_backend.digests import write_digests
from stages import layout

ROOT = Path(__file__).parents[1]
REAL = (
    ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml", "metric_weights/.gitignore",
    "pipeline/__init__.py", "pipeline/dvc_backend/split_lock.py",
    "stages/__init__.py", "stages/__main__.py", "stages/code_digest.py", "stages/consent.py", "stages/safe_yaml.py",
    "stages/events.py", "stages/params.py", "stages/preset_block.py", "stages/presets.py", "stages/processors.py", "stages/progress.py",
    "stages/thread_trials.py", "stages/threads.py",
    "stages/frame_size.py", "stages/layout.py", "stages/media/__init__.py", "stages/media/files.py", "stages/media/artifact_metadata.py",
)
PEOPLE = """
threads: 1
samples:
  ava: {person: ava, motions: [turn], seed: 1, seconds: 1.0, size: 64}
  ben: {person: ben, motions: [turn], seed: 1, seconds: 1.0, size: 64}
videos:
  ava: {file: artifacts/samples/ava.mp4, preset: demo}
  ben: {file: artifacts/samples/ben.mp4, preset: demo}
subjects:
  ava: {preset: demo, consent: synthetic}
  ben: {preset: demo, consent: synthetic}
transfers:
  ava_from_ben: {target: ava, source: ben, preset: demo, truth: artifacts/samples/ben.mp4}
"""


def agreed(record: str) -> dict[str, str]:
    """A consent record."""
    return {"who": "Ana", "when": "2026-11-22", "scope": "one video", "record": record}


STAGE = '''
import json, os, time
from pathlib import Path

from stages import InputError, layout
from stages.media.files import atomic_write
from stages.progress import Progress


def run(params, key, **paths):
    stage = "{stage}"
    outputs = {{name: paths.pop(name) for name in layout.OUTPUTS[stage]}}
    print(stage, key, "works", flush=True)
    here = Path(os.environ.get("ORDERS", "."))  # an experiment runs in another folder
    order = here / f"{{stage}}@{{key}}.order"
    todo = order.read_text() if order.exists() else ""
    if todo == "refuse":
        raise InputError("nobody is in this video\\n  in no frame of it")
    if todo == "crash":
        raise ZeroDivisionError("a bug")
    numbers = {{name: value for name, value in vars(params).items() if type(value) is float}}
    for name, path in Progress(outputs.items(), stage):
        with atomic_write(path) as temporary:
            if name == "plots":
                temporary.mkdir()
                for title, value in numbers.items():
                    rows = "".join(f"{{x}}\\t{{x * value}}\\n" for x in (1, 2, 4))
                    x = "frame" if stage == "metrics" else "step"
                    (temporary / f"{{title}}.tsv").write_text(f"{{x}}\\t{{title}}\\n{{rows}}")
                continue
            if name == "scores":
                temporary.write_text(json.dumps(numbers))
                continue
            given = dict(stage=stage, key=key, params=str(params), paths=sorted(map(str, paths.values())))
            given["metrics"] = dict.fromkeys(("psnr", "video_psnr"), dict(value=26.1234, unit="dB", reason=None))
            given["headline"] = ["psnr"]
            temporary.write_text(json.dumps(given))
            if todo.startswith("hang"):
                (here / "hangs").write_text(str(os.getpid()))
                order.unlink() if todo == "hang once" else None
                for _ in range(600):
                    time.sleep(0.1) if todo == "hang once" or order.exists() else None
    with open(here / "ran", "a") as record:
        print(f"{{stage}}@{{key}}", file=record)
'''


class Project:
    """A folder with the miniature project."""

    def __init__(self, folder: Path):
        self.folder = folder

    def order(self, address: str, what: str) -> Path:
        """Makes a stage reject its input (`refuse`), `crash`, or `hang` for a minute or until the returned file is
        removed. `hang once`: only the first time."""
        path = self.folder / f"{address}.order"
        path.write_text(what)
        return path

    def ran(self) -> list[str]:
        """The addresses that were computed since the last call, in order."""
        record = self.folder / "ran"
        lines = record.read_text().split() if record.exists() else []
        record.unlink(missing_ok=True)
        return lines

    def artifacts(self) -> dict[str, bytes]:
        files = [path for path in (self.folder / "artifacts").rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def change(self, **blocks) -> None:
        """Changes entries of params.yaml, for example subjects={"ben": {"consent": "..."}}."""
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for block, entries in blocks.items():
            for name, fields in entries.items():
                content.setdefault(block, {}).setdefault(name, {}).update(fields)
        path.write_text(yaml.safe_dump(content))

    def stale(self, *stages: str) -> None:
        """Changes the code of stages without effect, so that they are out of date."""
        for stage in stages:
            file = self.folder / f"stages/{stage}.py"
            file.write_text(f"{file.read_text()}CHANGED = '{uuid.uuid4()}'\n")
        write_digests(self.folder)

    def dvc(self, *arguments: str) -> str:
        done = self.try_dvc(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_dvc(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "dvc", *arguments]
        environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)


def shared(factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all processes of a test run."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A read-only folder filled by `make`, once per test run: the first process that needs it calls `make`, the others
    wait."""
    folder = shared(factory) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{name}."))
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def computed(tmp_path_factory) -> Project:
    """The project after `dvc repro`."""
    os.environ["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("dvc"))
    return Project(once(tmp_path_factory, "computed", _compute))


def _compute(folder: Path) -> None:
    for name in REAL:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for stage in layout.KINDS:
        (folder / f"stages/{stage}.py").write_text(STAGE.format(stage=stage))
    presets = yaml.safe_load((ROOT / "params.yaml").read_text())["presets"]
    (folder / "params.yaml").write_text(PEOPLE + yaml.safe_dump({"presets": presets}))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    write_digests(folder)
    Project(folder).dvc("repro")


@pytest.fixture
def project(computed, tmp_path, monkeypatch) -> Project:
    """A copy of the computed project in the current folder; its record of runs is empty."""
    shutil.copytree(computed.folder, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    Path("ran").unlink(missing_ok=True)
    return Project(tmp_path / "project")
