"""Robustness, false positives, visibility and speed of the watermark: python -m tests.benchmarks.watermark

Measures the bits that are read correctly from two seconds of video after each attack and after all three; how often
pieces of two seconds without a mark are classified as marked; the LPIPS (AlexNet) that the mark adds, before and after
encoding; and the time. Exits with 1 if a goal is missed. The clips are rendered people and, if given, the user's own.
Marked clips are first encoded as fusion does.

H.264 reacts to any change of its input with different coding decisions. The goal therefore applies to the LPIPS that
the mark adds to the distance between the encoded video and its original frames, in the mean over several numbers. The
same is shown for a change of one grey level in one pixel of 256. The encoder also spends more bits on marked frames, so
the LPIPS relative to an unmarked video of the same size is shown too.

--clips FILE ...   further videos, of which two seconds are used
--begin SECONDS    where in them to start (0)
--unmarked N       number of pieces without a mark, cut at random from all clips and three further people (1000)
--numbers N        how many numbers are embedded in each clip, one after the other (4)
--size N           pixels, the shorter side (256)
--seed N           of the unmarked pieces (0)
"""

import argparse
import sys
import time
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from stages import samples
from stages.evaluation import perceptual_distance
from stages.media import footage
from stages.provenance import watermark
from stages.provenance.label import Label
from tests.benchmarks.figures import Figure, print_figures
from tests.stages.provenance import attacks

PEOPLE, OTHERS, MOTIONS = (501, 502, 503), (504, 505, 506), ("wave", "dance")
BITS_GOAL = 1.0       # goal: share of the bits
MAX_LPIPS = 0.003   # goal: LPIPS
LPIPS_FRAMES = 8        # of a clip
MAX_MILLISECONDS = 8.0     # ms a frame of 256 x 256: a tenth of a core at 12 frames/s
START_OFFSET = 0.37      # seconds: the start of the video is unknown when a piece is examined
Clip = tuple[np.ndarray, float]  # (T, H, W, 3) RGB of two seconds, frames/s


def rendered(number: int, size: int, seconds: float = watermark.PERIOD) -> Clip:
    """The first seconds of a rendered person."""
    return np.stack([rgb for rgb, *_ in samples.frames(f"stranger_{number}", MOTIONS, number, seconds, size)]), 25.0


def filmed(file: Path, size: int, begin: float) -> Clip:
    """Two seconds of a video, with a shorter side of `size` pixels."""
    video = footage.open_footage(file, None)
    fps = float(video.fps)
    count = round(watermark.PERIOD * fps)
    return np.stack([resized(shot.picture(), size) for shot in
                     islice(video.frames(), round(begin * fps), round(begin * fps) + count)]), fps


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    scale = size / min(picture.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def bit_accuracy(found: watermark.DetectedWatermark, number: int) -> float:
    """The share of correct bits; 0.5 if no mark is detected."""
    return 1 - bin(found.number ^ number).count("1") / watermark.BITS if found.is_significant else 0.5


def embedded(numbers: int) -> list[int]:
    return np.random.default_rng(1).integers(0, 2**watermark.BITS, numbers).tolist()


def bits_after_attacks(clips: dict[str, Clip], numbers: int) -> list[Figure]:
    """The bits read after each attack, over all clips and numbers."""
    bits, certainty = ({name: [] for name in attacks.ALL} for _ in range(2))
    for pictures, fps in clips.values():
        for number in embedded(numbers):
            marked = attacks.delivered(attacks.marked(pictures, number, fps), fps)[0]
            for name, attack in attacks.ALL.items():
                found = watermark.detect(attacks.timed(attack(marked), fps, START_OFFSET))
                bits[name].append(bit_accuracy(found, number))
                certainty[name].append(found.z_score)
    return [Figure(f"bits read right from two seconds: {name}", float(np.mean(bits[name])), BITS_GOAL,
                   remark=f"certainty {min(certainty[name]):.1f} at least; {watermark.THRESHOLD} is needed")
            for name in attacks.ALL]


def false_positives(clips: list[Clip], count: int, seed: int) -> Figure:
    """Of pieces without a mark: random crops of the picture, mirrored or not, at different compression."""
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


def visibility(clips: dict[str, Clip], numbers: int) -> list[Figure]:
    """LPIPS in the mean over the numbers: of the worst clip, and the mean over all. The same of the size."""
    goals = {"the mark, not encoded": MAX_LPIPS, "the mark, delivered: rise": MAX_LPIPS,
             "the mark, delivered: rise at equal size": None, "the mark, delivered: to the same without": None,
             "one level in one pixel of 256, delivered: rise": None,
             "one level in one pixel of 256, delivered: to the same without": None}
    per_clip, growth = [], []
    for name, (pictures, fps) in clips.items():
        plain, size = attacks.delivered(pictures, fps)
        from_plain, rows, sizes = lpips(plain, pictures), [], []
        for number in embedded(numbers):
            marked, speck = attacks.marked(pictures, number, fps), pictures.copy()
            speck[:, number // 16 % 16 :: 16, number % 16 :: 16] ^= 1
            (ours, ours_size), (other, _) = attacks.delivered(marked, fps), attacks.delivered(speck, fps)
            as_large = encoded_to_size(pictures, fps, ours_size)
            from_ours = lpips(ours, pictures)
            rows.append([lpips(marked, pictures), from_ours - from_plain, from_ours - lpips(as_large, pictures),
                         lpips(ours, plain), lpips(other, pictures) - from_plain, lpips(other, plain)])
            sizes.append(ours_size / size)
        per_clip.append(np.mean(rows, axis=0))
        growth.append(float(np.mean(sizes)))
        low, high = np.min(rows, axis=0), np.max(rows, axis=0)
        print(f"{name}: LPIPS {from_plain:.4f}; the mark adds {low[1]:.4f} to {high[1]:.4f}, one grey level in one pixel "
              f"of 256 {low[4]:.4f} to {high[4]:.4f}")
    figures = [Figure(f"LPIPS of {what}", float(values.max()), goal, at_most=True,
                      remark=f"in the worst clip; {values.mean():.4f} in the mean")
               for (what, goal), values in zip(goals.items(), np.transpose(per_clip))]
    return [*figures, Figure("size of the marked video, relative to the unmarked one", max(growth), None,
                             remark=f"in the worst clip; {np.mean(growth):.2f} in the mean")]


def encoded_to_size(pictures: np.ndarray, fps: float, size: int) -> np.ndarray:
    """Encoded with the CRF that gives about as many bytes."""
    low, high = attacks.CRF - 8.0, float(attacks.CRF)  # too large, too small
    for _ in range(6):
        middle = (low + high) / 2
        encoded, reached = attacks.delivered(pictures, fps, middle)
        low, high = (middle, high) if reached > size else (low, middle)
    return encoded


def lpips(ones: np.ndarray, others: np.ndarray) -> float:
    places = np.linspace(0, len(ones) - 1, LPIPS_FRAMES + 2).astype(int)[1:-1]
    with torch.inference_mode():
        pairs = [[torch.tensor(pictures[place]).permute(2, 0, 1)[None] / 127.5 - 1 for pictures in (ones, others)]
                 for place in places]
        return float(np.mean([float(network()(*pair)) for pair in pairs]))


@cache
def network() -> torch.nn.Module:
    return perceptual_distance.lpips_network().eval()


def cost(clips: dict[str, Clip]) -> list[Figure]:
    mark_seconds, find_seconds = [], []
    for pictures, fps in clips.values():
        size = pictures.shape[2:0:-1]
        mark, label = watermark.Watermark(1, size, fps), Label(size)
        for frame, picture in enumerate(pictures):
            begun = time.perf_counter()
            mark.apply(label.apply(picture), frame)
            mark_seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        watermark.detect(attacks.timed(pictures, fps))
        find_seconds.append(time.perf_counter() - begun)
    return [Figure("mark and label of a picture", 1000 * float(np.median(mark_seconds)), MAX_MILLISECONDS, "ms",
                   at_most=True),
            Figure("looking for a mark in two seconds", float(np.median(find_seconds)), None, "s")]


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
    figures = [*bits_after_attacks(clips, given.numbers), *visibility(clips, given.numbers), *cost(clips)]
    if given.unmarked:
        others = [rendered(number, given.size, 4 * watermark.PERIOD) for number in OTHERS]
        figures.append(false_positives([*clips.values(), *others], given.unmarked, given.seed))
    return print_figures(figures)


if __name__ == "__main__":
    sys.exit(main())
