"""The metric suite of a transfer: the scorers that need trained networks, as far as the preset enables them, and the
optical flow model. Scorers that are disabled are not imported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stages import pretrained
from stages.evaluation.image_similarity import PixelBox
from stages.evaluation.metric_names import LPIPS_SCORES, REDETECTION_SCORES
from stages.evaluation.references import Reference
from stages.imaging import optical_flow
from stages.media.pose_table import read_poses
from stages.media.timeline import read_timeline
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.evaluation.identity import Identity
    from stages.evaluation.redetection import Redetection
    from stages.params import Metrics, Transfer

NETWORK_SCORES = (*LPIPS_SCORES, "fid", "is")  # disabled by metrics.weights: false
DISABLED = "switched off by presets.{}.metrics.{}"

Statistic = Callable[[np.ndarray], float]  # of the frames with these indices


class FrameScorer(Protocol):
    """Takes the generated frames one at a time, and scores each of them and all together."""

    reasons: dict[str, str]  # by score: why it has no value

    def add(self, picture: np.ndarray, reference: Reference, regions: dict[str, PixelBox],
            delivered: np.ndarray | None) -> None:
        """Adds the next frame (S, S, 3) uint8. delivered: the same frame in the final video, if there is one."""

    def columns(self) -> dict[str, list[float]]:
        """Scores of each frame by name; NaN where a frame has none."""

    def totals(self) -> dict[str, float | None]:
        """Scores of all frames together by name."""

    def statistics(self) -> dict[str, Statistic]:
        """Those of the totals that can be computed from some of the frames, for their confidence intervals."""


@dataclass
class DisabledScorer:
    """Has no scores, only the reason why."""

    names: Iterable[str]
    reason: str
    reasons: dict[str, str] = field(init=False)

    def __post_init__(self):
        self.reasons = dict.fromkeys(self.names, self.reason)

    def add(self, picture: np.ndarray, reference: Reference, regions: dict[str, PixelBox],
            delivered: np.ndarray | None) -> None:
        pass

    def columns(self) -> dict[str, list[float]]:
        return {}

    def totals(self) -> dict[str, float | None]:
        return {}

    def statistics(self) -> dict[str, Statistic]:
        return {}


@dataclass
class RedetectionScorer:
    """Redetection as a FrameScorer. `reference_identity` is the identity score of the target's own frames."""

    redetection: "Redetection"
    reference_identity: float  # NaN if unknown
    reasons: dict[str, str] = field(init=False)

    def __post_init__(self):
        self.reasons = self.redetection.reasons | {"reference_identity": self.redetection.reasons["identity"]}

    def add(self, picture: np.ndarray, reference: Reference, regions: dict[str, PixelBox],
            delivered: np.ndarray | None) -> None:
        self.redetection.add(picture, reference.pose)

    def columns(self) -> dict[str, list[float]]:
        return self.redetection.columns()

    def totals(self) -> dict[str, float | None]:
        return {"reference_identity": self.reference_identity if np.isfinite(self.reference_identity) else None}

    def statistics(self) -> dict[str, Statistic]:
        return {}


def build_flow(params: "Metrics") -> optical_flow.FlowModel:
    """The optical flow that params.flow names; for `auto`, RAFT if its weights exist, else DIS."""
    if params.flow == "dis":
        return optical_flow.choose_flow("dis", None)
    from stages.learning import devices

    try:
        return optical_flow.choose_flow("raft", devices.choose(params.device))
    except pretrained.MissingWeights:
        if params.flow == "raft":
            raise
        return optical_flow.choose_flow("dis", None)


def build_metric_suite(params: "Metrics", entry: "Transfer", measured: dict[str, Path]) -> list[FrameScorer]:
    """The scorers that the preset enables, and a DisabledScorer for the others. measured: files of the transfer, by
    their names in layout.INPUTS."""
    scorers = []
    if params.weights:
        from stages.evaluation.inception_metrics import InceptionMetrics
        from stages.evaluation.perceptual_distance import PerceptualDistance
        from stages.learning import devices

        scorers += [scorer(devices.choose(params.device)) for scorer in (PerceptualDistance, InceptionMetrics)]
    else:
        scorers.append(DisabledScorer(NETWORK_SCORES, DISABLED.format(entry.preset, "weights")))
    if params.redetect:
        scorers.append(_redetection(params, entry.preset, measured))
    else:
        names = *REDETECTION_SCORES, "reference_identity"
        scorers.append(DisabledScorer(names, DISABLED.format(entry.preset, "redetect")))
    return scorers


def _redetection(params: "Metrics", preset: str, measured: dict[str, Path]) -> RedetectionScorer:
    """With the estimator that extracted the target's own poses; without mirror images, to save time."""
    from stages.evaluation.redetection import Redetection
    from stages.presets import PoseExtraction

    poses, _, about = read_poses(measured["target_poses"])
    chosen = PoseExtraction(
        estimator=about["estimator"], model=about["model"], details=about["details"], min_score=params.min_score,
        mirrored=False, device=params.device, batch=params.batch, max_gap_seconds=0, smoothing=0)
    identity = DISABLED.format(preset, "weights")
    if params.weights:
        identity = _identity(measured, poses)
    own_similarity = np.nan if isinstance(identity, str) else identity.own_similarity
    return RedetectionScorer(Redetection(chosen, read_poses(measured["driving"])[0], identity), own_similarity)


def _identity(measured: dict[str, Path], poses: Pose) -> "Identity | str":
    """The target's identity, from the faces in its training frames, or the reason why there is none."""
    from stages.evaluation.identity import Identity, dlib_describer

    try:
        describe = dlib_describer()
    except pretrained.MissingWeights as error:
        return f"its network's weights are not available: {error}"
    usable = read_timeline(measured["target_timeline"]).usable()
    return Identity.from_video(measured["target_frames"], poses, usable, describe)
