"""Where a result comes from: consent, versions, files."""

import platform
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import torch

from stages import __version__
from stages.media.files import human_size


def versions() -> dict[str, str]:
    return {"fakemotion": __version__, "python": platform.python_version(), "torch": torch.__version__,
            "opencv": cv2.__version__, "numpy": np.__version__}


def consent(about: dict) -> dict[str, str]:
    """What the generator's about.json says of it, by field."""
    record = about.get("consent_record", about["consent"])
    record = record if isinstance(record, dict) else {"record": record}
    told = {name: str(value) for name, value in record.items() if value is not None}
    return told | ({"SHA-256": about["consent"]} if "consent_record" in about else {})


def files(paths: dict[str, Path]) -> list[tuple[str, str, str]]:
    """Every artifact read: path, size, and when it was written (UTC)."""
    out = []
    for path in sorted(set(paths.values())):
        total = sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        out.append((path.as_posix(), human_size(total), f"{written:%Y-%m-%d %H:%M:%S}"))
    return out
