"""Comparison of the background's inpainters with the truth: python -m tests.benchmarks.inpainting

In each of several rendered rooms that were not used during development, a waving person hides a part of the background,
which is inpainted with the parameters of the demo preset. Prints PSNR and SSIM inside the holes as a Markdown table,
and exits with 1 if the demo's inpainter does not have the highest PSNR. The inpainter with gated convolutions takes one
to two minutes per room on two cores.

--rooms N        number of rooms (6)
--first N        number of the first rendered person (401)
--pictures DIR   writes truth, hole and all results there
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

from stages import background_inpainting, params, samples
from stages.imaging import image_quality
from stages.matting.background import clearance
from stages.media import png
from stages.samples import people, scene

ROOT = Path(__file__).parents[2]
FIRST, SIZE, FRAME = 401, 256, 10
INPAINTERS = ("telea", "navier_stokes", "fsr", "gated")


def room(number: int, block: params.BackgroundInpainting) -> tuple[np.ndarray, np.ndarray]:
    """The true background plate (S, S, 3), and the pixels that a person hides, (S, S) bool."""
    name = f"stranger_{number}"
    plate = np.rint(255 * scene.plate(people.person(name).room, SIZE)).astype(np.uint8)
    *_, (_, alpha, *_) = samples.frames(name, ("wave",), number, (FRAME + 1) / 25, SIZE)
    return plate, clearance(alpha >= background_inpainting.COVERED, np.ones_like(alpha, bool), block.dilate * SIZE) == 0


def scores(filled: np.ndarray, plate: np.ndarray, hole: np.ndarray) -> tuple[float, float]:
    """PSNR of the hole's pixels in dB, and the mean of the SSIM map over them."""
    _, similarity = structural_similarity(filled, plate, channel_axis=2, data_range=255, gaussian_weights=True,
                                          sigma=1.5, use_sample_covariance=False, full=True)
    return image_quality.psnr(filled[hole], plate[hole]), float(similarity[hole].mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=6)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    block = params.load(ROOT / "params.yaml").presets["demo"].background_inpainting
    rows = {name: [] for name in INPAINTERS}
    for number in range(given.first, given.first + given.rooms):
        plate, hole = room(number, block)
        empty = np.where(hole[..., None], 0, plate).astype(np.uint8)
        sheet = [plate, empty]
        for name, row in rows.items():
            started = time.perf_counter()
            chosen = block.model_copy(update={"inpainter": name, "large_share": 0.0, "large_depth": 0.0})
            sheet.append(background_inpainting.fill(empty, ~hole, np.ones_like(hole), chosen)[0])
            row.append((*scores(sheet[-1], plate, hole), time.perf_counter() - started))
        print(f"stranger_{number}: {hole.mean():.0%} hidden; "
              + ", ".join(f"{name} {row[-1][0]:.1f} dB / {row[-1][1]:.3f}" for name, row in rows.items()), flush=True)
        if given.pictures:
            given.pictures.mkdir(parents=True, exist_ok=True)
            png.write(given.pictures / f"stranger_{number}.png", np.concatenate(sheet, 1))

    means = {name: np.mean(row, 0) for name, row in rows.items()}
    best = max(means, key=lambda name: means[name][0])
    print("\n| inpainter | PSNR | SSIM | seconds | best in |\n|---|---|---|---|---|")
    leaders = [max(INPAINTERS, key=lambda name: rows[name][i][0]) for i in range(given.rooms)]
    for name, (psnr, ssim, seconds) in means.items():
        mark = " (demo's)" if name == block.inpainter else ""
        print(f"| {name}{mark} | {psnr:.2f} dB | {ssim:.3f} | {seconds:.1f} | {leaders.count(name)} of {given.rooms} |")
    return 0 if block.inpainter == best else 1


if __name__ == "__main__":
    sys.exit(main())
