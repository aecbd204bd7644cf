"""A machine without a certificate, and videos to sign."""

from pathlib import Path

import numpy as np
import pytest

from stages.media import video_file
from stages.provenance import certificates, watermark
from stages.provenance.statement import Statement
from tests.stages.provenance.issuing import Authority

NUMBER = 0xB52E
STATEMENT = Statement.model_validate({
    "target": {"name": "ann", "files": [{"name": "ann.mp4", "sha256": 64 * "a"}]},
    "source": {"name": "bob", "files": [{"name": "1.mp4", "sha256": 64 * "b"}, {"name": "2.mp4", "sha256": 64 * "c"}]},
    "model": {"generator": 64 * "d", "local_gans": 64 * "e"}, "consent": 64 * "f",
    "code": {"version": "0.1.0", "commit": None, "sha256": 64 * "0"}, "label": False,
    "label_reason": "shown in a museum", "watermark": watermark.format_number(NUMBER), "made": "2026-11-22T12:00:00Z"})


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch) -> Path:
    """An empty config folder, and no environment variables."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (certificates.CERTIFICATE, certificates.KEY):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def unsigned(tmp_path_factory) -> Path:
    """50 frames (two seconds) with a watermark, as written by fusion."""
    path = tmp_path_factory.mktemp("unsigned") / "unsigned.mp4"
    mark, rng = watermark.Watermark(NUMBER, (256, 192), 25), np.random.default_rng(0)
    shirt = rng.integers(60, 90, (110, 50, 3))
    metadata = {"title": "ann from bob", watermark.TAG: watermark.format_number(NUMBER)}
    with video_file.h264(path, 25, 18, metadata) as write:
        for frame in range(50):
            picture = np.full((192, 256, 3), (170, 160, 150), np.uint8)
            picture[40:150, 60 + 2 * frame : 110 + 2 * frame] = shirt
            write(mark.apply(picture, frame))
    return path
