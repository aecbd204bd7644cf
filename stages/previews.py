"""python -m stages.previews STAGE@KEY FILE: a JPEG of what a stage left behind, small enough to look at while the
others run. Stages that leave nothing to see (numbers, pages) get none."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from stages import InputError, layout, params
from stages.media import clock as clocks
from stages.media import pictures, video
from stages.media.files import replacing
from stages.media.seek import Seekable
from stages.vision import sheets, skeleton
from stages.vision.face_enhancement import FaceIndex
from stages.vision.skeleton import read_poses

COLUMNS = 6   # pictures of a sheet, evenly spread over the video
WIDEST = 960  # pixels of the preview
QUALITY = 85

Made = dict[str, Path]  # a stage's inputs and outputs, by argument name


def preview(stage: str, key: str, config: params.Params) -> np.ndarray | None:
    """RGB (height, width, 3) uint8, or None where there is nothing to see."""
    if stage not in SHOWN:
        return None
    entry = config.entry(stage, key)
    ends = {"target": entry.target, "source": entry.source} if isinstance(entry, params.Transfer) else {}
    picture = SHOWN[stage](layout.inputs(stage, key, **ends) | layout.outputs(stage, key))
    scale = WIDEST / picture.shape[1]
    if scale >= 1:
        return picture
    return cv2.resize(picture, (WIDEST, max(1, round(picture.shape[0] * scale))), interpolation=cv2.INTER_AREA)


def spread(count: int) -> list[int]:
    """At most COLUMNS of `count` numbers from 0 on."""
    if not count:
        raise InputError("no frame to show")
    return sorted(set(np.linspace(0, count - 1, COLUMNS).round().astype(int).tolist()))


def _picked(path: Path, picks: list[int]) -> list[np.ndarray]:
    with Seekable(path) as frames:
        return [frames[i] for i in picks]


def _frames(made: Made) -> np.ndarray:
    picks = spread(len(clocks.read_clock(made["clock"]).frame))
    return sheets.sheet([_picked(made["frames"], picks)])


def _poses(made: Made) -> np.ndarray:
    pose, _, _ = read_poses(made["poses"])
    picks = spread(len(pose))
    frames = _picked(made["frames"], picks)
    return sheets.sheet([[sheets.with_skeleton(frame, pose[i]) for frame, i in zip(frames, picks)]])


def _masks(made: Made) -> np.ndarray:
    picks = spread(len(clocks.read_clock(made["clock"]).frame))
    frames, masks = _picked(made["frames"], picks), _picked(made["masks"], picks)
    return sheets.sheet([[sheets.cut_out(frame, mask[..., 0]) for frame, mask in zip(frames, masks)]])


def _background(made: Made) -> np.ndarray:
    """Beside it, in red, what was never seen."""
    plate = pictures.read(made["background"])
    seen = cv2.imread(str(made["seen"]), cv2.IMREAD_GRAYSCALE)
    return sheets.sheet([[plate, sheets.never_seen(plate, seen)]], side=320)


def _faces(made: Made) -> np.ndarray:
    index = FaceIndex.read(made["faces"])
    if not len(index):
        raise InputError("no training frame shows the face")
    return sheets.sheet([[index.picture(i) for i in spread(len(index))]])


def _last(folder: str) -> Callable[[Made], np.ndarray]:
    """The last picture that a training left in its folder."""

    def show(made: Made) -> np.ndarray:
        files = sorted(made[folder].glob("preview*.png"))
        if not files:
            raise InputError(f"{made[folder]}: no preview in it")
        return pictures.read(files[-1])

    return show


def _driving(made: Made) -> np.ndarray:
    pose, _, _ = read_poses(made["driving"])
    size = clocks.read_clock(made["target_clock"]).about["size"]
    return sheets.sheet([[skeleton.draw(pose[i], size, parts=skeleton.PARTS) for i in spread(len(pose))]])


def _foreground(made: Made) -> np.ndarray:
    picks = spread(len(read_poses(made["driving"])[0]))
    found = video.pick(made["foreground"], picks, "rgba")
    return sheets.sheet([[sheets.cut_out(found[i][..., :3], found[i][..., 3]) for i in picks]])


SHOWN: dict[str, Callable[[Made], np.ndarray]] = {
    "frames": _frames, "pose_extraction": _poses, "mask_segmentation": _masks, "background_inpainting": _background,
    "face_vector_indexing": _faces, "generator_training": _last("generator"),
    "local_gan_training": _last("local_gans"), "retargeting": _driving, "fusion": _foreground,
}


def main() -> int:
    if len(sys.argv) != 3 or "@" not in sys.argv[1]:
        print("usage: python -m stages.previews STAGE@KEY FILE", file=sys.stderr)
        return 2
    stage, _, key = sys.argv[1].partition("@")
    try:
        picture = preview(stage, key, params.load())
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if picture is not None:
        with replacing(Path(sys.argv[2])) as temporary:
            cv2.imwrite(str(temporary), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return 0


if __name__ == "__main__":
    sys.exit(main())
