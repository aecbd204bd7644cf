"""What each stage left behind, as pictures to look at."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.media import pictures
from stages.media import video as videos
from stages.media.seek import Seekable
from stages.reporting.faces import large, real_face
from stages.reporting.inputs import Inputs, spread
from stages.vision import blend, sheets, skeleton
from stages.vision.face_enhancement import FaceIndex

GROWTH = 4   # previews of the training that are shown
ALONE = 352  # pixels of a picture that stands alone

Exhibits = Iterator[tuple[str, np.ndarray]]  # what it shows, picture


def exhibits(stage: str, inputs: Inputs, count: int) -> list[tuple[str, np.ndarray]]:
    """Of a stage by its name. count: columns of a contact sheet."""
    return list(EXHIBITS[stage](inputs, count)) if stage in EXHIBITS else []


def frames(inputs: Inputs, count: int) -> Exhibits:
    for who, name in inputs.people().items():
        yield f"frames of {name}", sheets.sheet([_frames(inputs, who, _picks(inputs, who, count))])


def poses(inputs: Inputs, count: int) -> Exhibits:
    for who, name in inputs.people().items():
        picks, pose = _picks(inputs, who, count), inputs.poses(who)[0]
        yield f"poses found in frames of {name}", sheets.sheet([
            [sheets.with_skeleton(frame, pose[i]) for frame, i in zip(_frames(inputs, who, picks), picks)]])


def masks(inputs: Inputs, count: int) -> Exhibits:
    picks = _picks(inputs, "target", count)
    alpha = videos.pick(inputs.paths["masks"], picks, "gray")
    yield "what the masks keep", sheets.sheet([
        [sheets.cut_out(frame, alpha[i]) for frame, i in zip(_frames(inputs, "target", picks), picks)]])


def background(inputs: Inputs, count: int) -> Exhibits:
    plate, seen = pictures.read(inputs.paths["background"]), pictures.read(inputs.paths["seen"])[..., 0]
    marked = sheets.never_seen(plate, seen)
    yield "the empty background; in red what was never seen, and is filled in", sheets.sheet([[plate, marked]], ALONE)


def faces(inputs: Inputs, count: int) -> Exhibits:
    index = FaceIndex.read(inputs.paths["faces"])
    if len(index):
        shown = spread(np.arange(len(index)), count)
        yield "training faces with their orientation vectors (Fig. 3)", sheets.sheet([
            [large(*real_face(index, i), side=176) for i in shown]])


def generator(inputs: Inputs, count: int) -> Exhibits:
    previews = sorted(inputs.paths["generator"].glob("preview_*.png"))
    for path in previews[-1:]:
        yield f"after {_steps(path)} steps: skeleton, generated and true foreground", pictures.read(path)
    if len(previews) > 1:
        shown = [previews[i] for i in spread(np.arange(len(previews)), GROWTH)]
        rows = [np.array_split(pictures.read(path), 3)[1] for path in shown]  # of three: see generator_training
        steps = ", ".join(str(_steps(path)) for path in shown)
        yield f"the generated foreground after {steps} steps, from top to bottom", np.vstack(rows)


def local_gans(inputs: Inputs, count: int) -> Exhibits:
    for path in sorted(inputs.paths["local_gans"].glob("preview*.png")):
        yield "face, hands and feet before, after and as they are", pictures.read(path)


def driving(inputs: Inputs, count: int) -> Exhibits:
    plate, picks = pictures.read(inputs.paths["background"]), spread(np.arange(len(inputs.rows)), count)
    rows, pose = inputs.rows[picks], inputs.poses("source")[0]
    yield f"the source's poses, and where {inputs.entry.target} is to take them", sheets.sheet([
        [sheets.with_skeleton(frame, pose[row]) for frame, row in zip(_frames(inputs, "source", rows), rows)],
        [sheets.with_skeleton(plate, inputs.driving[i]) for i in picks],
    ])


def farthest(inputs: Inputs, count: int) -> Exhibits:
    yield (f"the poses that are farthest from all that was filmed: {inputs.entry.source}, the pose, and the nearest frame "
           f"of {inputs.entry.target}"), pictures.read(inputs.paths["farthest"])


def foregrounds(inputs: Inputs, count: int) -> Exhibits:
    plate, picks = pictures.read(inputs.paths["background"]), spread(np.arange(len(inputs.rows)), count)
    made = videos.pick(inputs.paths["foreground"], picks, "rgba")
    yield "driving pose, generated foreground, and over the background (Eq. 12)", sheets.sheet([
        [skeleton.draw(inputs.driving[i], len(plate), parts=skeleton.PARTS) for i in picks],
        [sheets.cut_out(made[i][..., :3], made[i][..., 3]) for i in picks],
        [blend.compose(made[i], plate) for i in picks],
    ])


EXHIBITS = {
    "frames": frames, "pose_extraction": poses, "mask_segmentation": masks, "background_inpainting": background,
    "face_vector_indexing": faces, "generator_training": generator, "local_gan_training": local_gans,
    "retargeting": driving, "pose_coverage": farthest, "fusion": foregrounds,
}


def _picks(inputs: Inputs, who: str, count: int) -> np.ndarray:
    return spread(inputs.learned if who == "target" else inputs.rows, count)


def _frames(inputs: Inputs, who: str, picks: np.ndarray) -> list[np.ndarray]:
    with Seekable(inputs.paths[f"{who}_frames"]) as frames:
        return [frames[int(i)] for i in picks]


def _steps(path: Path) -> int:
    return int(path.stem.removeprefix("preview_"))
