"""Effect of the local GANs: LPIPS (AlexNet) and PSNR of face, hands and feet in held-out frames, with and without
them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from stages import layout, pretrained
from stages.evaluation import image_similarity
from stages.evaluation.perceptual_distance import PerceptualDistance
from stages.face.face_index import FaceIndex
from stages.imaging import compositing
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan_inference import LocalGans
from stages.media import png
from stages.media.pose_table import read_poses
from stages.media.timeline import read_timeline
from stages.nets.refiner import REFINED_PARTS
from tests.benchmarks import held_out
from tests.benchmarks.figures import Figure

PEOPLE = ("stranger_301", "stranger_302")
MEASURES = ("lpips", "psnr")


def local_gans(folder: Path, people: tuple[str, ...] = PEOPLE) -> list[Figure]:
    """Runs both trainings with the demo preset in the folder, unless their outputs exist."""
    held_out.prepare(folder, dict.fromkeys(people, "rendered"))
    for person in people:
        for stage in ("generator_training", "local_gan_training"):
            if not all((folder / path).exists() for path in layout.outputs(stage, person).values()):
                subprocess.run([sys.executable, "-m", "stages", stage, person], cwd=folder, check=True,
                               env=os.environ | {"PYTHONPATH": str(held_out.ROOT)})
    return figures([gains(folder / layout.ROOT / person) for person in people])


def figures(people: list[dict[str, np.ndarray]]) -> list[Figure]:
    """The rows of the table, from the result of `gains` for each person."""
    rows = []
    for part in REFINED_PARTS:
        found = [person[part].mean(0) for person in people if len(person[part])]
        what, unseen = f"local GANs on - off: {part.replace('_', ' ')}", "" if found else "seen in no held-out frame"
        lpips, psnr = np.transpose(found, (1, 0, 2)) if found else np.empty((2, 0, 2))  # (people, 2) each
        rows.append(Figure(f"{what}, LPIPS", _gain(lpips), None, remark=unseen or _told(lpips, 4)))
        goal = 0.5 if part == "face" else 0
        rows.append(Figure(f"{what}, PSNR", _gain(psnr), goal, "dB", remark=unseen or _told(psnr, 2)))
    return rows


def _gain(values: np.ndarray) -> float | None:
    return float((values[:, 1] - values[:, 0]).mean()) if len(values) else None


def _told(values: np.ndarray, digits: int) -> str:
    return ", ".join(f"{before:.{digits}f} -> {after:.{digits}f}" for before, after in values)


def gains(artifacts: Path) -> dict[str, np.ndarray]:
    """For each part, MEASURES (frames, 2, 2) of its box in the composite of Eq. 12, without and with the local GANs,
    compared with the true held-out frames as in the stage `metrics`. Raises pretrained.MissingWeights if the weights of
    LPIPS are missing."""
    pretrained.find(pretrained.ALEXNET)
    pose, times = read_poses(artifacts / "poses.parquet")[0], read_timeline(artifacts / "frames.parquet")
    rows = np.flatnonzero(np.array(times.split) == "test")
    plate, index = png.read(artifacts / "background.png"), FaceIndex.read(artifacts / "faces.parquet")
    where = torch.device("cpu")
    generator, local = GeneratorInference(artifacts / "generator", where), LocalGans(artifacts / "local_gans", where)
    truths = held_out.truths(artifacts, pose, times, rows)
    lpips, psnr = [PerceptualDistance(where) for _ in range(2)], []  # psnr: (frames, 2) dictionaries
    for indices, generated in generator.foregrounds(pose[rows], 8):
        refined = local.refine_parts(generated, pose[rows[indices]], index)
        for i, before, after in zip(rows[indices], generated, refined):
            truth, places = next(truths), image_similarity.region_boxes(pose[i], len(plate))
            pair = [_composite(foreground, plate) for foreground in (before, after)]
            for picture, judge in zip(pair, lpips):
                judge.add(picture, truth, places, None)
            psnr.append([image_similarity.similarity_scores(picture, truth.truth, places, truth.truth_mask) for picture in pair])
    columns, found = [judge.columns() for judge in lpips], {}
    for part in REFINED_PARTS:
        values = np.array([[column[f"lpips_{part}"] for column in columns],
                           [[pair[i].get(f"psnr_{part}", np.nan) for pair in psnr] for i in range(2)]])
        values = values.transpose(2, 0, 1)  # (frames, MEASURES, 2)
        found[part] = values[np.isfinite(values).all((1, 2))]
    return found


def _composite(foreground: torch.Tensor, plate: np.ndarray) -> np.ndarray:
    return compositing.compose(compositing.straight(foreground.permute(1, 2, 0).numpy()), plate)


if __name__ == "__main__":
    for figure in figures([gains(Path(path)) for path in sys.argv[1:]]):
        print(figure.row())
