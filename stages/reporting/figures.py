"""What each stage left behind, as pictures to look at: in the report, and in the studio as it goes by.

`paths`: of the artifacts of a transfer by the names of layout.INPUTS["report"], and `frames`, `clock` and `poses` of
the person who is looked at. Each function gives what a picture shows, and the picture, RGB; the first tells most.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.face.face_index import FaceIndex
from stages.imaging import compositing, contact_sheets
from stages.media import png, video_file
from stages.media.clock import read_clock
from stages.media.pose_table import read_poses
from stages.media.seek import SeekableVideo
from stages.pose import skeleton
from stages.reporting.face_map import large, real_face
from stages.reporting.report_inputs import spread

GROWTH = 4   # previews of the training that are shown
ALONE = 352  # pixels of a picture that stands alone

Paths = dict[str, Path]
Exhibits = Iterator[tuple[str, np.ndarray]]  # what it shows, picture


def exhibits(stage: str, paths: Paths, count: int) -> Exhibits:
    """Of a stage by its name; none of one that leaves nothing to see. count: columns of a contact sheet."""
    if stage in EXHIBITS:
        yield from EXHIBITS[stage](paths, count)


def frames(paths: Paths, count: int) -> Exhibits:
    yield "frames", contact_sheets.sheet([_frames(paths["frames"], _picks(paths, count))])


def poses(paths: Paths, count: int) -> Exhibits:
    picks, pose = _picks(paths, count), read_poses(paths["poses"])[0]
    yield "poses found in frames", contact_sheets.sheet([
        [contact_sheets.with_skeleton(frame, pose[i]) for frame, i in zip(_frames(paths["frames"], picks), picks)]])


def masks(paths: Paths, count: int) -> Exhibits:
    picks = _picks(paths, count)
    alpha = video_file.pick(paths["masks"], picks, "gray")
    yield "what the masks keep", contact_sheets.sheet([
        [contact_sheets.cut_out(frame, alpha[i]) for frame, i in zip(_frames(paths["frames"], picks), picks)]])


def background(paths: Paths, count: int) -> Exhibits:
    plate, seen = png.read(paths["background"]), png.read(paths["seen"])[..., 0]
    marked = contact_sheets.never_seen(plate, seen)
    yield "the empty background; in red what was never seen, and is filled in", contact_sheets.sheet([[plate, marked]], ALONE)


def faces(paths: Paths, count: int) -> Exhibits:
    index = FaceIndex.read(paths["faces"])
    if len(index):
        shown = spread(np.arange(len(index)), count)
        yield "training faces with their orientation vectors (Fig. 3)", contact_sheets.sheet([
            [large(*real_face(index, i), side=176) for i in shown]])


def generator(paths: Paths, count: int) -> Exhibits:
    previews = sorted(paths["generator"].glob("preview_*.png"))
    for path in previews[-1:]:
        yield f"after {_steps(path)} steps: skeleton, generated and true foreground", png.read(path)
    if len(previews) > 1:
        shown = [previews[i] for i in spread(np.arange(len(previews)), GROWTH)]
        rows = [np.array_split(png.read(path), 3)[1] for path in shown]  # of three: see generator_training
        steps = ", ".join(str(_steps(path)) for path in shown)
        yield f"the generated foreground after {steps} steps, from top to bottom", np.vstack(rows)


def local_gans(paths: Paths, count: int) -> Exhibits:
    for path in sorted(paths["local_gans"].glob("preview*.png")):
        yield "face, hands and feet before, after and as they are", png.read(path)


def driving(paths: Paths, count: int) -> Exhibits:
    pose, columns, _ = read_poses(paths["driving"])
    picks = spread(np.arange(len(pose)), count)
    rows, found = columns["frame"][picks], read_poses(paths["source_poses"])[0]
    source = _frames(paths["source_frames"], rows)
    size = read_clock(paths["target_clock"]).about["size"]
    room = paths["background"]  # which the studio does not have yet
    plate = png.read(room) if room.exists() else np.zeros((size, size, 3), np.uint8)
    yield "the source's poses, and where the target is to take them", contact_sheets.sheet([
        [contact_sheets.with_skeleton(frame, found[row]) for frame, row in zip(source, rows)],
        [contact_sheets.with_skeleton(plate, pose[i]) for i in picks],
    ])


def farthest(paths: Paths, count: int) -> Exhibits:
    shown = "the poses that are farthest from all that was filmed: the source, the pose, and the target's nearest frame"
    yield shown, png.read(paths["farthest"])


def foregrounds(paths: Paths, count: int) -> Exhibits:
    plate, pose = png.read(paths["background"]), read_poses(paths["driving"])[0]
    picks = spread(np.arange(len(pose)), count)
    made = video_file.pick(paths["foreground"], picks, "rgba")
    yield "driving pose, generated foreground, and over the background (Eq. 12)", contact_sheets.sheet([
        [skeleton.draw(pose[i], len(plate), parts=skeleton.DRAWN_PARTS) for i in picks],
        [contact_sheets.cut_out(made[i][..., :3], made[i][..., 3]) for i in picks],
        [compositing.compose(made[i], plate) for i in picks],
    ])


EXHIBITS = {
    "frames": frames, "pose_extraction": poses, "mask_segmentation": masks, "background_inpainting": background,
    "face_vector_indexing": faces, "generator_training": generator, "local_gan_training": local_gans,
    "retargeting": driving, "pose_coverage": farthest, "fusion": foregrounds,
}


def _picks(paths: Paths, count: int) -> np.ndarray:
    return spread(read_clock(paths["clock"]).frame, count)


def _frames(path: Path, picks: np.ndarray) -> list[np.ndarray]:
    with SeekableVideo(path) as frames:
        return [frames[int(i)] for i in picks]


def _steps(path: Path) -> int:
    return int(path.stem.removeprefix("preview_"))
