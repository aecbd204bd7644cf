"""`python -m stages.reporting.previews STAGE@KEY FILE` writes a small JPEG of a stage's outputs, for the studio, and
prints its caption. Stages without visible outputs (numbers, pages) have no preview."""

import sys
from pathlib import Path

import cv2
import numpy as np

from stages import InputError, layout, params
from stages.media.files import atomic_write
from stages.reporting.figures import FIGURES, stage_figures

COLUMNS = 6      # of a contact sheet
MAX_WIDTH = 960  # pixels of the preview
QUALITY = 85     # of the JPEG


def preview(stage: str, key: str, config: params.Params) -> tuple[str, np.ndarray] | None:
    """Caption and picture RGB (height, width, 3) uint8; None for stages without figures. InputError if there is nothing
    to show."""
    if stage not in FIGURES:
        return None
    entry = config.entry(stage, key)
    if isinstance(entry, params.Transfer):
        paths = layout.inputs("report", key, entry.target, entry.source)
    else:
        paths = layout.inputs(stage, key) | layout.outputs(stage, key)
    caption, picture = next(stage_figures(stage, paths, COLUMNS), (None, None))
    if caption is None:
        raise InputError("there is nothing to show")
    scale = MAX_WIDTH / picture.shape[1]
    if scale < 1:
        size = MAX_WIDTH, max(1, round(picture.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return caption, picture


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
        caption, picture = found
        print(caption)
        with atomic_write(Path(sys.argv[2])) as temporary:
            cv2.imwrite(str(temporary), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return 0


if __name__ == "__main__":
    sys.exit(main())
