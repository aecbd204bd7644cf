"""Which scorers a preset enables, and the reasons for scores that are disabled or whose weights are missing."""

import numpy as np
import pytest

from stages import pretrained
from stages.estimators import pose_estimator
from stages.estimators.pose_estimator import PoseDetection
from stages.evaluation import metric_names, metric_suite
from stages.imaging import optical_flow
from stages.media import parquet
from tests.stages import toy


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The paths of a transfer with poses of a fake estimator."""
    root = tmp_path_factory.mktemp("suite")
    toy.write_all(root)
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    columns = toy.poses().columns() | {"frame": range(40), "detected": [True] * 40, "interpolated": [False] * 40,
                                       "people": [1] * 40}
    about = {"estimator": "torchvision", "model": "m", "details": "none"}
    parquet.write(files["target_poses"], parquet.POSES, columns, about)
    return files


@pytest.fixture()
def no_weights(monkeypatch, tmp_path):
    """No file of weights."""
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)


def changed(**fields):
    return toy.METRICS.model_copy(update=fields)


def test_disabled_scores_have_a_reason():
    reasons = {name: why for scorer in metric_suite.build_metric_suite(toy.METRICS, toy.RECONSTRUCTION, {})
               for name, why in scorer.reasons.items()}
    network_scores = {*metric_names.LPIPS_SCORES, "fid", "is"}
    redetection_scores = {"pose_error", "pck_05", "detected", "identity", "reference_identity"}
    assert set(reasons) == network_scores | redetection_scores <= {*metric_names.FRAME_SCORES, *metric_names.SET_SCORES}
    assert {reasons[name] for name in network_scores} == {"switched off by presets.demo.metrics.weights"}
    assert {reasons[name] for name in redetection_scores} == {"switched off by presets.demo.metrics.redetect"}


@pytest.mark.parametrize("flow, name", [("dis", optical_flow.DisFlow.name), ("auto", optical_flow.DisFlow.name)])
def test_without_weights_the_flow_is_dis(no_weights, flow, name):
    assert metric_suite.build_flow(changed(flow=flow)).name == name


def test_flow_raft_is_not_replaced_by_dis(no_weights):
    with pytest.raises(pretrained.MissingWeights, match="raft"):
        metric_suite.build_flow(changed(flow="raft"))


def test_a_broken_file_of_weights_is_not_replaced_either(no_weights, tmp_path):
    (tmp_path / pretrained.RAFT).write_bytes(b"something else")
    with pytest.raises(pretrained.InputError, match="not the known file"):
        metric_suite.build_flow(changed(flow="auto"))


class Fake:
    """Finds the pose of every frame two pixels to the right."""

    provides_silhouettes = False

    def estimate(self, pictures, people):
        assert all(person is not None for person in people)
        return [PoseDetection(toy.pose(int(picture[0, 0, 0])).map(lambda points: points + np.float32([2, 0, 0])))
                for picture in pictures]


def test_poses_are_redetected_by_the_targets_own_estimator(measured, no_weights, monkeypatch):
    built = []
    monkeypatch.setattr(pose_estimator, "build_pose_estimator", lambda chosen: built.append(chosen) or Fake())
    block = changed(redetect=True, weights=True, batch=3)
    scorer = metric_suite.build_metric_suite(block, toy.RECONSTRUCTION, measured)[-1]
    for row in range(30, 40):
        picture = np.full((toy.SIZE, toy.SIZE, 3), row, np.uint8)
        scorer.add(picture, type("Reference", (), {"pose": toy.pose(row)}), {}, None)
    columns = scorer.columns()
    assert (built[0].estimator, built[0].model, built[0].details, built[0].batch) == ("torchvision", "m", "none", 3)
    assert columns["pose_error"] == pytest.approx([columns["pose_error"][0]] * 10)
    assert 0.04 < columns["pose_error"][0] < 0.08  # 2 pixels of about 36
    assert columns["detected"] == [1.0] * 10
    assert scorer.totals() == {"reference_identity": None}
    assert "weights are not available" in scorer.reasons["identity"] == scorer.reasons["reference_identity"]
