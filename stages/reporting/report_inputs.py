"""What every part of the report looks at: the artifacts of one transfer, by the names of layout.INPUTS."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.media import parquet
from stages.media.clock import Clock, read_clock
from stages.media.files import existing
from stages.media.pose_table import read_poses
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.params import Transfer


@dataclass(frozen=True)
class Inputs:
    paths: dict[str, Path]
    entry: "Transfer"
    key: str

    @cached_property
    def driving(self) -> Pose:
        """The poses that drive, T frames: frame t of the result is made of pose t."""
        return self._driving[0]

    @cached_property
    def rows(self) -> np.ndarray:
        """(T,) the source's frame of each."""
        return self._driving[1]["frame"]

    @cached_property
    def about(self) -> dict:
        """fps, scale, outside, ..."""
        return self._driving[2]

    @cached_property
    def _driving(self) -> tuple[Pose, dict, dict]:
        return read_poses(self.paths["driving"])

    @cached_property
    def learned(self) -> np.ndarray:
        """The frames of the target's video that were learned from, (N,)."""
        return self.clock("target").usable()

    @cached_property
    def known(self) -> Pose:
        """The target's poses in them."""
        return self.poses("target")[0][self.learned]

    @cached_property
    def apart(self) -> np.ndarray:
        """(T,) distance of each driving pose to the nearest known one, in lengths of the torso; NaN: none can be
        compared."""
        return self._coverage[0]["distance"]

    @cached_property
    def per_frame(self) -> pa.Table:
        """The scores, T rows."""
        return pq.read_table(existing(self.paths["per_frame"], "the scores; run their stage"))

    @cached_property
    def copied(self) -> list[int | None]:
        """Of T frames: which of the target's training frames the scores of copying are of; None where none can be."""
        return self.per_frame["retrieval_frame"].to_pylist()

    @property
    def near(self) -> float:
        """Up to which distance a pose counts as filmed."""
        return self._coverage[1]["near"]

    @property
    def share(self) -> float:
        """Of the driving poses that do."""
        return self._coverage[1]["share"]

    @cached_property
    def _coverage(self) -> tuple[dict, dict]:
        return parquet.read(self.paths["coverage"], parquet.COVERAGE)

    def poses(self, who: str) -> tuple[Pose, dict, dict]:
        """Of `target` or `source`."""
        return read_poses(self.paths[f"{who}_poses"])

    def clock(self, who: str) -> Clock:
        return read_clock(self.paths[f"{who}_clock"])

    def people(self) -> dict[str, str]:
        """`target` and, where it is another video, `source`: their names."""
        both = {"target": self.entry.target, "source": self.entry.source}
        return {"target": self.entry.target} if self.entry.reconstruction else both


def spread(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values, evenly spread."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))]
