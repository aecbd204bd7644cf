"""Judges: what looks at every generated frame beside PSNR, SSIM and steadiness, each with a trained network; and the
flow model. What a preset does not ask for is not imported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stages import pretrained
from stages.evaluation.image_similarity import Box
from stages.evaluation.metric_names import PERCEIVED, REDETECTED
from stages.evaluation.references import Reference
from stages.imaging import optical_flow
from stages.media.clock import read_clock
from stages.media.pose_table import read_poses
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.evaluation.identity import Identity
    from stages.evaluation.redetection import Redetection
    from stages.params import Metrics, Transfer

WEIGHED = (*PERCEIVED, "fid", "is")  # by networks whose weights are files
OFF = "switched off by presets.{}.metrics.{}"

Statistic = Callable[[np.ndarray], float]  # of indices of frames


class FrameScorer(Protocol):
    reasons: dict[str, str]  # why a score has no value, as far as the judge knows

    def add(self, picture: np.ndarray, reference: Reference, places: dict[str, Box],
            delivered: np.ndarray | None) -> None:
        """The frames, in order; delivered: what the video shows of one, where there is a video."""

    def columns(self) -> dict[str, list[float]]:
        """Scores of each frame; NaN where it has none."""

    def totals(self) -> dict[str, float | None]:
        """Scores that only all frames together have."""

    def statistics(self) -> dict[str, Statistic]:
        """Some of the totals as functions of the frames that count, for their intervals."""


@dataclass
class Absent:
    """Stands for judges that are not asked."""

    names: Iterable[str]
    reason: str
    reasons: dict[str, str] = field(init=False)

    def __post_init__(self):
        self.reasons = dict.fromkeys(self.names, self.reason)

    def add(self, picture: np.ndarray, reference: Reference, places: dict[str, Box],
            delivered: np.ndarray | None) -> None:
        pass

    def columns(self) -> dict[str, list[float]]:
        return {}

    def totals(self) -> dict[str, float | None]:
        return {}

    def statistics(self) -> dict[str, Statistic]:
        return {}


@dataclass
class Redetected:
    """Pose and face, found again. What the target's own frames reach in identity is `reference_identity`."""

    redetection: "Redetection"
    own: float
    reasons: dict[str, str] = field(init=False)

    def __post_init__(self):
        self.reasons = self.redetection.reasons | {"reference_identity": self.redetection.reasons["identity"]}

    def add(self, picture: np.ndarray, reference: Reference, places: dict[str, Box],
            delivered: np.ndarray | None) -> None:
        self.redetection.add(picture, reference.pose)

    def columns(self) -> dict[str, list[float]]:
        return self.redetection.columns()

    def totals(self) -> dict[str, float | None]:
        return {"reference_identity": self.own if np.isfinite(self.own) else None}

    def statistics(self) -> dict[str, Statistic]:
        return {}


def flow_model(params: "Metrics") -> optical_flow.FlowModel:
    """The one that is named; of `auto` RAFT where its weights are there, else DIS."""
    if params.flow == "dis":
        return optical_flow.choose_flow("dis", None)
    from stages.learning import devices

    try:
        return optical_flow.choose_flow("raft", devices.choose(params.device))
    except pretrained.MissingWeights:
        if params.flow == "raft":
            raise
        return optical_flow.choose_flow("dis", None)


def metric_suite(params: "Metrics", entry: "Transfer", measured: dict[str, Path]) -> list[FrameScorer]:
    """The judges that a preset asks for. measured: paths of the transfer, by layout's names."""
    judges = []
    if params.weights:
        from stages.learning import devices
        from stages.evaluation.metric_networks import MetricNetworks
        from stages.evaluation.perceptual_distance import PerceptualDistance

        judges += [judge(devices.choose(params.device)) for judge in (PerceptualDistance, MetricNetworks)]
    else:
        judges.append(Absent(WEIGHED, OFF.format(entry.preset, "weights")))
    if params.redetect:
        judges.append(_redetected(params, entry.preset, measured))
    else:
        judges.append(Absent((*REDETECTED, "reference_identity"), OFF.format(entry.preset, "redetect")))
    return judges


def _redetected(params: "Metrics", preset: str, measured: dict[str, Path]) -> Redetected:
    """By the estimator that found the target's own poses."""
    from stages.evaluation.redetection import Redetection
    from stages.presets import PoseExtraction

    poses, _, about = read_poses(measured["target_poses"])
    chosen = PoseExtraction(
        estimator=about["estimator"], model=about["model"], details=about["details"], min_score=params.min_score,
        device=params.device, batch=params.batch, max_gap_seconds=0, smoothing=0)
    identity = OFF.format(preset, "weights")
    if params.weights:
        identity = _identity(measured, poses)
    own = np.nan if isinstance(identity, str) else identity.own
    return Redetected(Redetection(chosen, read_poses(measured["driving"])[0], identity), own)


def _identity(measured: dict[str, Path], poses: Pose) -> "Identity | str":
    """The target's, by the faces of the training frames; or why it cannot be told."""
    from stages.evaluation.identity import Identity, dlib_describer

    try:
        describe = dlib_describer()
    except pretrained.MissingWeights as error:
        return f"its network's weights could not be had: {error}"
    usable = read_clock(measured["target_clock"]).usable()
    return Identity.of(measured["target_frames"], poses, usable, describe)
