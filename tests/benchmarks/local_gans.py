"""What the local GANs give: PSNR of face, hands and feet in held-out frames, with them and without."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from stages import layout
from stages.face.face_enhancement import FaceIndex
from stages.imaging import compositing, image_quality
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan_inference import LocalGans
from stages.media import png, video_file
from stages.media.clock import read_clock
from stages.media.seek import chosen
from stages.nets.refiner import REFINED_PARTS
from stages.pose import part_boxes
from stages.pose.skeleton import read_poses
from tests.benchmarks import held_out
from tests.benchmarks.figures import Figure

PEOPLE = ("stranger_301", "stranger_302")
LEAST = 6  # pixels, side of a part's box inside of the frame that is worth scoring


def local_gans(folder: Path, people: tuple[str, ...] = PEOPLE) -> list[Figure]:
    """Trains both stages with the demo preset in the folder, where they have not been."""
    held_out.prepare(folder, dict.fromkeys(people, "rendered"))
    for person in people:
        for stage in ("generator_training", "local_gan_training"):
            if not all((folder / path).exists() for path in layout.outputs(stage, person).values()):
                subprocess.run([sys.executable, "-m", "stages", stage, person], cwd=folder, check=True,
                               env=os.environ | {"PYTHONPATH": str(held_out.ROOT)})
    return figures([gains(folder / layout.ROOT / person) for person in people])


def figures(people: list[dict[str, np.ndarray]]) -> list[Figure]:
    """Of what `gains` found of each person."""
    rows = []
    for part in REFINED_PARTS:
        found = [person[part].mean(0) for person in people if len(person[part])]
        remark = ", ".join(f"{before:.2f} -> {after:.2f}" for before, after in found)
        gain = np.mean([after - before for before, after in found]) if found else None
        what, goal = f"local GANs on - off: {part.replace('_', ' ')}, PSNR", 0.5 if part == "face" else 0
        rows.append(Figure(what, gain, goal, "dB", remark=remark or "seen in no held-out frame"))
    return rows


def gains(artifacts: Path) -> dict[str, np.ndarray]:
    """For every part the PSNR (frames, 2) in its box of the composite of Eq. 12 without and with the local GANs,
    against the true held-out frames."""
    pose, _, _ = read_poses(artifacts / "poses.parquet")
    rows = np.flatnonzero(np.array(read_clock(artifacts / "frames.parquet").split) == "test")
    plate, index = png.read(artifacts / "background.png"), FaceIndex.read(artifacts / "faces.parquet")
    where = torch.device("cpu")
    generator, local = GeneratorInference(artifacts / "generator", where), LocalGans(artifacts / "local_gans", where)
    truths = chosen(video_file.frames(artifacts / "frames.mkv"), rows, artifacts / "frames.mkv")
    found = {part: [] for part in REFINED_PARTS}
    for indices, generated in generator.foregrounds(pose[rows], 8):
        polished = local.polish(generated, pose[rows[indices]], index)
        for i, before, after in zip(rows[indices], generated, polished):
            pair, truth = [_composite(foreground, plate) for foreground in (before, after)], next(truths)
            for part, box in zip(REFINED_PARTS, part_boxes.part_boxes(pose[i], len(plate))):
                if np.isfinite(box).all():
                    left, top, right, bottom = np.clip(np.rint(box), 0, len(plate)).astype(int)
                    if min(right - left, bottom - top) >= LEAST:
                        seen = np.s_[top:bottom, left:right]
                        found[part].append([image_quality.psnr(picture[seen], truth[seen]) for picture in pair])
    return {part: np.array(values) for part, values in found.items()}


def _composite(foreground: torch.Tensor, plate: np.ndarray) -> np.ndarray:
    return compositing.compose(compositing.straight(foreground.permute(1, 2, 0).numpy()), plate)


if __name__ == "__main__":
    for figure in figures([gains(Path(path)) for path in sys.argv[1:]]):
        print(figure.row())
