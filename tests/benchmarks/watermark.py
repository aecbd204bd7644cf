"""The watermark, measured: python -m tests.benchmarks.watermark

Bits that are read right from two seconds after each attack and after all three, by clip; how often pieces of two
seconds that were never marked are taken for marked; what the mark costs in LPIPS (AlexNet), as it is laid over the
pictures and as it is delivered, and in time. Exits with 1 where a goal is missed. The clips are rendered people and,
where given, the user's own; a marked clip has gone through the H.264 of fusion first.

H.264 answers any change with another choice somewhere else. So LPIPS between a marked and an unmarked video, both
delivered, stands beside that of a change of one grey level in one pixel of 256; the goal is for what the mark adds to
the LPIPS between a delivered video and what it was made from.

--clips FILE ...   videos whose first two seconds are used too
--begin SECONDS    where in them to begin (0)
--unmarked N       pieces without a mark, cut out of all clips and three further people at random (1000)
--numbers N        that are written into each clip, one after the other (4)
--size N           pixels, the shorter side (256)
--seed N           of the unmarked pieces (0)
"""

import argparse
import sys
import time
from functools import cache, partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from stages import samples
from stages.evaluation import metric_networks
from stages.media import footage
from stages.provenance import watermark
from stages.provenance.label import Label
from tests.benchmarks.figures import Figure, verdict
from tests.stages.provenance import attacks

PEOPLE, OTHERS, MOTIONS = (501, 502, 503), (504, 505, 506), ("wave", "dance")
CRF = 18          # of fusion, in the demo preset
ALONE = 1.0       # goal: share of the bits
DEAREST = 0.003   # goal: LPIPS
JUDGED = 4        # frames of a clip that LPIPS sees
SLOWEST = 8.0     # ms a frame of 256 x 256: a tenth of a core at 12 frames/s
LATER = 0.37      # seconds: whoever looks at a piece does not know when the video began
Clip = tuple[np.ndarray, float]  # (T, H, W, 3) RGB of two seconds, frames/s


def rendered(number: int, size: int, seconds: float = watermark.PERIOD) -> Clip:
    """A stranger's first seconds."""
    return np.stack([rgb for rgb, *_ in samples.frames(f"stranger_{number}", MOTIONS, number, seconds, size)]), 25.0


def filmed(file: Path, size: int, begin: float) -> Clip:
    """Two seconds of a video, their shorter side `size`."""
    video = footage.open_footage(file, None)
    fps = float(video.fps)
    count = round(watermark.PERIOD * fps)
    return np.stack([resized(shot.picture(), size) for shot in
                     islice(video.shots(), round(begin * fps), round(begin * fps) + count)]), fps


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    scale = size / min(picture.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def right(found: watermark.DetectedWatermark, number: int) -> float:
    """The share of the bits; half of them where nothing would have been read."""
    return 1 - bin(found.number ^ number).count("1") / watermark.BITS if found.is_significant else 0.5


def read(clips: dict[str, Clip], numbers: int) -> list[Figure]:
    """After every attack, all clips and numbers together."""
    bits, certainty = ({name: [] for name in attacks.ALL} for _ in range(2))
    for pictures, fps in clips.values():
        for number in np.random.default_rng(1).integers(0, 2**watermark.BITS, numbers).tolist():
            marked = attacks.h264(attacks.marked(pictures, number, fps), CRF)
            for name, attack in attacks.ALL.items():
                found = watermark.detect(attacks.timed(attack(marked), fps, LATER))
                bits[name].append(right(found, number))
                certainty[name].append(found.z_score)
    return [Figure(f"bits read right from two seconds: {name}", float(np.mean(bits[name])), ALONE,
                   remark=f"certainty {min(certainty[name]):.1f} at least; {watermark.THRESHOLD} is needed")
            for name in attacks.ALL]


def never_marked(clips: list[Clip], count: int, seed: int) -> Figure:
    """Pieces: part of the picture, mirrored or not, more or less compressed."""
    rng, certainties = np.random.default_rng(seed), []
    for _ in range(count):
        pictures, fps = clips[rng.integers(len(clips))]
        begin = rng.integers(len(pictures) - round(watermark.PERIOD * fps) + 1)
        sides = [rng.integers(side // 2, side + 1) // 2 * 2 for side in pictures.shape[1:3]]
        top, left = (rng.integers(side - part + 1) for side, part in zip(pictures.shape[1:3], sides))
        piece = pictures[begin : begin + round(watermark.PERIOD * fps), top : top + sides[0], left : left + sides[1]]
        piece = attacks.h264(piece[:, :, :: rng.choice([-1, 1])], int(rng.choice([18, 23, 28])))
        certainties.append(watermark.detect(attacks.timed(piece, fps, rng.random())).z_score)
    taken = sum(certainty >= watermark.THRESHOLD for certainty in certainties)
    return Figure(f"taken for marked, of {count} unmarked pieces of two seconds", taken, 0, at_most=True,
                  remark=f"certainty {max(certainties):.2f} at most; {watermark.THRESHOLD} is needed")


def seen(clips: dict[str, Clip]) -> list[Figure]:
    """LPIPS: the worst clip, and the mean of all."""
    rows = {"the mark, not encoded": [], "the mark, delivered: rise to the pictures": [],
            "the mark, delivered: to the same without": [], "one level in one pixel of 256, delivered": []}
    for pictures, fps in clips.values():
        marked, speck = attacks.marked(pictures, 1, fps), pictures.copy()
        speck[:, ::16, ::16] ^= 1
        delivered = partial(attacks.h264, crf=CRF)
        ours, plain, other = delivered(marked), delivered(pictures), delivered(speck)
        for row, value in zip(rows.values(), (lpips(marked, pictures), lpips(ours, pictures) - lpips(plain, pictures),
                                              lpips(ours, plain), lpips(other, plain))):
            row.append(value)
    goals = (DEAREST, DEAREST, None, None)
    return [Figure(f"LPIPS of {what}", max(values), goal, at_most=True,
                   remark=f"in the worst clip; {np.mean(values):.4f} in the mean")
            for (what, values), goal in zip(rows.items(), goals)]


def lpips(ones: np.ndarray, others: np.ndarray) -> float:
    places = np.linspace(0, len(ones) - 1, JUDGED + 2).astype(int)[1:-1]
    with torch.inference_mode():
        pairs = [[torch.tensor(pictures[place]).permute(2, 0, 1)[None] / 127.5 - 1 for pictures in (ones, others)]
                 for place in places]
        return float(np.mean([float(network()(*pair)) for pair in pairs]))


@cache
def network() -> torch.nn.Module:
    return metric_networks.lpips_network().eval()


def cost(clips: dict[str, Clip]) -> list[Figure]:
    spent, looked = [], []
    for pictures, fps in clips.values():
        size = pictures.shape[2:0:-1]
        mark, label = watermark.Watermark(1, size, fps), Label(size)
        for frame, picture in enumerate(pictures):
            begun = time.perf_counter()
            mark.apply(label.apply(picture), frame)
            spent.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        watermark.detect(attacks.timed(pictures, fps))
        looked.append(time.perf_counter() - begun)
    return [Figure("mark and label of a picture", 1000 * float(np.median(spent)), SLOWEST, "ms", at_most=True),
            Figure("looking for a mark in two seconds", float(np.median(looked)), None, "s")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", default=[])
    parser.add_argument("--begin", type=float, default=0.0)
    for name, default in (("--unmarked", 1000), ("--numbers", 4), ("--size", 256), ("--seed", 0)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args()
    clips = {f"stranger_{number}": rendered(number, given.size) for number in PEOPLE}
    clips |= {file.name: filmed(file, given.size, given.begin) for file in given.clips}
    print(f"{len(clips)} clips of two seconds: {', '.join(clips)}")
    figures = [*read(clips, given.numbers), *seen(clips), *cost(clips)]
    if given.unmarked:
        others = [rendered(number, given.size, 4 * watermark.PERIOD) for number in OTHERS]
        figures.append(never_marked([*clips.values(), *others], given.unmarked, given.seed))
    return verdict(figures)


if __name__ == "__main__":
    sys.exit(main())
