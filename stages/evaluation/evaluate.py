"""Evaluation of a transfer: scores generated frames, of FakeMotion or of another system, and writes metrics.json and
per_frame.parquet."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from stages.evaluation.delivered_video import DeliveredFrame
from stages.evaluation.metric_names import HEADLINE_SCORES, SUMMARY_SCORES, WHOLE_FRAME
from stages.evaluation.metric_suite import build_flow, build_metric_suite
from stages.evaluation.references import fingerprint, references
from stages.evaluation.scoring import NO_TRUTH, Scores, score
from stages.media import artifact_metadata
from stages.media.files import atomic_write
from stages.media.pose_table import read_poses
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer


def evaluate(generated: Iterable[np.ndarray], measured: dict[str, Path], metrics: Path, per_frame: Path,
             params: "Metrics", entry: "Transfer", key: str, name: str, remedy: str,
             notes: dict | None = None, delivered: Iterable[DeliveredFrame] | None = None) -> Scores:
    """Scores the generated frames (S, S, 3) uint8 of a transfer and writes the files `metrics` and `per_frame`.

    measured: the arguments of `references` without `entry`. key: of the transfer. name: of the frames, for error
    messages; remedy: what the user can do if they do not match the transfer. notes: entries to add to metrics.json.
    delivered: the same frames in the final video, if there is one."""
    columns, about = read_poses(measured["driving"])[1:]
    flow, scorers = build_flow(params), build_metric_suite(params, entry, measured)
    with Progress(generated, "metrics", len(columns["frame"]), unit="frame") as frames:
        scores = score(frames, references(**measured, entry=entry), about["fps"], flow, scorers, name, remedy,
                       delivered)
    content = {
        "transfer": key, "kind": "reconstruction" if entry.reconstruction else "imitation",
        "frames": len(scores.per_frame), "size": scores.size, "fps": about["fps"],
        "truth": "held-out frames" if entry.reconstruction else entry.truth,
        "against": fingerprint(measured, entry),
        "fid_reference": "true frames" if scores.paired else "training frames",
        "headline": [*HEADLINE_SCORES, *WHOLE_FRAME], "flow": flow.name,
        "pairs": scores.pairs, "static_pairs": scores.static_pairs,
        "metrics": {title: asdict(found) for title, found in scores.metrics.items()},
        **(notes or {}), **artifact_metadata.current(),
    }
    with atomic_write(per_frame) as temporary:
        pq.write_table(scores.per_frame, temporary)
    with atomic_write(metrics) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    values = {title: scores.metrics[title].value for title in SUMMARY_SCORES}
    line = ", ".join(f"{title} {value:.3f}" for title, value in values.items() if value is not None)
    print(f"metrics: {len(scores.per_frame)} frames of {key}: {line}{'' if scores.paired else '; ' + NO_TRUTH}")
    return scores
