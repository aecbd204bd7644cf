"""PSNR and SSIM against torchmetrics and scikit-image; boxes and nearest poses against cases worked out by hand."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from stages.vision import quality
from stages.vision.skeleton import Pose


def pictures(shape, noise, seed=0):
    draw = np.random.default_rng(seed)
    smooth = np.kron(draw.integers(0, 255, (shape[0] // 8, shape[1] // 8, 3)), np.ones((8, 8, 1)))
    return [np.clip(smooth + draw.normal(0, sigma, smooth.shape), 0, 255).astype(np.uint8) for sigma in (0, noise)]


@pytest.mark.parametrize("shape", [(64, 64), (48, 96), (16, 16)])
@pytest.mark.parametrize("noise", [2, 20, 90])
def test_against_torchmetrics(shape, noise):
    pair = pictures(shape, noise)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None].double() for x in pair]
    assert quality.psnr(*pair) == pytest.approx(float(peak_signal_noise_ratio(*tensors, data_range=255.0)), abs=1e-4)
    # torchmetrics' mean counts windows that reach into the mirrored border; its picture without them is the standard
    _, picture = structural_similarity_index_measure(*tensors, sigma=1.5, data_range=255.0, return_full_image=True)
    assert quality.ssim(*pair) == pytest.approx(float(picture[..., 5:-5, 5:-5].mean()), abs=1e-6)


@pytest.mark.parametrize("dark, light", [(0, 0), (0, 255), (255, 255), (3, 250)])
def test_every_window_against_scikit_image(dark, light):
    """Flat, black and white areas too, where single precision is weakest."""
    a, b = pictures((64, 80), 25)
    a[:30], b[:30], a[:, 60:], b[20:40, 60:] = dark, light, light, dark
    _, theirs = structural_similarity(a, b, channel_axis=2, data_range=255, full=True, gaussian_weights=True,
                                      sigma=1.5, use_sample_covariance=False)
    found = quality.similarity(a, b)
    assert found.shape == (54, 70)
    assert np.abs(found - theirs.mean(2)[5:-5, 5:-5]).max() < 1e-4
    assert found.mean() == pytest.approx(theirs[5:-5, 5:-5].mean(), abs=1e-5)


def test_windows_that_are_not_wholly_seen_do_not_count():
    seen = np.ones((40, 30), bool)
    seen[20, 15] = False
    whole = quality.whole_windows(seen)
    assert whole.shape == (30, 20)
    for top, left in ((0, 0), (9, 4), (10, 5), (20, 15), (21, 15), (20, 16), (29, 19)):
        assert whole[top, left] == seen[top : top + 11, left : left + 11].all()


def test_equal_pictures_score_best():
    a, _ = pictures((32, 32), 1)
    assert quality.psnr(a, a) == quality.BEST
    assert quality.ssim(a, a) == pytest.approx(1)


def test_nothing_seen_has_no_score():
    a, b = pictures((32, 32), 9)
    assert np.isnan([score(a, b, np.zeros((32, 32), bool)) for score in (quality.psnr, quality.ssim)]).all()


def at(*points):
    """A pose of which only these body joints are known."""
    pose = Pose.unknown()
    for joint, (x, y) in enumerate(points):
        pose.body[joint] = x, y, 1
    return pose


@pytest.mark.parametrize("pose, box", [
    (at((40, 20), (60, 70)), (35, 15, 65, 75)),
    (at((-30, 20), (60, 70)), (0, 15, 65, 75)),             # cut at the frame
    (at((50, 50)), (34, 34, 66, 66)),                       # grown to what SSIM needs
    (at((99.5, 99.5), (99.8, 99.8)), (84, 84, 100, 100)),
    (at((-30, 20), (-10, 70)), None),                       # outside
    (at(), None),
])
def test_person_box(pose, box):
    assert quality.person_box(pose, 100) == box


def test_nearest_poses_finds_the_disturbed_original():
    draw = np.random.default_rng(0)
    bodies = np.dstack([draw.uniform(0, 100, (30, 18, 2)), np.ones((30, 18))])
    order = draw.permutation(30)
    body = bodies[order] + [0.5, -0.5, 0]
    body[3, :5] = np.nan, np.nan, 0    # known joints decide
    body[4, :12] = np.nan, np.nan, 0   # too few
    found = quality.nearest_poses(body, bodies)
    assert found[4] == -1
    assert np.array_equal(np.delete(found, 4), np.delete(order, 4))
