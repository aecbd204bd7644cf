"""Videos that a user drops on the studio's page: checked by decoding them, kept in the project under a safe name."""

import filecmp
import os
import shutil
from pathlib import Path

from pipeline.datasets import folder
from stages import InputError
from stages.media import takes
from stages.media.files import atomic_write, human_size
from stages.params import RESERVED, Params

FOLDER = Path("studio")      # of the project: all that the studio writes but artifacts and params.yaml
VIDEOS = FOLDER / "videos"   # what was given, which artifacts depend on
SHOWN = FOLDER / "shown"     # uploads and what the page shows, for as long as it is served
LOCK = FOLDER / "lock"       # held by a studio at work
LARGEST = 2 * 10**9          # bytes of a file
SPARE = 10**9                # bytes of the disk that stay free


def check(file: Path, fps: float | None = None) -> None:
    """InputError where a file cannot be used; what it is called does not count, only what is in it. `fps`: frames a
    second that the preset asks for."""
    if not file.is_file():
        raise InputError(f"{file.name}: it was dropped before the studio was started again; drop it once more")
    if (bytes := file.stat().st_size) > LARGEST:
        raise InputError(f"{file.name}: {human_size(bytes)}; at most {human_size(LARGEST)} can be dropped here. "
                         "Name a larger one in params.yaml, where it lies")
    if reason := folder.unreadable(file, fps):
        raise InputError(reason.replace(str(file), file.name))


def keep(config: Params, file: Path, preset: str, taken: tuple[str, ...] = ()) -> tuple[str, Path]:
    """The name under which params.yaml may know the video, none of `taken`, and its place in the project, where it is
    put. The same video with the same preset has the name that it had before."""
    plain = folder.named(file.stem) or "video"
    suffix = file.suffix.lower() if file.suffix.lower() in takes.VIDEOS else ""
    for number in range(1, 1000):
        end = f"_{number}" if number > 1 else ""
        name = plain[: folder.LONGEST - len(end)].rstrip("_") + end
        place, entry = VIDEOS / f"{name}{suffix}", config.videos.get(name)
        ours = entry and (entry.file, entry.preset) == (str(place), preset) and place.exists()
        free = not entry and name not in (*taken, *RESERVED, *config.transfers)
        if (ours or free and place.exists()) and same(file, place):
            return name, place
        if free and not place.exists():
            _put(file, place)
            return name, place
    raise InputError(f"{file.name}: a thousand videos are called so; rename it")


def same(file: Path, other: Path) -> bool:
    return filecmp.cmp(file, other, shallow=False)


def _put(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(place.parent).free < file.stat().st_size + SPARE:
        raise InputError(f"{place.parent}: the disk has less than {human_size(SPARE)} left beside {file.name}; "
                         "make room")
    with atomic_write(place) as temporary:
        try:
            os.link(file, temporary)  # the upload itself goes when the page is done with it
        except OSError:
            shutil.copyfile(file, temporary)
