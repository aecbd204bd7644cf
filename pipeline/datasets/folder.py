"""`python -m pipeline import`: people of a data set become entries of params.yaml, as far as their clips are whole.

Every person gets a video, a subject and the reconstruction of their held-out part. What is missing or cannot be read is
told, all at once; who is whole is imported all the same.
"""

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import av
from tqdm import tqdm

from pipeline.datasets import params_editor
from pipeline.datasets.params_editor import Entry
from stages import InputError, params
from stages.media import takes
from stages.media.container import IMAGE_FORMATS, open_media
from stages.media.images import list_images, natural_order
from stages.params import Params

LONGEST = 20  # characters of a name, so that `<name>_from_<name>` is one too
SAME = {"videos": ("file",), "subjects": (), "transfers": ("target", "source")}  # by what an entry is known again


RECORD = ("who", "when", "scope", "record")  # what `--consent` tells, in this order


@dataclass
class ImportedPeople:
    """What a data set holds."""

    people: dict[str, Path] = field(default_factory=dict)  # name: file or folder, whole and readable
    more: list[Entry] = field(default_factory=list)        # other videos, and transfers
    left_out: list[str] = field(default_factory=list)      # what is no person, and why
    notes: list[str] = field(default_factory=list)


def write(found: ImportedPeople, source: Path, preset: str, consent: list[str] | None,
          path: Path = Path("params.yaml")) -> str:
    """Adds who was found to params.yaml; what was done, what was left out, and what is to do. What an earlier import
    wrote stays as the user has changed it. InputError where nobody was found."""
    left_out = "".join(f"\n  {line}" for line in found.left_out)
    if not found.people:
        raise InputError(f"{source}: nobody can be imported{':' * bool(left_out)}{left_out}")
    agreed = {"consent": dict(zip(RECORD, consent))} if consent else {}
    wanted = []
    for name, file in found.people.items():
        wanted += [video(name, file, preset), Entry.short("subjects", name, preset=preset, **agreed),
                   transfer(name, name, file, preset)]
    config = params.load(path)
    fresh = params_editor.add([entry for entry in [*wanted, *found.more] if not imported(config, entry)], path)
    counts = Counter(entry.block for entry in fresh)
    told = [f"{path}: {counts['subjects']} of {len(found.people)} people are new, with {counts['videos']} videos and "
            f"{counts['transfers']} transfers"]
    if left_out:
        told.append(f"left out:{left_out}")
    told += found.notes
    subjects = params.load(path).subjects
    if silent := [name for name in found.people if not subjects[name].consent]:
        told.append(f"missing: `consent` of {len(silent)} of them, without which training stops. Write in each one's "
                    "entry of `subjects` who agreed, when, to what, or what the data set's licence allows; "
                    "--consent WHO WHEN SCOPE RECORD writes it for all who are new")
    first = next(iter(found.people))
    return "\n".join([*told, f"next: python -m pipeline run {first} --from {first}"])


def imported(config: Params, entry: Entry) -> bool:
    """Whether an entry is there, whatever else the user has written into it."""
    there = getattr(config, entry.block).get(entry.name)
    return there is not None and all(getattr(there, field) == entry.content[field] for field in SAME[entry.block])


def video(name: str, file: Path, preset: str, **span) -> Entry:
    return Entry.short("videos", name, file=told(file), **span, preset=preset)


def transfer(target: str, source: str, file: Path, preset: str) -> Entry:
    """file: of the source; it stands for a truth where there is none."""
    name = f"{target}_from_{source}"
    return Entry.short("transfers", name, target=target, source=source, preset=preset, truth=told(file))


def told(file: Path) -> str:
    """Relative to the project where it lies below it, else absolute."""
    whole = Path(os.path.abspath(file))
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


def folder(config: Params, source: Path, preset: str) -> ImportedPeople:
    """A folder of clips, one person each: a video, a folder of images, or a folder of several such takes."""
    fps = checked(config, source, preset)
    if list_images(source):
        raise InputError(f"{source}: holds images itself; expected one video or one folder of images a person in it")
    found, files = ImportedPeople(), {}
    for file in natural_order(file for file in source.iterdir() if not file.name.startswith(".")):
        name = named(file.name if file.is_dir() else file.stem)
        if not file.is_dir() and file.suffix.lower() not in takes.VIDEOS:
            found.left_out.append(f"{file.name}: neither a folder nor named like a video (.mp4, .mov, ...)")
        elif not name:
            found.left_out.append(f"{file.name}: no letter or digit in it makes a name; rename it")
        else:
            files.setdefault(name, []).append(file)
    for name, same in tqdm(files.items(), "reading", unit="clip", disable=None):
        if len(same) > 1:
            found.left_out.append(f"{', '.join(file.name for file in same)}: all would be called {name}; rename them")
        elif reason := unreadable(same[0], fps):
            found.left_out.append(reason)
        else:
            found.people[name] = same[0]
    return found


def named(text: str) -> str:
    """A name of params.yaml: small letters, digits and _; empty where nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return (f"clip_{name}" if name[:1].isdigit() else name)[:LONGEST].rstrip("_")


def checked(config: Params, source: Path, preset: str) -> float | None:
    """The frames a second that the preset asks for. InputError where there is no such preset or folder."""
    if preset not in config.presets:
        raise InputError(f"params.yaml: no preset `{preset}`; there are {', '.join(config.presets)}")
    if not source.is_dir():
        raise InputError(f"{source}: no such folder")
    return config.presets[preset].frames.fps


def unreadable(file: Path, fps: float | None) -> str | None:
    """Why a video, a folder of images or one of takes cannot be used, as far as its first frames and its images' sizes
    tell."""
    sizes = {}  # and the first image of each
    try:
        takes.open_takes(file, fps)
        for image in (image for take in takes.list_takes(file) if take.is_dir() for image in list_images(take)):
            sizes.setdefault(size(image), image)
    except InputError as error:
        return str(error)
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        return (f"{other}: {second[0]} x {second[1]}, but {one} {first[0]} x {first[1]}; all images of a person must "
                "have one size")
    return None


def size(image: Path) -> tuple[int, int]:
    """Width and height, by the file's head."""
    try:
        with open_media(image, IMAGE_FORMATS) as container:
            stream = container.streams.video[0]
            found = stream.width, stream.height
    except (av.FFmpegError, IndexError):
        found = 0, 0
    if not all(found):
        raise InputError(f"{image}: not an image that can be read; remove it or export it again")
    return found
