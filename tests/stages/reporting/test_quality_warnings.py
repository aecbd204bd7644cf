"""Each warning, of a transfer that was changed to cause it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from stages.media import parquet
from stages.pose.skeleton import L_ANKLE, L_KNEE, R_ANKLE, R_KNEE
from stages.reporting.quality_warnings import UNSEEN_BACKGROUND, QualityWarning, quality_warnings
from tests.stages import toy
from tests.stages.reporting import made


@pytest.fixture
def project(folder, tmp_path):
    """A copy that tests may change."""
    return shutil.copytree(folder, tmp_path / "copy")


def rewrite(path, change) -> None:
    """Poses and columns through `change(columns)`, a dictionary of arrays with the frames first."""
    schema = parquet.DRIVING if path.stem == "driving" else parquet.POSES
    columns, about = parquet.read(path, schema)
    for name in ("body", "left_hand", "right_hand", "feet", "face"):
        columns[name] = columns[name].reshape(len(columns["frame"]), -1, 3).copy()
    columns = {name: np.array(values) for name, values in columns.items()}
    change(columns)
    parquet.write(path, schema, columns, about)


def found(project, key="ann_from_bob", unseen=None) -> dict:
    """Title -> warning."""
    inputs = made.inputs(project, key)
    unseen = np.zeros(len(inputs.source_frames)) if unseen is None else unseen
    return {warning.title: warning for warning in quality_warnings(inputs, unseen)}


def test_a_pose_far_from_training_and_its_frames(project):
    def kick(columns):
        columns["body"][20:24, [R_KNEE, R_ANKLE, L_KNEE, L_ANKLE], 0] += 30  # the torso is 14 pixels long

    assert "Poses far from training" not in found(project)
    rewrite(project / "artifacts/ann_from_bob/driving.parquet", kick)
    made.cover(project, "ann_from_bob")
    warning = found(project)["Poses far from training"]
    assert warning.longest_spans == [(20, 23)] and warning.frames.tolist() == [20, 21, 22, 23]
    assert "4 of 40 frames" in warning.text


def test_hands_that_the_motion_shows_and_training_does_not(project):
    def hide(frames):
        def change(columns):
            columns["left_hand"][frames] = np.float32([np.nan, np.nan, 0])
        return change

    assert not any("hand" in title for title in found(project))
    rewrite(project / "artifacts/ann/poses.parquet", hide(slice(None)))
    rewrite(project / "artifacts/ann_from_bob/driving.parquet", hide(slice(0, 30)))
    warning = found(project)["Left hand never seen"]
    assert warning.longest_spans == [(30, 39)] and "never seen in any of the 25 training frames" in warning.text
    assert "Right hand never seen" not in found(project)
    rewrite(project / "artifacts/ann_from_bob/driving.parquet", hide(slice(None)))
    assert "Left hand never seen" not in found(project)  # the motion does not show it either


def test_background_never_seen_and_its_frames(project):
    unseen = np.zeros(40)
    unseen[[3, 4, 30]] = UNSEEN_BACKGROUND, 0.05, 0.01
    warning = found(project, unseen=unseen)["Background never seen"]
    assert warning.longest_spans == [(4, 4), (30, 30)] and "2 of 40 frames" in warning.text and "5.0%" in warning.text


def test_frames_of_the_video_become_frames_of_the_result(project):
    """Of the held-out part only, for a reconstruction."""
    def lose(columns):
        columns["detected"][[2, 31]] = False
        columns["people"][35:37] = 2

    rewrite(project / "artifacts/ann/poses.parquet", lose)
    warnings = found(project, "ann_from_ann")
    lost = warnings["No person detected"]
    assert lost.longest_spans == [(1, 1)] and "2 of 40 frames" in lost.text
    assert warnings["Several people"].longest_spans == [(5, 6)]
    # In an imitation these are frames of the target, not of the result
    assert found(project)["No person detected"].longest_spans == []


def test_joints_outside_name_their_frames(project):
    def step_out(columns):
        columns["body"][:, :, :2] = np.clip(columns["body"][:, :, :2], 0, toy.SIZE)
        columns["body"][7, L_ANKLE, 0] = toy.SIZE + 3

    rewrite(project / "artifacts/ann_from_bob/driving.parquet", step_out)
    assert found(project)["Out of the picture"].longest_spans == [(7, 7)]


@pytest.mark.parametrize("video, message", [
    ({}, None),
    ({"psnr": 29.2, "sharpness": 0.74, "lpips": 0.059}, None),
    ({"psnr": 28.9}, "PSNR 30 dB generated, 28.9 dB in the video. The"),
    ({"sharpness": 0.6, "lpips": 0.2}, "LPIPS 0.05 generated, 0.2 in the video; Sharpness 0.7 generated, 0.6"),
    ({"lpips_person_box": 0.08}, "LPIPS, person 0.1 generated, 0.08 in the video"),
    ({"change": 0.02}, "LPIPS between both 0.02"),  # all that is known without a truth
])
def test_a_video_that_differs_from_the_generated_frames(project, video, message):
    path = project / "artifacts/ann_from_bob/metrics.json"
    content = json.loads(path.read_text())
    generated = {"psnr": 30.0, "sharpness": 0.7, "lpips": 0.05, "lpips_person_box": 0.1,
                 "aligned_psnr_person_box": None}
    for name, value in generated.items():
        content["metrics"][name]["value"] = value
        content["metrics"][f"video_{name}"]["value"] = video.get(name, value)
    content["metrics"]["delivery_lpips"]["value"] = video.get("change")
    path.write_text(json.dumps(content))
    warning = found(project).get("The video differs from what was generated")
    assert (warning is None) == (message is None) and (message is None or message in warning.text)


def test_an_empty_index_of_faces(project):
    empty = {name: [] for name in parquet.FACES.names}
    parquet.write(project / "artifacts/ann/faces.parquet", parquet.FACES, empty, {"reason": "only seen from behind"})
    assert "only seen from behind" in found(project)["No face enhancement"].text


def test_terms_without_effect(project):
    about = project / "artifacts/ann/generator/about.json"
    content = json.loads(about.read_text())
    without = {"Discriminators without effect", "Gromov-Wasserstein left out"}
    about.write_text(json.dumps(content | {"discriminators_guessing": [], "gw_skipped": 0}))
    assert not without & set(found(project))
    about.write_text(json.dumps(content | {"discriminators_guessing": ["spatial", "temporal"], "gw_skipped": 3}))
    warnings = found(project)
    assert "D_q and D_t" in warnings["Discriminators without effect"].text
    assert "In 3 training steps" in warnings["Gromov-Wasserstein left out"].text


def test_only_the_longest_spans_are_named():
    many = QualityWarning("", "", np.arange(0, 200, 20))
    assert len(many.spans) == 10 and len(many.longest_spans) == 6
    assert replace(many, frames=np.zeros(0, int)).spans == []
