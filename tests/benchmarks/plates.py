"""The empty background behind rendered people whose shadow lies on the wall: python -m tests.benchmarks.plates

Renders strangers in the hard world of `samples`, runs the real stages with the demo preset of params.yaml, and holds
the background's square against the true one. Prints one row a figure, beside the plain temporal median's where that
tells something, and exits with 1 where a goal is missed. Takes about five minutes on two cores.

--people N  how many (2)
--keep DIR  works in DIR and leaves it; what is already made there is not made again
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import yaml

from stages import layout
from stages.background_inpainting import COVERED, SAMPLE, collect
from stages.evaluation import metric_networks
from stages.imaging import image_quality
from stages.matting.background import clearance
from stages.matting.temporal_median import uncovered_median
from stages.media import footage, png
from stages.media.clock import read_clock
from stages.media.view import read_view
from tests.benchmarks import held_out
from tests.benchmarks.figures import Figure, verdict

FIRST, SECONDS, SIZE = 511, 12.0, 256
STAGES = ("samples", "frames", "pose_extraction", "mask_segmentation", "background_inpainting")
SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)  # of the frames, free or not: between those evidence changes
BESIDE, ALONG = 2, 3.0  # pixels of 256: how far on both sides of such a line, and the sigma along it


def make(folder: Path, names: list[str]) -> None:
    """Everything up to the background; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump({
        "threads": "auto",
        "samples": {name: {"person": name, "motions": held_out.MOTIONS, "seed": i, "seconds": SECONDS, "size": SIZE,
                           "world": "hard"} for i, name in enumerate(names)},
        "videos": {name: {"file": f"artifacts/samples/{name}.mp4", "preset": "demo"} for name in names},
        "subjects": {name: {"preset": "demo", "consent": "synthetic"} for name in names}, "transfers": {},
        "presets": yaml.safe_load((held_out.ROOT / "params.yaml").read_text())["presets"],
    }, sort_keys=False))
    for name in names:
        for one in STAGES:
            held_out.make(folder, one, name)


def figures(folder: Path, name: str) -> list[Figure]:
    artifacts = folder / layout.ROOT / name
    timeline, camera = read_clock(artifacts / "frames.parquet"), read_view(artifacts / "view.parquet")
    crop, size, usable = timeline.about["crop"], timeline.about["size"], timeline.usable()
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, min(SAMPLE, len(usable))).round().astype(int))]
    shown, alphas, _ = collect(artifacts / "frames.mkv", artifacts / "masks.mkv", chosen,
                              timeline.about["full_frames"])
    dilate = yaml.safe_load((folder / "params.yaml").read_text())["presets"]["demo"]["background_inpainting"]["dilate"]
    free = np.stack([clearance(alpha >= COVERED, camera.visible(frame, crop, size), dilate * size) > 0
                     for frame, alpha in zip(chosen, alphas)])
    plain, _ = uncovered_median(shown, ~free)

    room = png.read(folder / layout.outputs("samples", name)["plate"])
    true, found = footage.crop_square(room, crop, size), png.read(artifacts / "background.png")
    seen = free.any(0) & footage.crop_square(np.full_like(room, 255), crop, size).all(-1)
    steps, median_steps = (seam(picture.astype(np.float32) - true, free.mean(0), seen) for picture in (found, plain))
    lpips = held_out.perceived(metric_networks.lpips_network(), found, true)
    return [
        Figure(f"{name}: PSNR of the pixels seen", image_quality.psnr(found[seen], true[seen]), 40, "dB",
               remark=f"{seen.mean():.1%} seen; the plain median {image_quality.psnr(plain[seen], true[seen]):.4g}"),
        Figure(f"{name}: largest step along old silhouettes, of 255", steps.max(), 2, "", True,
               f"99 % below {np.percentile(steps, 99):.2g}; the plain median {median_steps.max():.3g}"),
        Figure(f"{name}: LPIPS (AlexNet) to the true background", lpips, 0.01, "", True),
    ]


def seam(error: np.ndarray, share: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Steps of the error (H, W, 3) across the lines where the share of free frames (H, W) passes one of SHARES: the
    difference between its means on both sides, around every pixel beside the line; their absolute values (n,)."""
    unit, steps = len(error) / 256, []
    side = 2 * max(1, round(BESIDE * unit)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    around = lambda part: cv2.GaussianBlur(part.astype(np.float32), (0, 0), ALONG * unit)
    for level in SHARES:
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
        folder = (given.keep or Path(temporary)).resolve()
        make(folder, names)
        return verdict([figure for name in names for figure in figures(folder, name)])


if __name__ == "__main__":
    sys.exit(main())
