"""Accuracy of the background plate behind rendered people who cast a shadow: python -m tests.benchmarks.plates

Renders people that were not used during development in the hard world of `samples`, runs the real stages with the demo
preset of params.yaml, and compares the square of the background with the true one. Prints one row for each figure. For
comparison, a row also shows the figure of a plain temporal median, where that is informative, and the figure of the
empty room filmed for the same time, which is an upper bound for every method. The means over people follow. Exits with
1 if a goal is missed. Takes about five minutes on two cores.

--people N  number of people (2)
--keep DIR  works in DIR and keeps it; artifacts that are there are not computed again
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import yaml
from torch import nn

from stages import layout, samples
from stages.background_inpainting import COVERED, SAMPLE, collect
from stages.evaluation import perceptual_distance
from stages.imaging import image_quality
from stages.matting.background import clearance
from stages.matting.temporal_median import uncovered_median
from stages.media import footage, png, video_file
from stages.media.sampling import evenly_spaced
from stages.media.timeline import read_timeline
from stages.media.view import read_view
from stages.samples import hard_world, motion
from tests import settings
from tests.benchmarks import held_out
from tests.benchmarks.figures import Figure, print_figures

FIRST, SECONDS, SIZE = 511, 12.0, 256
STAGES = ("samples", "frames", "pose_extraction", "mask_segmentation", "background_inpainting")
PSNR, STEP, LPIPS = ("PSNR of the pixels seen", "largest step along old silhouettes, of 255",
                     "LPIPS (AlexNet) to the true background")
# Shares of frames in which a pixel is free of people. The background is computed differently above and below each level
FREE_SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
SEAM_WIDTH, SEAM_SIGMA = 2, 3.0  # pixels at 256 x 256: zone on each side of a line, and sigma of local means


def make(folder: Path, names: list[str]) -> None:
    """Runs the stages up to the background whose outputs are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    settings.write(folder, settings.people({name: f"artifacts/samples/{name}.mp4" for name in names}, samples={
        name: {"person": name, "motions": held_out.MOTIONS, "seed": i, "seconds": SECONDS, "size": SIZE,
               "world": "hard"} for i, name in enumerate(names)}))
    for name in names:
        for one in STAGES:
            held_out.run_missing(folder, one, name)


def figures(folder: Path, name: str, network: nn.Module) -> list[Figure]:
    artifacts = folder / layout.ROOT / name
    times, camera = read_timeline(artifacts / "frames.parquet"), read_view(artifacts / "view.parquet")
    crop, size, usable = times.about["crop"], times.about["size"], times.usable()
    chosen = evenly_spaced(usable, SAMPLE)
    shown, alphas, _ = collect(artifacts / "frames.mkv", artifacts / "masks.mkv", chosen,
                              times.about["full_frames"])
    dilate = yaml.safe_load((folder / "params.yaml").read_text())["presets"]["demo"]["background_inpainting"]["dilate"]
    free = np.stack([clearance(alpha >= COVERED, camera.visible(frame, crop, size), dilate * size) > 0
                     for frame, alpha in zip(chosen, alphas)])
    plain, _ = uncovered_median(shown, ~free)

    room = png.read(folder / layout.outputs("samples", name)["plate"])
    true, found = footage.crop_square(room, crop, size), png.read(artifacts / "background.png")
    seen = free.any(0) & footage.crop_square(np.full_like(room, 255), crop, size).all(-1)
    steps, median_steps = (seam(picture.astype(np.float32) - true, free.mean(0), seen) for picture in (found, plain))
    best = footage.crop_square(emptied(room, len(usable)), crop, size)
    return [
        Figure(f"{name}: {PSNR}", image_quality.psnr(found[seen], true[seen]), 40, "dB",
               remark=f"{seen.mean():.1%} seen; the plain median {image_quality.psnr(plain[seen], true[seen]):.4g}, "
                      f"the empty room {image_quality.psnr(best[seen], true[seen]):.4g}"),
        Figure(f"{name}: {STEP}", steps.max(), 2, "", True,
               f"99 % below {np.percentile(steps, 99):.2g}; the plain median {median_steps.max():.3g}"),
        Figure(f"{name}: {LPIPS}", held_out.lpips(network, found, true), 0.01, "", True,
               f"the empty room {held_out.lpips(network, best, true):.2g}"),
    ]


def emptied(room: np.ndarray, count: int) -> np.ndarray:
    """The mean of `count` frames of the empty room (S, S, 3), with sensor noise and the same H.264 settings."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "empty.mp4"
        bitrate = round(hard_world.MAX_BITS_PER_PIXEL * len(room) ** 2 * motion.FPS)
        with video_file.h264(file, motion.FPS, hard_world.CRF, {}, max_bitrate=bitrate) as show:
            for _ in range(count):
                show(np.clip(np.rint(room + rng.normal(0, samples.NOISE, room.shape)), 0, 255).astype(np.uint8))
        return np.rint(sum(picture.astype(float) for picture in video_file.frames(file)) / count).astype(np.uint8)


def means(people: list[list[Figure]]) -> list[Figure]:
    """The mean of each figure over people."""
    return [Figure(f"mean: {what}", float(np.mean([figure.reached for figure in same])), None, same[0].unit)
            for what, *same in zip((PSNR, STEP, LPIPS), *people, strict=True)]


def seam(error: np.ndarray, share: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Steps of the error (H, W, 3) across the lines where the share of free frames (H, W) crosses one of FREE_SHARES:
    absolute differences between the local means on both sides of the line, (n,)."""
    unit, steps = len(error) / 256, []
    side = 2 * max(1, round(SEAM_WIDTH * unit)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    around = lambda part: cv2.GaussianBlur(part.astype(np.float32), (0, 0), SEAM_SIGMA * unit)
    for level in FREE_SHARES:
        thin = (share <= level).astype(np.uint8)
        within, beyond = (thin > cv2.erode(thin, disc)) & seen, (cv2.dilate(thin, disc) > thin) & seen
        weights = [around(part) for part in (within, beyond)]
        near = (within | beyond) & (np.minimum(*weights) > 0.05)
        means = [around(error * part[..., None])[near] / weight[near, None]
                 for part, weight in zip((within, beyond), weights)]
        steps.append(np.abs(means[0] - means[1]).mean(-1))
    return np.concatenate(steps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    names = [f"stranger_{number}" for number in range(FIRST, FIRST + given.people)]
    with tempfile.TemporaryDirectory() as temporary:
        # The network is loaded first, so that missing weights are reported before the stages run
        folder, network = (given.keep or Path(temporary)).resolve(), perceptual_distance.lpips_network().eval()
        make(folder, names)
        found = [figures(folder, name, network) for name in names]
        return print_figures(sum(found, []) + (means(found) if len(found) > 1 else []))


if __name__ == "__main__":
    sys.exit(main())
