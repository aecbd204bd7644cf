"""The watermark, measured: python -m tests.benchmarks.watermark

Bits that are read right after each attack and after all three, by clip and by single frame; how often pictures that
were never marked are taken for marked; what it costs in PSNR and in time. Exits with 1 where a goal is missed. The
clips are rendered people and, where given, the user's own; a marked clip has gone through the H.264 of fusion first.

--clips FILE ...   videos whose first frames are used too
--frames N         of each clip (64)
--unmarked N       pictures without a mark, each another one, of all clips and three further people in turn (1000)
--numbers N        that are written into each clip, one after the other (4)
--size N           pixels, the shorter side (256)
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from stages import samples
from stages.media import footage
from stages.provenance import watermark
from stages.provenance.label import Label
from stages.vision import quality
from tests.benchmarks.figures import Figure, verdict
from tests.stages.provenance import attacks

PEOPLE, OTHERS, MOTIONS = (501, 502, 503), (504, 505, 506), ("wave", "dance")
CRF = 18                   # of fusion, in the demo preset
ALONE, TOGETHER = 1.0, 0.99  # goals: shares of the bits
DEAREST = 40.0             # dB
SLOWEST = 8.0              # ms a frame of 256 x 256: a tenth of a core at 12 frames/s


def rendered(number: int, count: int, size: int) -> Iterator[np.ndarray]:
    """A stranger's first frames."""
    return (rgb for rgb, *_ in samples.frames(f"stranger_{number}", MOTIONS, number, count / 25, size))


def filmed(file: Path, size: int) -> Iterator[np.ndarray]:
    """The frames of a video, their shorter side `size`."""
    for shot in footage.open_footage(file, None).shots():
        picture = shot.picture()
        scale = size / min(picture.shape[:2])
        yield cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def right(found: watermark.Found, number: int) -> float:
    """The share of the bits; half of them where nothing would have been read."""
    return 1 - bin(found.number ^ number).count("1") / watermark.BITS if found.sure else 0.5


def read(clips: dict[str, np.ndarray], numbers: int) -> list[Figure]:
    """After every attack, all clips and numbers together."""
    whole, single, certainty = ({name: [] for name in attacks.ALL} for _ in range(3))
    for clip in clips.values():
        for number in np.random.default_rng(1).integers(0, 2**watermark.BITS, numbers).tolist():
            mark = watermark.Mark(number, clip.shape[2:0:-1])
            marked = attacks.h264(np.stack([mark.over(picture) for picture in clip]), CRF)
            for name, attack in attacks.ALL.items():
                seen = attack(marked)
                found = watermark.find(seen[:: max(1, len(seen) // 24)])
                whole[name].append(right(found, number))
                certainty[name].append(found.certainty)
                single[name].append(right(watermark.find(seen[len(seen) // 2 :][:1]), number))
    rows = []
    for name in attacks.ALL:
        goal = TOGETHER if name == "all three" else ALONE
        rows.append(Figure(f"bits read right in a clip: {name}", float(np.mean(whole[name])), goal,
                           remark=f"certainty {min(certainty[name]):.1f} at least; {watermark.SURE} is needed"))
        rows.append(Figure(f"bits read right in a single frame: {name}", float(np.mean(single[name])), None,
                           remark="a frame where nothing is found counts as a half"))
    return rows


def never_marked(sources: list[Iterator[np.ndarray]], count: int) -> Figure:
    """Each picture alone."""
    most, taken, seen = 0.0, 0, 0
    for picture in islice(in_turn(sources), count):
        found = watermark.find([picture])
        most, taken, seen = max(most, found.certainty), taken + found.sure, seen + 1
    return Figure(f"taken for marked, of {seen} unmarked pictures", taken, 0, at_most=True,
                  remark=f"certainty {most:.1f} at most; {watermark.SURE} is needed")


def in_turn(sources: list[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """One of each after the other, until all have ended."""
    while sources:
        for source in list(sources):
            if (picture := next(source, None)) is None:
                sources.remove(source)
            else:
                yield picture


def cost(clips: dict[str, np.ndarray]) -> list[Figure]:
    """Before H.264."""
    loss, spent = [], []
    for clip in clips.values():
        mark, label = (kind(clip.shape[2:0:-1]) for kind in (lambda size: watermark.Mark(1, size), Label))
        for picture in clip:
            loss.append(quality.psnr(mark.over(picture), picture))
            begun = time.perf_counter()
            mark.over(label.over(picture))
            spent.append(time.perf_counter() - begun)
    return [Figure("PSNR of a marked picture", float(np.mean(loss)), DEAREST, "dB"),
            Figure("mark and label of a picture", 1000 * float(np.median(spent)), SLOWEST, "ms", at_most=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", default=[])
    for name, default in (("--frames", 64), ("--unmarked", 1000), ("--numbers", 4), ("--size", 256)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args()
    clips = {f"stranger_{number}": rendered(number, given.frames, given.size) for number in PEOPLE}
    clips |= {file.name: islice(filmed(file, given.size), given.frames) for file in given.clips}
    clips = {name: np.stack(list(pictures)) for name, pictures in clips.items()}
    unmarked = [*(rendered(number, given.unmarked, given.size) for number in OTHERS),
                *(filmed(file, given.size) for file in given.clips)]
    print(f"{len(clips)} clips of {given.frames} frames: {', '.join(clips)}")
    return verdict([*read(clips, given.numbers), never_marked(unmarked, given.unmarked), *cost(clips)])


if __name__ == "__main__":
    sys.exit(main())
