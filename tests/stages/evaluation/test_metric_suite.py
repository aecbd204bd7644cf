"""Which judges a preset asks, and what stands in for those that it does not or that cannot be had."""

import numpy as np
import pytest

from stages import pretrained

from stages.estimators.pose import Sighting
from stages.evaluation import metric_names, metric_suite
from stages.imaging import optical_flow
from stages.media import parquet
from tests.stages import toy


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The paths of a transfer, whose poses were found by a fake."""
    root = tmp_path_factory.mktemp("panel")
    toy.write_all(root)
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    columns = toy.poses().columns() | {"frame": range(40), "detected": [True] * 40, "interpolated": [False] * 40,
                                       "people": [1] * 40}
    about = {"estimator": "torchvision", "model": "m", "details": "none"}
    parquet.write(files["target_poses"], parquet.POSES, columns, about)
    return files


@pytest.fixture()
def nothing(monkeypatch, tmp_path):
    """No file of weights."""
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)


def changed(**fields):
    return toy.METRICS.model_copy(update=fields)


def test_what_is_switched_off_says_so():
    reasons = {name: why for judge in metric_suite.metric_suite(toy.METRICS, toy.RECONSTRUCTION, {})
               for name, why in judge.reasons.items()}
    weighed = {*metric_names.PERCEIVED, "fid", "is"}
    found = {"pose_error", "pck_05", "detected", "identity", "reference_identity"}
    assert set(reasons) == weighed | found <= {*metric_names.NAMES, *metric_names.TOTALS}
    assert {reasons[name] for name in weighed} == {"switched off by presets.demo.metrics.weights"}
    assert {reasons[name] for name in found} == {"switched off by presets.demo.metrics.redetect"}


@pytest.mark.parametrize("asked, found", [("dis", optical_flow.DisFlow.name), ("auto", optical_flow.DisFlow.name)])
def test_without_weights_the_flow_is_dis(nothing, asked, found):
    assert metric_suite.flow_model(changed(flow=asked)).name == found


def test_raft_itself_is_not_replaced(nothing):
    with pytest.raises(pretrained.MissingWeights, match="raft"):
        metric_suite.flow_model(changed(flow="raft"))


def test_a_broken_file_of_weights_is_not_replaced_either(nothing, tmp_path):
    (tmp_path / pretrained.RAFT).write_bytes(b"something else")
    with pytest.raises(pretrained.InputError, match="not the file that is known"):
        metric_suite.flow_model(changed(flow="auto"))


class Fake:
    """Finds the pose of every frame two pixels to the right."""

    silhouettes = False

    def sightings(self, pictures, people):
        assert all(person is not None for person in people)
        return [Sighting(toy.pose(int(picture[0, 0, 0])).map(lambda points: points + np.float32([2, 0, 0])))
                for picture in pictures]


def test_poses_are_found_by_what_found_the_targets(measured, nothing, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "stages.evaluation.redetection.build_pose_estimator", lambda chosen: asked.append(chosen) or Fake())
    judge = metric_suite.metric_suite(changed(redetect=True, weights=True, batch=3), toy.RECONSTRUCTION, measured)[-1]
    for row in range(30, 40):
        picture = np.full((toy.SIZE, toy.SIZE, 3), row, np.uint8)
        judge.add(picture, type("Reference", (), {"pose": toy.pose(row)}), {}, None)
    columns = judge.columns()
    assert (asked[0].estimator, asked[0].model, asked[0].details, asked[0].batch) == ("torchvision", "m", "none", 3)
    assert columns["pose_error"] == pytest.approx([columns["pose_error"][0]] * 10)
    assert 0.04 < columns["pose_error"][0] < 0.08  # 2 pixels of about 36
    assert columns["detected"] == [1.0] * 10
    assert judge.totals() == {"reference_identity": None}
    assert "weights could not be had" in judge.reasons["identity"] == judge.reasons["reference_identity"]
