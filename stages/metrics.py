"""Metrics (Section 3.2): how good the generated frames are, and whether that is more than a lookup.

The S x S composite of Eq. 12 is compared with the frames as they really are: the target's own held-out frames
(reconstruction), or `truth`, a video of the target doing the source's motion (imitation, where there is one). The
same scores of the training frame whose pose is nearest (retrieval) are what copying would reach. What a moving camera
did not see in a frame does not count. In: foreground, driving, background, frames and views. Out: metrics.json, every
score a value with its 95 % interval, or null with the reason, and per_frame.parquet.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.measures.evaluation import evaluate
from stages.media import pictures, video
from stages.vision import blend

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer


def run(*, foreground: Path, background: Path, metrics: Path, per_frame: Path, params: "Metrics", entry: "Transfer",
        key: str, **measured: Path) -> None:
    """`measured`: the other inputs by their names in layout.INPUTS, what the frames are measured against."""
    plate = pictures.read(background)
    composites = (blend.compose(rgba, plate) for rgba in video.frames(foreground, "rgba"))
    evaluate(composites, measured, metrics, per_frame, params, entry, key, str(foreground), "run fusion again")
