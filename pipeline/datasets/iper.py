"""`python -m pipeline import iper`: the iPER data set (Liu et al., ICCV 2019) in the layout of its release.

    images_HD/<subject>/<outfit>/1/NNN.jpg   a turn in A-pose
    images_HD/<subject>/<outfit>/2/NNN.jpg   random actions
    train.txt, val.txt                       one clip per line: <subject>/<outfit>/<1 or 2>
    iPER_protocol.json                       of its evaluation code: clip and frames that a clip of val.txt imitates

An outfit becomes one person with two takes. Without the protocol, each outfit of val.txt imitates the next one of
another subject."""

import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from pipeline.datasets.folder import ImportedPeople, check_source, transfer_entry, unreadable_reason, video_entry
from stages import InputError
from stages.media.footage import IMAGE_FPS
from stages.media.images import list_images, natural_order
from stages.params import Params

IMAGES, LISTS, PROTOCOL = "images_HD", ("train.txt", "val.txt"), "iPER_protocol.json"
CLIPS = {"1": "the turn in A-pose", "2": "the random actions"}


def find_people(config: Params, source: Path, preset: str, only: list[str]) -> ImportedPeople:
    """The people and transfers of the data set. only: subjects to import; empty for all."""
    fps, found, outfits = check_source(config, source, preset), ImportedPeople(), {}
    root = source.parent if source.name == IMAGES else source
    if not (root / IMAGES).is_dir():
        raise InputError(f"{source}: no folder {IMAGES}; expected the layout of iPER's release: "
                         f"{IMAGES}/001/1/1/000.jpg, train.txt, val.txt")
    subjects = {subject.name: subject for subject in numbered_folders(root / IMAGES)}
    if unknown := set(only) - set(subjects):
        raise InputError(f"{root / IMAGES}: no subject {', '.join(sorted(unknown))}; there are {', '.join(subjects)}")
    for subject in only or subjects:
        inside = {f"{subject}/{outfit.name}": outfit for outfit in numbered_folders(subjects[subject])}
        found.left_out += [] if inside else [f"{subject}: no outfits"]
        outfits |= inside
    for outfit, path in tqdm(outfits.items(), "checking iPER", unit="outfit", disable=None):
        problems = list(outfit_problems(path)) or [reason for reason in [unreadable_reason(path, fps)] if reason]
        found.left_out += [f"{outfit}: {problem}" for problem in problems]
        if not problems:
            found.people[person_name(outfit)] = path

    listed = {file: listed_clips(root / file, only) for file in LISTS}
    found.notes += list_problems(root, outfits, listed)
    held_out = dict.fromkeys(clip.rpartition("/")[0] for clip in listed["val.txt"])
    held_out = [outfit for outfit in held_out if person_name(outfit) in found.people]
    if (root / PROTOCOL).is_file():
        pair_by_protocol(root, found, held_out, preset, fps or IMAGE_FPS)
    else:
        pair_in_turn(found, held_out, preset)
        found.notes.append(f"{root / PROTOCOL} is missing: each outfit of val.txt imitates the next one of another "
                           "subject. With this file (thirdparty/his_evaluators/data of svip-lab/impersonator) it "
                           "imitates the same frames as in iPER's own evaluation")
    return found


def person_name(clip: str) -> str:
    """001/1 -> iper_001_1"""
    return "iper_" + clip.replace("/", "_")


def numbered_folders(path: Path) -> list[Path]:
    """The folders with a number for a name, in order."""
    return natural_order(one for one in path.iterdir() if one.is_dir() and one.name.isdigit())


def outfit_problems(outfit: Path) -> Iterator[str]:
    """Problems of an outfit's folder: missing, unexpected or wrongly named files and folders."""
    there = [take.name for take in outfit.iterdir() if take.is_dir() and not take.name.startswith(".")]
    if more := sorted(set(there) - set(CLIPS)):
        yield f"folders other than 1 and 2: {shorten(more)}"
    for take, what in CLIPS.items():
        stems = [image.stem for image in list_images(outfit / take)] if take in there else None
        if stems is None:
            yield f"no folder {take} ({what})"
        elif not stems:
            yield f"no images in {take} ({what})"
        elif odd := [stem for stem in stems if not stem.isdigit()]:
            yield f"images in {take} without a number: {shorten(odd)}"
        elif gaps := set(range(int(stems[0]), int(stems[-1]) + 1)) - set(map(int, stems)):
            yield f"images missing in {take}, from {stems[0]} to {stems[-1]}: {shorten(sorted(gaps))}"


def listed_clips(file: Path, only: list[str]) -> list[str]:
    """The clips in train.txt or val.txt, of these subjects."""
    lines = file.read_text(encoding="utf-8").split() if file.is_file() else []
    return [line for line in lines if not only or line.partition("/")[0] in only]


def list_problems(root: Path, outfits: dict[str, Path], listed: dict[str, list[str]]) -> Iterator[str]:
    """Differences between the lists and the folders."""
    for file, lines in listed.items():
        if not (root / file).is_file():
            yield f"{root / file} is missing"
        if absent := [clip for clip in lines if not (root / IMAGES / clip).is_dir()]:
            yield f"{file} lists missing clips: {shorten(absent)}"
    known = {clip.rpartition("/")[0] for lines in listed.values() for clip in lines}
    if known and (others := [outfit for outfit in outfits if outfit not in known]):
        yield f"in neither list: {shorten(others)}; complete outfits among them are imported"


def pair_in_turn(found: ImportedPeople, outfits: list[str], preset: str) -> None:
    """Adds a transfer for each outfit: it imitates the next outfit of another subject."""
    subject = lambda outfit: outfit.partition("/")[0]
    for i, outfit in enumerate(outfits):
        others = (other for other in [*outfits[i + 1 :], *outfits[:i]] if subject(other) != subject(outfit))
        if other := next(others, None):
            source = person_name(other)
            found.more.append(transfer_entry(person_name(outfit), source, found.people[source], preset))


def pair_by_protocol(root: Path, found: ImportedPeople, outfits: list[str], preset: str, fps: float) -> None:
    """Adds the protocol's cross-imitations. The first and last image of each become a video entry of their own. Raises
    InputError if the file is not iPER's protocol."""
    try:
        content = json.loads((root / PROTOCOL).read_text(encoding="utf-8"))["val"]
        imitations = {clip: (one["cross_imitation"]["target"], *map(int, one["cross_imitation"]["range"]))
                      for clip, one in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{root / PROTOCOL}: not iPER's protocol ({error!r}); expected `val` with a `cross_imitation` "
                         "of `target` and `range` for each clip") from None
    for clip, (driver, first, last) in imitations.items():
        outfit, path = clip.rpartition("/")[0], root / IMAGES / driver
        count = len(list_images(path)) if path.is_dir() else 0
        if outfit not in outfits:
            continue
        if why := f"it has {count}" if last >= count else next(outfit_problems(path.parent), None):
            found.notes.append(f"{clip} cannot imitate frames {first} to {last} of {driver}: {why}")
        else:
            source = f"{person_name(driver)}_{first}_{last}"
            span = video_entry(source, path, preset, start=round(first / fps, 4), end=round((last + 1) / fps, 4))
            entries = span, transfer_entry(person_name(outfit), source, path, preset)
            found.more += [entry for entry in entries if entry not in found.more]


def shorten(items: list) -> str:
    """The first five items, and how many there are."""
    shown = ", ".join(map(str, items[:5]))
    return f"{shown}, ... ({len(items)})" if len(items) > 5 else shown
