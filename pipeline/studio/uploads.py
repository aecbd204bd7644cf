"""Checks uploaded videos by decoding them, and stores them in the project under a safe name."""

import filecmp
import os
import shutil
from pathlib import Path

from pipeline.datasets import folder
from stages import InputError
from stages.media import takes
from stages.media.files import atomic_write, human_size
from stages.params import RESERVED, Params

FOLDER = Path("studio")      # everything that the studio writes, except artifacts and params.yaml
VIDEOS = FOLDER / "videos"   # stored uploads, inputs of the stages
SERVED = FOLDER / "shown"    # temporary uploads, and files for the page; deleted at the end
LOCK = FOLDER / "lock"       # held by a running studio
MAX_BYTES = 2 * 10**9        # size of an upload
MIN_FREE_BYTES = 10**9       # on the disk after an upload


def check(file: Path, fps: float | None = None) -> None:
    """Raises InputError if a file cannot be used. Only its content counts, not its name. fps: the frame rate that the
    preset asks for."""
    if not file.is_file():
        raise InputError(f"{file.name}: the upload is gone because the studio was restarted; upload it again")
    if (bytes := file.stat().st_size) > MAX_BYTES:
        raise InputError(f"{file.name}: {human_size(bytes)}; at most {human_size(MAX_BYTES)} can be uploaded. Write the path of a "
                         "larger file into params.yaml")
    if reason := folder.unreadable_reason(file, fps):
        raise InputError(reason.replace(str(file), file.name))


def store(config: Params, file: Path, preset: str, taken: tuple[str, ...] = ()) -> tuple[str, Path]:
    """Copies a video into the project. Returns a name for it in params.yaml that is not in `taken`, and its path. The
    same video with the same preset keeps its name."""
    plain = folder.to_name(file.stem) or "video"
    suffix = file.suffix.lower() if file.suffix.lower() in takes.VIDEOS else ""
    for number in range(1, 1000):
        end = f"_{number}" if number > 1 else ""
        name = plain[: folder.MAX_NAME_LENGTH - len(end)].rstrip("_") + end
        place, entry = VIDEOS / f"{name}{suffix}", config.videos.get(name)
        ours = entry and (entry.file, entry.preset) == (str(place), preset) and place.exists()
        free = not entry and name not in (*taken, *RESERVED, *config.transfers)
        if (ours or free and place.exists()) and same_content(file, place):
            return name, place
        if free and not place.exists():
            _copy(file, place)
            return name, place
    raise InputError(f"{file.name}: a thousand videos have this name; rename it")


def same_content(file: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    return filecmp.cmp(file, other, shallow=False)


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(place.parent).free < file.stat().st_size + MIN_FREE_BYTES:
        raise InputError(f"{place.parent}: the disk would have less than {human_size(MIN_FREE_BYTES)} left with {file.name}; "
                         "free some space")
    with atomic_write(place) as temporary:
        try:
            os.link(file, temporary)  # Gradio deletes the upload itself
        except OSError:
            shutil.copyfile(file, temporary)
