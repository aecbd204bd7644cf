"""Figures of the stages: contact sheets of what each stage wrote, for the report and for the studio's previews.

`paths` are the artifacts of a transfer by the names of layout.INPUTS["report"], and `frames`, `timeline` and `poses` of
the video that is shown. Each function yields captions and pictures, RGB uint8; the first is the most informative.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.face.face_index import FaceIndex
from stages.imaging import compositing, contact_sheets
from stages.media import png, video_file
from stages.media.pose_table import read_poses
from stages.media.sampling import evenly_spaced
from stages.media.seek import SeekableVideo
from stages.media.timeline import read_timeline
from stages.pose import skeleton
from stages.reporting.face_map import face_tile, real_face

MAX_PREVIEWS = 4   # of the training
SINGLE_SIDE = 352  # pixels of a picture that is not part of a larger sheet

Paths = dict[str, Path]
Figures = Iterator[tuple[str, np.ndarray]]  # caption, picture


def stage_figures(stage: str, paths: Paths, count: int) -> Figures:
    """The figures of a stage; none for stages that write nothing visible. count: columns of a contact sheet."""
    if stage in FIGURES:
        yield from FIGURES[stage](paths, count)


def frames(paths: Paths, count: int) -> Figures:
    yield "frames", contact_sheets.sheet([_read_frames(paths["frames"], _sample(paths, count))])


def poses(paths: Paths, count: int) -> Figures:
    rows, pose = _sample(paths, count), read_poses(paths["poses"])[0]
    yield "poses found in frames", contact_sheets.sheet([
        [contact_sheets.with_skeleton(frame, pose[i]) for frame, i in zip(_read_frames(paths["frames"], rows), rows)]])


def masks(paths: Paths, count: int) -> Figures:
    rows = _sample(paths, count)
    alpha = video_file.pick(paths["masks"], rows, "gray")
    yield "person cut out by the masks", contact_sheets.sheet([
        [contact_sheets.cut_out(frame, alpha[i]) for frame, i in zip(_read_frames(paths["frames"], rows), rows)]])


def background(paths: Paths, count: int) -> Figures:
    plate, seen = png.read(paths["background"]), png.read(paths["seen"])[..., 0]
    marked = contact_sheets.with_inpainted_marked(plate, seen)
    yield "the empty background; red: never seen, inpainted", contact_sheets.sheet([[plate, marked]], SINGLE_SIDE)


def faces(paths: Paths, count: int) -> Figures:
    index = FaceIndex.read(paths["faces"])
    if len(index):
        rows = evenly_spaced(np.arange(len(index)), count)
        yield "training faces with their orientation vectors (Fig. 3)", contact_sheets.sheet([
            [face_tile(*real_face(index, i), side=176) for i in rows]])


def generator(paths: Paths, count: int) -> Figures:
    previews = sorted(paths["generator"].glob("preview_*.png"))
    for path in previews[-1:]:
        yield f"after {_steps(path)} steps: skeleton, generated and true foreground", png.read(path)
    if len(previews) > 1:
        shown = [previews[i] for i in evenly_spaced(np.arange(len(previews)), MAX_PREVIEWS)]
        rows = [np.array_split(png.read(path), 3)[1] for path in shown]  # the middle of three: see generator_training
        steps = ", ".join(str(_steps(path)) for path in shown)
        yield f"the generated foreground after {steps} steps, from top to bottom", np.vstack(rows)
    if (atlas := paths["generator"] / "atlas.png").exists():
        yield ("the textures of the limb atlas: trunk, head and face; right arm and leg; left arm and leg",
               png.read(atlas))
        yield "true foreground, and the limbs whose textures are seen", png.read(paths["generator"] / "charts.png")


def local_gans(paths: Paths, count: int) -> Figures:
    for path in sorted(paths["local_gans"].glob("preview*.png")):
        yield "face, hands and feet: generated, refined and true", png.read(path)


def driving(paths: Paths, count: int) -> Figures:
    pose, columns, _ = read_poses(paths["driving"])
    sample = evenly_spaced(np.arange(len(pose)), count)
    rows, source_pose = columns["frame"][sample], read_poses(paths["source_poses"])[0]
    source = _read_frames(paths["source_frames"], rows)
    size = read_timeline(paths["target_timeline"]).about["size"]
    background = paths["background"]  # may not exist yet when the studio shows this stage
    plate = png.read(background) if background.exists() else np.zeros((size, size, 3), np.uint8)
    yield "the source's poses, and the driving poses for the target", contact_sheets.sheet([
        [contact_sheets.with_skeleton(frame, source_pose[row]) for frame, row in zip(source, rows)],
        [contact_sheets.with_skeleton(plate, pose[i]) for i in sample],
    ])


def farthest(paths: Paths, count: int) -> Figures:
    caption = "the driving poses farthest from all training poses: source, driving pose, and the nearest training frame"
    yield caption, png.read(paths["farthest"])


def foregrounds(paths: Paths, count: int) -> Figures:
    plate, pose = png.read(paths["background"]), read_poses(paths["driving"])[0]
    rows = evenly_spaced(np.arange(len(pose)), count)
    generated = video_file.pick(paths["foreground"], rows, "rgba")
    yield "driving pose, generated foreground, and composite (Eq. 12)", contact_sheets.sheet([
        [skeleton.draw(pose[i], len(plate), parts=skeleton.DRAWN_PARTS) for i in rows],
        [contact_sheets.cut_out(generated[i][..., :3], generated[i][..., 3]) for i in rows],
        [compositing.compose(generated[i], plate) for i in rows],
    ])


FIGURES = {
    "frames": frames, "pose_extraction": poses, "mask_segmentation": masks, "background_inpainting": background,
    "face_vector_indexing": faces, "generator_training": generator, "local_gan_training": local_gans,
    "retargeting": driving, "pose_coverage": farthest, "fusion": foregrounds,
}


def _sample(paths: Paths, count: int) -> np.ndarray:
    """Frames of the video, evenly spaced."""
    return evenly_spaced(read_timeline(paths["timeline"]).frame, count)


def _read_frames(path: Path, rows: np.ndarray) -> list[np.ndarray]:
    with SeekableVideo(path) as frames:
        return [frames[int(i)] for i in rows]


def _steps(path: Path) -> int:
    return int(path.stem.removeprefix("preview_"))
