"""Metrics (Section 3.2): how good the generated frames are, and whether that is more than a lookup.

The S x S composite of Eq. 12 is compared with the frames as they really are: the target's own held-out frames
(reconstruction), or `truth`, a video of the target doing the source's motion (imitation, where there is one). The
same scores of the training frame whose pose is nearest (retrieval) are what copying would reach. The pictures of the
final video, label left out, are scored beside it. What a moving camera did not see in a frame does not count. In:
foreground, unsigned, driving, background, frames and views. Out: metrics.json, every score a value with its 95 %
interval, or null with the reason, and per_frame.parquet; for `dvc metrics` and `dvc plots` the values alone
(scores.json), and some of them over the frames.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from stages.evaluation.delivered_video import delivered
from stages.evaluation.evaluate import TOLD, evaluate
from stages.imaging import compositing
from stages.media import curves, png, video_file
from stages.media.files import atomic_write
from stages.media.pose_table import read_poses

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer


def run(*, foreground: Path, unsigned: Path, background: Path, metrics: Path, per_frame: Path, scores: Path, plots: Path,
        params: "Metrics", entry: "Transfer", key: str, **measured: Path) -> None:
    """`measured`: the other inputs by their names in layout.INPUTS, what the frames are measured against."""
    plate = png.read(background)
    composites = (compositing.compose(rgba, plate) for rgba in video_file.frames(foreground, "rgba"))
    rows = read_poses(measured["driving"])[1]["frame"]
    shown = delivered(unsigned, rows, measured["target_clock"], measured["target_view"], entry)
    found = evaluate(composites, measured, metrics, per_frame, params, entry, key, str(foreground), "run fusion again",
                     delivered=shown)
    values = {title: score.value for title, score in found.metrics.items() if score.value is not None}
    with atomic_write(scores) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    table = found.per_frame
    curves.write(plots, "frame", table["frame"].to_numpy(), {title: table[title].to_numpy() for title in TOLD})
