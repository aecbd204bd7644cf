"""`python -m pipeline verify FILE`: the exit code says whether a file was made here and is unchanged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.media import video_file
from stages.provenance import certificates, credentials, watermark
from tests.stages.provenance.conftest import STATEMENT

ROOT = Path(__file__).parents[2]


@pytest.fixture
def result(tmp_path, monkeypatch) -> Path:
    """artifacts/ann_from_bob/video.mp4 of a folder that has no params.yaml."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path, mark = tmp_path / "artifacts/ann_from_bob/video.mp4", watermark.Watermark(0xB52E, (256, 256), 25)
    path.parent.mkdir(parents=True)
    with video_file.h264(tmp_path / "unsigned.mp4", 25, 18, {watermark.TAG: "b52e"}) as write:
        for frame in range(50):
            write(mark.apply(np.full((256, 256, 3), 120, np.uint8), frame))
    credentials.sign(tmp_path / "unsigned.mp4", path, "", STATEMENT, *certificates.signing_certificate())
    return path


def ask(folder: Path, file: str) -> subprocess.CompletedProcess:
    command, environment = [sys.executable, "-m", "pipeline", "verify", file], os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_signed_changed_stripped_and_missing_files(result, tmp_path):
    file = "artifacts/ann_from_bob/video.mp4"
    done = ask(tmp_path, file)
    assert done.returncode == 0 and done.stdout.startswith(f"{file}: valid: made with FakeMotion") and not done.stderr
    stripped = ask(tmp_path, "unsigned.mp4")
    assert stripped.returncode == 1 and "no Content Credentials" in stripped.stdout
    assert f"number b52e: these frames are AI-generated; the same number as {file}" in stripped.stdout
    content = bytearray(result.read_bytes())
    content[-200] ^= 1
    result.write_bytes(content)
    changed = ask(tmp_path, file)
    assert changed.returncode == 1 and "CHANGED" in changed.stdout
    none = ask(tmp_path, "none.mp4")
    assert (none.returncode, none.stdout, none.stderr) == (1, "", "none.mp4: expected a file\n")
