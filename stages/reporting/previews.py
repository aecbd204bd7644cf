"""python -m stages.reporting.previews STAGE@KEY FILE: a JPEG of what a stage left behind, small enough to look at while the
others run, and on standard output what it shows. Stages that leave nothing to see (numbers, pages) get none."""

import sys
from pathlib import Path

import cv2
import numpy as np

from stages import InputError, layout, params
from stages.media.files import atomic_write
from stages.reporting.figures import EXHIBITS, exhibits

COLUMNS = 6   # pictures of a sheet, evenly spread over the video
WIDEST = 960  # pixels of the preview
QUALITY = 85


def preview(stage: str, key: str, config: params.Params) -> tuple[str, np.ndarray] | None:
    """What there is to see, and the picture, RGB (height, width, 3) uint8; None of stages that leave nothing."""
    if stage not in EXHIBITS:
        return None
    entry = config.entry(stage, key)
    if isinstance(entry, params.Transfer):
        paths = layout.inputs("report", key, entry.target, entry.source)
    else:
        paths = layout.inputs(stage, key) | layout.outputs(stage, key)
    shown, picture = next(exhibits(stage, paths, COLUMNS), (None, None))
    if shown is None:
        raise InputError("there is nothing to see")
    scale = WIDEST / picture.shape[1]
    if scale < 1:
        size = WIDEST, max(1, round(picture.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return shown, picture


def main() -> int:
    if len(sys.argv) != 3 or "@" not in sys.argv[1]:
        print("usage: python -m stages.reporting.previews STAGE@KEY FILE", file=sys.stderr)
        return 2
    stage, _, key = sys.argv[1].partition("@")
    try:
        found = preview(stage, key, params.load())
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if found:
        shown, picture = found
        print(shown)
        with atomic_write(Path(sys.argv[2])) as temporary:
            cv2.imwrite(str(temporary), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return 0


if __name__ == "__main__":
    sys.exit(main())
