"""`python -m pipeline import`: adds the people of a data set to params.yaml.

Every person gets a video, a subject and a transfer that reconstructs their held-out part. Clips that are missing or
cannot be read are reported all at once; the other people are imported."""

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

MAX_NAME_LENGTH = 20  # characters; `<name>_from_<name>` must be a valid name too
IDENTITY_FIELDS = {"videos": ("file",), "subjects": (), "transfers": ("target", "source")}  # equal in the same entry
CONSENT_FIELDS = ("who", "when", "scope", "record")  # the arguments of `--consent`


@dataclass
class ImportedPeople:
    """The people of a data set."""

    people: dict[str, Path] = field(default_factory=dict)  # {name: complete and readable file or folder}
    more: list[Entry] = field(default_factory=list)        # other videos, and transfers
    left_out: list[str] = field(default_factory=list)      # clips that cannot be used, with the reason
    notes: list[str] = field(default_factory=list)


def import_people(found: ImportedPeople, source: Path, preset: str, consent: list[str] | None,
                  path: Path = Path("params.yaml")) -> str:
    """Adds the people to params.yaml. Returns a report: what was added, what was left out, and the next step. Existing
    entries keep the user's changes. Raises InputError if there are no people."""
    left_out = "".join(f"\n  {line}" for line in found.left_out)
    if not found.people:
        raise InputError(f"{source}: no clip can be imported{':' * bool(left_out)}{left_out}")
    agreed = {"consent": dict(zip(CONSENT_FIELDS, consent))} if consent else {}
    wanted = []
    for name, file in found.people.items():
        wanted += [video_entry(name, file, preset), Entry.one_line("subjects", name, preset=preset, **agreed),
                   transfer_entry(name, name, file, preset)]
    config = params.load(path)
    fresh = params_editor.add([entry for entry in [*wanted, *found.more] if not is_imported(config, entry)], path)
    counts = Counter(entry.block for entry in fresh)
    report = [f"{path}: {counts['subjects']} of {len(found.people)} people are new, with {counts['videos']} videos and "
              f"{counts['transfers']} transfers"]
    if left_out:
        report.append(f"left out:{left_out}")
    report += found.notes
    subjects = params.load(path).subjects
    if missing := [name for name in found.people if not subjects[name].consent]:
        report.append(f"missing: `consent` of {len(missing)} of them; training needs it. Write in their entries of "
                      "`subjects` who agreed, when and to what, or what the data set's licence allows. "
                      "--consent WHO WHEN SCOPE RECORD writes it for all new people")
    first = next(iter(found.people))
    return "\n".join([*report, f"next: python -m pipeline run {first} --from {first}"])


def is_imported(config: Params, entry: Entry) -> bool:
    """Whether the entry exists. Only IDENTITY_FIELDS are compared; the user may have changed or added other fields."""
    existing = getattr(config, entry.block).get(entry.name)
    fields = IDENTITY_FIELDS[entry.block]
    return existing is not None and all(getattr(existing, field) == entry.content[field] for field in fields)


def video_entry(name: str, file: Path, preset: str, **span) -> Entry:
    """An entry of `videos`. span: `start` and `end` in seconds."""
    return Entry.one_line("videos", name, file=relative_path(file), **span, preset=preset)


def transfer_entry(target: str, source: str, file: Path, preset: str) -> Entry:
    """An entry of `transfers` without a true video. The field `truth` is required; the source's own video, `file`,
    means that there is none."""
    name = f"{target}_from_{source}"
    return Entry.one_line("transfers", name, target=target, source=source, preset=preset, truth=relative_path(file))


def relative_path(file: Path) -> str:
    """The path relative to the project if it is in it, otherwise the absolute path."""
    whole = Path(os.path.abspath(file))
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


def find_people(config: Params, source: Path, preset: str) -> ImportedPeople:
    """The people in a folder with one clip each: a video, a folder of images, or a folder of several such takes."""
    fps = check_source(config, source, preset)
    if list_images(source):
        raise InputError(f"{source}: has images itself; expected one video or one folder of images per person in it")
    found, files = ImportedPeople(), {}
    for file in natural_order(file for file in source.iterdir() if not file.name.startswith(".")):
        name = to_name(file.name if file.is_dir() else file.stem)
        if not file.is_dir() and file.suffix.lower() not in takes.VIDEOS:
            found.left_out.append(f"{file.name}: neither a folder nor a video (.mp4, .mov, ...)")
        elif not name:
            found.left_out.append(f"{file.name}: no Latin letter or digit for a name; rename it")
        else:
            files.setdefault(name, []).append(file)
    for name, same in tqdm(files.items(), "reading", unit="clip", disable=None):
        if len(same) > 1:
            found.left_out.append(f"{', '.join(file.name for file in same)}: all would get the name {name}; rename them")
        elif reason := unreadable_reason(same[0], fps):
            found.left_out.append(reason)
        else:
            found.people[name] = same[0]
    return found


def to_name(text: str) -> str:
    """A valid name for params.yaml: lower-case letters, digits and _. Empty if the text has none of them."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return (f"clip_{name}" if name[:1].isdigit() else name)[:MAX_NAME_LENGTH].rstrip("_")


def check_source(config: Params, source: Path, preset: str) -> float | None:
    """The frame rate that the preset asks for. Raises InputError if the preset or the folder does not exist."""
    if preset not in config.presets:
        raise InputError(f"params.yaml: no preset `{preset}`; there are {', '.join(config.presets)}")
    if not source.is_dir():
        raise InputError(f"{source}: no such folder")
    return config.presets[preset].frames.fps


def unreadable_reason(file: Path, fps: float | None) -> str | None:
    """Why a video, a folder of images or a folder of takes cannot be used; None if it can. Checks the first frames and
    the sizes of all images."""
    sizes = {}  # {size: the first image that has it}
    try:
        takes.open_takes(file, fps)
        for image in (image for take in takes.list_takes(file) if take.is_dir() for image in list_images(take)):
            sizes.setdefault(image_size(image), image)
    except InputError as error:
        return str(error)
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        return (f"{other}: {second[0]} x {second[1]}, but {one} {first[0]} x {first[1]}; all images of a person must "
                "have the same size")
    return None


def image_size(image: Path) -> tuple[int, int]:
    """Width and height from the header of an image. Raises InputError if it cannot be read."""
    try:
        with open_media(image, IMAGE_FORMATS) as container:
            stream = container.streams.video[0]
            found = stream.width, stream.height
    except (av.FFmpegError, IndexError):
        found = 0, 0
    if not all(found):
        raise InputError(f"{image}: not a readable image; remove it or export it again")
    return found
