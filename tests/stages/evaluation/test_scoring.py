"""Scores of any frames: errors for odd input, which frames count, and what the scorers receive."""

import numpy as np
import pytest

from stages import InputError
from stages.evaluation import metric_names, scoring
from stages.evaluation.delivered_video import DeliveredFrame
from stages.evaluation.image_similarity import certain_person_mask
from stages.evaluation.references import Reference
from stages.imaging import image_quality, optical_flow
from stages.pose.skeleton import Pose
from tests.stages import toy

POSE = toy.pose(0).map(lambda points: points * (1.5, 1.5, 1))


def picture(seed, side=96):
    return np.kron(np.random.default_rng(seed).integers(0, 255, (side // 8, side // 8, 3), np.uint8),
                   np.ones((8, 8, 1), np.uint8))


def noisy(frames, sigma, seed=0):
    draw = np.random.default_rng(seed)
    return [np.clip(frame + draw.normal(0, sigma, frame.shape), 0, 255).astype(np.uint8) for frame in frames]


def motion(t):
    """A wall that moves to the right, with a sensor's noise."""
    return noisy([np.roll(picture(0), 2 * t, axis=1)], 3, seed=t)[0]


def reference(t, truth=True, pose=POSE, **fields):
    shown = motion(t)
    default = dict(source_frame=t, take=0, pose=pose, motion_picture=shown, motion_mask=None, placement=None,
                   truth=shown if truth else None, truth_mask=None,
                   retrieval_frame=None, retrieved=None, retrieved_mask=None, real=shown)
    return Reference(**default | fields)


def score(generated, references, scorers=(), fps=4.0, delivered=None):
    return scoring.score(generated, references, fps, optical_flow.DisFlow(), list(scorers), "x.mp4", "do it again",
                         delivered)


def test_values_and_intervals_are_those_of_the_frames():
    truths, generated = [motion(t) for t in range(12)], noisy([motion(t) for t in range(12)], 20)
    found = score(generated, [reference(t) for t in range(12)])
    expected = [image_quality.psnr(*pair) for pair in zip(generated, truths)]
    assert found.per_frame["psnr"].to_pylist() == pytest.approx(expected)
    psnr = found.metrics["psnr"]
    assert psnr.value == pytest.approx(np.mean(expected)) and psnr.unit == "dB" and psnr.reason is None
    assert min(expected) <= psnr.low <= psnr.value <= psnr.high <= max(expected)
    assert found.paired and found.pairs == 11 and found.static_pairs == 0


@pytest.mark.parametrize("change, low, high", [
    (lambda frames: frames, 1, 1),
    (lambda frames: noisy(frames, 25), 0, 0.9),
    (lambda frames: frames[:1] * len(frames), 0, 0.9),  # a frozen video
])
def test_tcm_of_a_copy_of_noise_and_of_a_frozen_video(change, low, high):
    frames = [motion(t) for t in range(8)]
    assert low <= score(change(frames), [reference(t) for t in range(8)]).metrics["tcm"].value <= high


def test_one_frame():
    found = score([motion(0)], [reference(0)])
    assert found.metrics["psnr"].value == image_quality.MAX_PSNR and found.metrics["psnr"].low is None
    assert found.metrics["tcm"].value is None and "consecutive" in found.metrics["tcm"].reason


def test_only_consecutive_frames_form_pairs():
    rows = [0, 1, 5, 6, 7]
    found = score([motion(t) for t in rows], [reference(t) for t in rows])
    assert found.pairs == 3
    assert [value is None for value in found.per_frame["tcm"].to_pylist()] == [False, True, False, False, True]


def test_frames_of_two_takes_form_no_pair():
    found = score([motion(t) for t in range(6)], [reference(t, take=int(t > 2)) for t in range(6)])
    assert found.pairs == 4 and np.isnan(found.per_frame["tcm"].to_numpy(zero_copy_only=False)[2])


def test_without_motion_there_is_no_tcm():
    still = [reference(t, motion_picture=motion(0)) for t in range(4)]
    found = score([motion(t) for t in range(4)], still)
    assert found.metrics["tcm"].value is None and "nothing moves" in found.metrics["tcm"].reason
    assert found.metrics["warp_error"].value > 0 and found.static_pairs == found.pairs == 3


@pytest.mark.parametrize("generated, message", [
    ([], "x.mp4: 0 frames; expected 3, one for each driving pose: do it again"),
    ([motion(0)] * 2, "x.mp4: 2 frames; expected 3"),
    ([motion(0)] * 5, "x.mp4: 5 frames; expected 3"),
    ([motion(0), motion(0)[:64], motion(0)], "frame 1 is 96 x 64 x 3 of uint8; expected 96 x 96 x 3"),
    ([np.full((96, 96, 3), np.nan)] * 3, "frame 0 is .* of float64"),
    ([motion(0)[..., 0]] * 3, "frame 0 is 96 x 96 of uint8"),
])
def test_frames_that_do_not_match_are_rejected(generated, message):
    with pytest.raises(InputError, match=message):
        score(generated, [reference(t) for t in range(3)])


def test_no_frames_at_all():
    with pytest.raises(InputError, match="no frames"):
        score([], [])


def test_missing_scores_have_a_reason():
    nobody = score([motion(0)] * 2, [reference(t, pose=Pose.unknown()) for t in range(2)]).metrics
    for name in ("psnr_person_box", "ssim_face", "psnr_left_foot"):
        assert nobody[name].value is None and "in no frame" in nobody[name].reason
    assert "no training frame" in nobody["retrieval_psnr"].reason
    alone = score([motion(0)] * 2, [reference(t, truth=False) for t in range(2)])
    without_video = set(metric_names.TRUTH_SCORES) - set(metric_names.VIDEO_SCORES)
    assert all(alone.metrics[name].reason == scoring.NO_TRUTH for name in without_video)
    assert not alone.paired
    unseen = score([motion(0)] * 2, [reference(t, truth_mask=np.zeros((96, 96), bool)) for t in range(2)]).metrics
    assert unseen["ssim"].value is None and "the camera saw no pixel" in unseen["ssim"].reason
    assert all(entry.value is not None or entry.reason for entry in (nobody | alone.metrics | unseen).values())


def test_the_retrieved_frame_is_scored_in_pixels_that_both_show():
    seen = np.arange(96)[None].repeat(96, 0) < 50
    given = [reference(t, retrieval_frame=40, retrieved=motion(9), retrieved_mask=seen) for t in range(3)]
    found = score([motion(t) for t in range(3)], given)
    assert found.per_frame["retrieval_frame"].to_pylist() == [40] * 3
    expected = [image_quality.psnr(motion(9), motion(t), seen) for t in range(3)]
    assert found.per_frame["retrieval_psnr"].to_pylist() == pytest.approx(expected)


class IndexScorer:
    """Scores each frame with its index."""

    reasons = {"fid": "because", "is": "because"}

    def __init__(self):
        self.rows = []

    def add(self, picture, reference, regions, delivered):
        assert picture.shape == reference.motion_picture.shape and "person_box" in regions and delivered is None
        self.rows.append(float(reference.source_frame))

    def columns(self):
        return {"lpips": self.rows}

    def totals(self):
        return {"is": 3.0}

    def statistics(self):
        return {"is": lambda kept: float(np.mean(kept))}


def test_scorers_receive_every_frame_in_order():
    found = score([motion(t) for t in range(20)], [reference(t) for t in range(20)], [IndexScorer()])
    assert found.per_frame["lpips"].to_pylist() == list(range(20))
    assert found.metrics["lpips"].value == 9.5 and found.metrics["is"].value == 3 and found.metrics["is"].reason is None
    low, high = found.metrics["is"].low, found.metrics["is"].high
    assert high - 3 == pytest.approx(3 - low) and 2 < high - 3 < 10
    fid = found.metrics["fid"]
    assert (fid.value, fid.low, fid.reason) == (None, None, "because")


def test_the_pairs_are_those_of_flow():
    frames = noisy([motion(t) for t in range(3)], 9)
    found = score(frames, [reference(t) for t in range(3)]).per_frame
    moved = optical_flow.FlowPair.measure(optical_flow.DisFlow(), (motion(0), motion(1)))
    expected = (*optical_flow.temporal_consistency(moved, tuple(frames[:2])), moved.error)
    assert [found[name][0].as_py() for name in ("tcm", "warp_error", "reference_warp_error")] == pytest.approx(expected)


def test_a_video_is_scored_like_the_frames_that_it_was_made_of_without_the_label():
    """Only the pixels of the label differ: every score equals that of the frames themselves."""
    frames, label = noisy([motion(t) for t in range(6)], 9), np.zeros((96, 96), bool)
    label[60:, :50] = True
    delivered = [DeliveredFrame(np.where(label[..., None], 0, frame).astype(np.uint8), label) for frame in frames]
    found = score(frames, [reference(t) for t in range(6)], delivered=delivered).metrics
    for name in ("sharpness", "aligned_psnr_person_box", "tcm", "psnr", "ssim", "psnr_person_box", "ssim_person_box"):
        assert found[f"video_{name}"] == found[name] and found[name].value is not None
    unmasked = [DeliveredFrame(one.picture, None) for one in delivered]
    spoilt = score(frames, [reference(t) for t in range(6)], delivered=unmasked)
    assert spoilt.metrics["video_psnr"].value < spoilt.metrics["psnr"].value == found["psnr"].value


def test_frames_without_a_video_have_a_reason():
    found = score([motion(0)] * 2, [reference(t) for t in range(2)]).metrics
    names = *metric_names.VIDEO_SCORES, metric_names.DELIVERY_LPIPS
    assert {found[name].reason for name in names} == {scoring.NO_VIDEO}


def test_sharpness_and_alignment_are_those_of_the_person():
    frames = [np.roll(motion(t), 1, 0) for t in range(3)]
    found = score(frames, [reference(t) for t in range(3)]).per_frame
    box = found["box"][1].as_py()
    left, top, right, bottom = map(int, box)
    part = np.s_[top:bottom, left:right]
    assert found["aligned_psnr_person_box"][1].as_py() == image_quality.aligned_psnr(frames[1][part], motion(1)[part])
    person = certain_person_mask(POSE, 96)
    assert found["sharpness"][1].as_py() == image_quality.sharpness(frames[1], motion(1), person)
    half = np.arange(96)[None].repeat(96, 0) < 48
    seen = score(frames, [reference(t, truth_mask=half) for t in range(3)]).per_frame
    assert seen["sharpness"][1].as_py() == image_quality.sharpness(frames[1], motion(1), half & person)
