"""Metrics (paper section 3.2): compares the generated frames with the true ones, and with a copying baseline.

The S x S composite of Eq. 12 is compared with the target's own held-out frames (reconstruction) or with `truth`, a
video of the target doing the source's motion (imitation, if there is one). The training frame with the nearest pose
(retrieval) is scored in the same way, as a baseline: this is what copying frames would reach. The frames of the final
video are scored as well, without the label. Pixels outside the view of a moving camera are not scored.

Input: foreground, unsigned, driving, background, frames and views. Output: metrics.json, with each score and its 95 %
interval, or null and the reason; per_frame.parquet; scores.json, the values alone, for `dvc metrics`; and curves of
some scores over the frames, for `dvc plots`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from stages.evaluation.delivered_video import delivered_frames
from stages.evaluation.evaluate import evaluate
from stages.evaluation.metric_names import SUMMARY_SCORES
from stages.imaging import compositing
from stages.media import curves, png, video_file
from stages.media.files import atomic_write
from stages.media.pose_table import read_poses

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer


def run(*, foreground: Path, unsigned: Path, background: Path, metrics: Path, per_frame: Path, scores: Path,
        plots: Path, params: "Metrics", entry: "Transfer", key: str, **measured: Path) -> None:
    """measured: the other inputs by their names in layout.INPUTS, the arguments of
    `evaluation.references.references`."""
    plate = png.read(background)
    composites = (compositing.compose(rgba, plate) for rgba in video_file.frames(foreground, "rgba"))
    rows = read_poses(measured["driving"])[1]["frame"]
    delivered = delivered_frames(unsigned, rows, measured["target_timeline"], measured["target_view"], entry)
    found = evaluate(composites, measured, metrics, per_frame, params, entry, key, str(foreground), "run fusion again",
                     delivered=delivered)
    values = {title: score.value for title, score in found.metrics.items() if score.value is not None}
    with atomic_write(scores) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    table = found.per_frame
    summary = {title: table[title].to_numpy() for title in SUMMARY_SCORES}
    curves.write(plots, "frame", table["frame"].to_numpy(), summary)
