"""`python -m pipeline import iper`: the iPER data set (Liu et al., ICCV 2019) in the layout of its release.

    images_HD/<subject>/<outfit>/1/NNN.jpg   a turn in A-pose
    images_HD/<subject>/<outfit>/2/NNN.jpg   random actions
    train.txt, val.txt                       clips, one a line: <subject>/<outfit>/<1 or 2>
    iPER_protocol.json                       of its evaluators: which frames of whom each clip of val.txt imitates

An outfit is one person with two takes. Without the protocol each outfit of val.txt imitates the next one of somebody
else.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from pipeline.datasets.folder import ImportedPeople, checked, transfer, unreadable, video
from stages import InputError
from stages.media.footage import IMAGE_FPS
from stages.media.images import list_images, natural_order
from stages.params import Params

IMAGES, LISTS, PROTOCOL = "images_HD", ("train.txt", "val.txt"), "iPER_protocol.json"
CLIPS = {"1": "the turn in A-pose", "2": "the random actions"}


def iper(config: Params, source: Path, preset: str, only: list[str]) -> ImportedPeople:
    """only: subjects; all where it is empty."""
    fps, found, outfits = checked(config, source, preset), ImportedPeople(), {}
    root = source.parent if source.name == IMAGES else source
    if not (root / IMAGES).is_dir():
        raise InputError(f"{source}: no folder {IMAGES}; expected iPER as it is released: {IMAGES}/001/1/1/000.jpg, "
                         "train.txt, val.txt")
    subjects = {subject.name: subject for subject in folders(root / IMAGES)}
    if unknown := set(only) - set(subjects):
        raise InputError(f"{root / IMAGES}: no subject {', '.join(sorted(unknown))}; there are {', '.join(subjects)}")
    for subject in only or subjects:
        inside = {f"{subject}/{outfit.name}": outfit for outfit in folders(subjects[subject])}
        found.left_out += [] if inside else [f"{subject}: no outfits"]
        outfits |= inside
    for outfit, path in tqdm(outfits.items(), "checking iPER", unit="outfit", disable=None):
        problems = list(lacking(path)) or [reason for reason in [unreadable(path, fps)] if reason]
        found.left_out += [f"{outfit}: {problem}" for problem in problems]
        if not problems:
            found.people[name(outfit)] = path

    listed = {file: clips(root / file, only) for file in LISTS}
    found.notes += untidy(root, outfits, listed)
    held_out = dict.fromkeys(clip.rpartition("/")[0] for clip in listed["val.txt"])
    held_out = [outfit for outfit in held_out if name(outfit) in found.people]
    if (root / PROTOCOL).is_file():
        by_protocol(root, found, held_out, preset, fps or IMAGE_FPS)
    else:
        by_turns(found, held_out, preset)
        found.notes.append(f"{root / PROTOCOL} is not there: each outfit of val.txt imitates the next one of somebody "
                           "else. With this file (thirdparty/his_evaluators/data of svip-lab/impersonator) it imitates "
                           "the frames that iPER's own evaluation names")
    return found


def name(clip: str) -> str:
    """001/1 -> iper_001_1"""
    return "iper_" + clip.replace("/", "_")


def folders(path: Path) -> list[Path]:
    """The numbered ones, in order."""
    return natural_order(one for one in path.iterdir() if one.is_dir() and one.name.isdigit())


def lacking(outfit: Path) -> Iterator[str]:
    """What an outfit's folder lacks, or has too much."""
    there = [take.name for take in outfit.iterdir() if take.is_dir() and not take.name.startswith(".")]
    if more := sorted(set(there) - set(CLIPS)):
        yield f"folders beside 1 and 2: {short(more)}"
    for take, what in CLIPS.items():
        stems = [image.stem for image in list_images(outfit / take)] if take in there else None
        if stems is None:
            yield f"no folder {take} ({what})"
        elif not stems:
            yield f"no images in {take} ({what})"
        elif odd := [stem for stem in stems if not stem.isdigit()]:
            yield f"images in {take} without a number: {short(odd)}"
        elif gaps := set(range(int(stems[0]), int(stems[-1]) + 1)) - set(map(int, stems)):
            yield f"images missing in {take}, from {stems[0]} to {stems[-1]}: {short(sorted(gaps))}"


def clips(file: Path, only: list[str]) -> list[str]:
    """A list's clips, of these subjects."""
    lines = file.read_text(encoding="utf-8").split() if file.is_file() else []
    return [line for line in lines if not only or line.partition("/")[0] in only]


def untidy(root: Path, outfits: dict[str, Path], listed: dict[str, list[str]]) -> Iterator[str]:
    """Where the lists and the folders disagree."""
    for file, lines in listed.items():
        if not (root / file).is_file():
            yield f"{root / file} is not there"
        if absent := [clip for clip in lines if not (root / IMAGES / clip).is_dir()]:
            yield f"{file} names clips that are not there: {short(absent)}"
    known = {clip.rpartition("/")[0] for lines in listed.values() for clip in lines}
    if known and (others := [outfit for outfit in outfits if outfit not in known]):
        yield f"neither list names {short(others)}; who is whole is imported all the same"


def by_turns(found: ImportedPeople, outfits: list[str], preset: str) -> None:
    subject = lambda outfit: outfit.partition("/")[0]
    for i, outfit in enumerate(outfits):
        others = (other for other in [*outfits[i + 1 :], *outfits[:i]] if subject(other) != subject(outfit))
        if other := next(others, None):
            found.more.append(transfer(name(outfit), name(other), found.people[name(other)], preset))


def by_protocol(root: Path, found: ImportedPeople, outfits: list[str], preset: str, fps: float) -> None:
    """The protocol's cross-imitations: first and last image of a clip, which become a video of their own."""
    try:
        told = json.loads((root / PROTOCOL).read_text(encoding="utf-8"))["val"]
        crossed = {clip: (one["cross_imitation"]["target"], *map(int, one["cross_imitation"]["range"]))
                   for clip, one in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{root / PROTOCOL}: not iPER's protocol ({error!r}); expected below `val`, for each clip, "
                         "`cross_imitation` with `target` and `range`") from None
    for clip, (driver, first, last) in crossed.items():
        outfit, path = clip.rpartition("/")[0], root / IMAGES / driver
        count = len(list_images(path)) if path.is_dir() else 0
        if outfit not in outfits:
            continue
        if why := f"it has {count}" if last >= count else next(lacking(path.parent), None):
            found.notes.append(f"{clip} cannot imitate frames {first} to {last} of {driver}: {why}")
        else:
            source = f"{name(driver)}_{first}_{last}"
            span = video(source, path, preset, start=round(first / fps, 4), end=round((last + 1) / fps, 4))
            found.more += [one for one in (span, transfer(name(outfit), source, path, preset)) if one not in found.more]


def short(items: list) -> str:
    shown = ", ".join(map(str, items[:5]))
    return f"{shown}, ... ({len(items)})" if len(items) > 5 else shown
