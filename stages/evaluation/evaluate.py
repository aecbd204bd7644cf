"""A transfer's evaluation: any frames, by whoever made them, against what the transfer should show."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from stages.evaluation.delivered_video import Delivered
from stages.evaluation.metric_names import ALIGNED, HEADLINE, PERSON, SHARPNESS, WHOLE
from stages.evaluation.metric_suite import flow_model, metric_suite
from stages.evaluation.references import fingerprint, references
from stages.evaluation.scoring import NO_TRUTH, Scores, score
from stages.media import artifact_metadata
from stages.media.files import atomic_write
from stages.media.pose_table import read_poses
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer

TOLD = (f"lpips_{PERSON}", SHARPNESS, ALIGNED, "tcm", *WHOLE)


def evaluate(generated: Iterable[np.ndarray], measured: dict[str, Path], metrics: Path, per_frame: Path,
             params: "Metrics", entry: "Transfer", key: str, name: str, remedy: str,
             notes: dict | None = None, delivered: Iterable[Delivered] | None = None) -> Scores:
    """Scores frames (S, S, 3) uint8 of a transfer and writes both files.

    measured: what `references` reads, by layout's names; name and remedy: of the frames, for errors;
    notes: what to keep with the scores; delivered: what the transfer's video shows of the frames."""
    columns, about = read_poses(measured["driving"])[1:]
    flow, judges = flow_model(params), metric_suite(params, entry, measured)
    with Progress(generated, "metrics", len(columns["frame"]), unit="frame") as frames:
        scores = score(frames, references(**measured, entry=entry), about["fps"], flow, judges, name, remedy, delivered)
    content = {
        "transfer": key, "kind": "reconstruction" if entry.reconstruction else "imitation",
        "frames": len(scores.per_frame), "size": scores.size, "fps": about["fps"],
        "truth": "held-out frames" if entry.reconstruction else entry.truth,
        "against": fingerprint(measured, entry),
        "fid_reference": "true frames" if scores.paired else "training frames",
        "headline": [*HEADLINE, *WHOLE], "flow": flow.name, "pairs": scores.pairs, "static_pairs": scores.static_pairs,
        "metrics": {title: asdict(found) for title, found in scores.metrics.items()},
        **(notes or {}), **artifact_metadata.current(),
    }
    with atomic_write(per_frame) as temporary:
        pq.write_table(scores.per_frame, temporary)
    with atomic_write(metrics) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    values = {title: scores.metrics[title].value for title in TOLD}
    line = ", ".join(f"{title} {value:.3f}" for title, value in values.items() if value is not None)
    print(f"metrics: {len(scores.per_frame)} frames of {key}: {line}{'' if scores.paired else '; ' + NO_TRUTH}")
    return scores
