"""PSNR and SSIM of a frame and its regions, against scikit-image on the crops."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stages.evaluation import image_similarity
from stages.imaging import image_quality
from stages.pose import part_boxes
from stages.pose.skeleton import Pose
from tests.stages import toy

REGIONS = {"person_box": (10, 4, 50, 60), "face": (0, 0, 11, 11), "left_hand": (41, 30, 64, 64)}


def pictures(noise=25, seed=0):
    draw = np.random.default_rng(seed)
    smooth = np.kron(draw.integers(0, 255, (8, 8, 3)), np.ones((8, 8, 1)))
    return [np.clip(smooth + draw.normal(0, sigma, smooth.shape), 0, 255).astype(np.uint8) for sigma in (0, noise)]


def oracle(picture, truth):
    ssim = structural_similarity(picture, truth, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5,
                                 use_sample_covariance=False)
    return peak_signal_noise_ratio(truth, picture), ssim


@pytest.mark.parametrize("noise", [1, 10, 90])
def test_a_region_scores_like_its_crop(noise):
    a, b = pictures(noise)
    found = image_similarity.similarity_scores(a, b, REGIONS)
    assert len(found) == 8
    for end, (left, top, right, bottom) in {"": (0, 0, 64, 64), **{f"_{k}": v for k, v in REGIONS.items()}}.items():
        psnr, ssim = oracle(a[top:bottom, left:right], b[top:bottom, left:right])
        assert found[f"psnr{end}"] == pytest.approx(psnr, abs=1e-4)
        assert found[f"ssim{end}"] == pytest.approx(ssim, abs=1e-5)


def test_identical_pictures():
    a, _ = pictures()
    found = image_similarity.similarity_scores(a, a.copy(), REGIONS)
    assert set(found.values()) == {image_quality.MAX_PSNR, 1.0}


def test_only_pixels_in_the_mask_count():
    """The mask contains the left part: other pixels make no difference, and a region there has no score."""
    a, b = pictures()
    seen = np.arange(64)[None].repeat(64, 0) < 40
    found = image_similarity.similarity_scores(a, b, REGIONS, seen)
    spoiled = a.copy()
    spoiled[:, 40:] = 0
    assert image_similarity.similarity_scores(spoiled, b, REGIONS, seen) == pytest.approx(found, nan_ok=True)
    assert np.isnan([found["psnr_left_hand"], found["ssim_left_hand"]]).all()
    psnr, ssim = oracle(a[:, :40], b[:, :40])
    assert (found["psnr"], found["ssim"]) == (pytest.approx(psnr, abs=1e-4), pytest.approx(ssim, abs=1e-5))


def test_boxes_contain_the_parts_of_the_pose():
    pose, size = toy.pose(3).map(lambda points: points * (4, 4, 1)), 256
    found = image_similarity.region_boxes(pose, size)
    given = dict(zip(part_boxes.PART_SIZES, part_boxes.part_boxes(pose, size)))
    assert set(found) == {"person_box", *part_boxes.PART_SIZES}
    for part in ("face", "right_hand", "left_hand"):
        assert np.abs(np.array(found[part]) - given[part]).max() <= 1
    low = image_similarity.region_boxes(pose.map(lambda points: points + np.float32([0, 14, 0])), size)
    assert low["right_foot"][3] == size  # cut at the frame


@pytest.mark.parametrize("part", ["face", "right_foot"])
def test_a_part_that_is_unknown_outside_or_small_is_left_out(part):
    pose = toy.pose(3).map(lambda points: points * (4, 4, 1))
    assert part in image_similarity.region_boxes(pose, 256)
    away = pose.map(lambda points: points + np.float32([900, 0, 0]))
    tiny = pose.map(lambda points: points * (0.3, 0.3, 1))
    for lost in (away, tiny, Pose.unknown()):
        assert part not in image_similarity.region_boxes(lost, 256)


def test_the_certain_person_mask_is_trunk_thin_limbs_face_and_hands():
    pose = toy.pose(3).map(lambda points: points * (4, 4, 1))
    found = image_similarity.certain_person_mask(pose, 256)
    left, top, right, bottom = image_quality.person_box(pose, 256)
    outside = found.copy()
    outside[top:bottom, left:right] = False
    trunk = pose.body[[2, 5, 8, 11], :2].mean(0).astype(int)
    knee, mouth = pose.body[9, :2].astype(int), pose.face[:, :2].mean(0).astype(int)
    assert all(found[y, x] for x, y in (trunk, knee, mouth)) and not outside.any()
    assert 0.01 < found.mean() < 0.15 and not found[knee[1], knee[0] - 12]
    assert not image_similarity.certain_person_mask(Pose.unknown(), 256).any()
