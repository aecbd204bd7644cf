"""The artifacts of one transfer: the common input of all parts of the report."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.media import parquet
from stages.media.files import existing
from stages.media.pose_table import read_poses
from stages.media.timeline import Timeline, read_timeline
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.params import Transfer


@dataclass(frozen=True)
class ReportInputs:
    """Files are read when they are first needed. A transfer has T frames; `role` is `target` or `source`."""

    paths: dict[str, Path]  # by their names in layout.INPUTS["report"]
    entry: "Transfer"
    key: str

    @cached_property
    def driving(self) -> Pose:
        """The driving poses, T frames."""
        return self._driving[0]

    @cached_property
    def source_frames(self) -> np.ndarray:
        """(T,) index of the source's frame that drives each frame."""
        return self._driving[1]["frame"]

    @cached_property
    def about(self) -> dict:
        """Metadata of the driving poses: fps, scale, outside, ..."""
        return self._driving[2]

    @cached_property
    def _driving(self) -> tuple[Pose, dict, dict]:
        return read_poses(self.paths["driving"])

    @cached_property
    def training_frames(self) -> np.ndarray:
        """(N,) indices of the target's frames that the networks were trained on."""
        return self.timeline("target").usable()

    @cached_property
    def training_poses(self) -> Pose:
        """The target's poses in its training frames, N frames."""
        return self.poses("target")[0][self.training_frames]

    @cached_property
    def pose_distance(self) -> np.ndarray:
        """(T,) distance of each driving pose to the nearest training pose, in torso lengths; NaN if none can be
        compared."""
        return self._coverage[0]["distance"]

    @cached_property
    def per_frame(self) -> pa.Table:
        """The scores of each frame, T rows."""
        return pq.read_table(existing(self.paths["per_frame"], "scores; run the stage metrics"))

    @cached_property
    def retrieval_frames(self) -> list[int | None]:
        """For each of the T frames the target's training frame whose pose is nearest; None if none can be compared."""
        return self.per_frame["retrieval_frame"].to_pylist()

    @property
    def covered_distance(self) -> float:
        """Up to which pose distance, in torso lengths, a pose counts as covered by training poses."""
        return self._coverage[1]["near"]

    @property
    def covered_share(self) -> float:
        """The share of driving poses that are covered."""
        return self._coverage[1]["share"]

    @cached_property
    def _coverage(self) -> tuple[dict, dict]:
        return parquet.read(self.paths["coverage"], parquet.COVERAGE)

    def poses(self, role: str) -> tuple[Pose, dict, dict]:
        """Poses, other columns and metadata of a video."""
        return read_poses(self.paths[f"{role}_poses"])

    def timeline(self, role: str) -> Timeline:
        """The timeline of a video."""
        return read_timeline(self.paths[f"{role}_timeline"])

    def people(self) -> dict[str, str]:
        """Names by role: `target` and, for an imitation, `source`."""
        both = {"target": self.entry.target, "source": self.entry.source}
        return {"target": self.entry.target} if self.entry.reconstruction else both
