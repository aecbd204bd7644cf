"""PSNR and SSIM compared with torchmetrics and scikit-image; alignment and sharpness on pictures with known shift, blur
and noise; boxes on small examples."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from stages.imaging import image_quality
from stages.pose.skeleton import Pose


def pictures(shape, noise, seed=0):
    draw = np.random.default_rng(seed)
    smooth = np.kron(draw.integers(0, 255, (shape[0] // 8, shape[1] // 8, 3)), np.ones((8, 8, 1)))
    return [np.clip(smooth + draw.normal(0, sigma, smooth.shape), 0, 255).astype(np.uint8) for sigma in (0, noise)]


@pytest.mark.parametrize("shape", [(64, 64), (48, 96), (16, 16)])
@pytest.mark.parametrize("noise", [2, 20, 90])
def test_against_torchmetrics(shape, noise):
    pair = pictures(shape, noise)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None].double() for x in pair]
    assert image_quality.psnr(*pair) == pytest.approx(float(peak_signal_noise_ratio(*tensors, data_range=255.0)), abs=1e-4)
    # torchmetrics' mean counts windows that reach into the mirrored border; its picture without them is the standard
    _, picture = structural_similarity_index_measure(*tensors, sigma=1.5, data_range=255.0, return_full_image=True)
    assert image_quality.ssim(*pair) == pytest.approx(float(picture[..., 5:-5, 5:-5].mean()), abs=1e-6)


@pytest.mark.parametrize("dark, light", [(0, 0), (0, 255), (255, 255), (3, 250)])
def test_every_window_against_scikit_image(dark, light):
    """Includes flat, black and white areas, where single precision is weakest."""
    a, b = pictures((64, 80), 25)
    a[:30], b[:30], a[:, 60:], b[20:40, 60:] = dark, light, light, dark
    _, theirs = structural_similarity(a, b, channel_axis=2, data_range=255, full=True, gaussian_weights=True,
                                      sigma=1.5, use_sample_covariance=False)
    found = image_quality.ssim_map(a, b)
    assert found.shape == (54, 70)
    assert np.abs(found - theirs.mean(2)[5:-5, 5:-5]).max() < 1e-4
    assert found.mean() == pytest.approx(theirs[5:-5, 5:-5].mean(), abs=1e-5)


def test_windows_that_are_partly_masked_do_not_count():
    seen = np.ones((40, 30), bool)
    seen[20, 15] = False
    whole = image_quality.whole_windows(seen)
    assert whole.shape == (30, 20)
    for top, left in ((0, 0), (9, 4), (10, 5), (20, 15), (21, 15), (20, 16), (29, 19)):
        assert whole[top, left] == seen[top : top + 11, left : left + 11].all()


def test_equal_pictures_score_best():
    a, _ = pictures((32, 32), 1)
    assert image_quality.psnr(a, a) == image_quality.MAX_PSNR
    assert image_quality.ssim(a, a) == pytest.approx(1)


def test_an_empty_mask_gives_nan():
    a, b = pictures((32, 32), 9)
    assert np.isnan([score(a, b, np.zeros((32, 32), bool)) for score in (image_quality.psnr, image_quality.aligned_psnr,
                                                                             image_quality.ssim)]).all()


def textured(side=80, seed=0):
    """Detail of two pixels and more: noise of half the size, enlarged."""
    draw = np.random.default_rng(seed).integers(0, 255, (side // 2, side // 2, 3), np.uint8)
    return cv2.resize(draw, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("shift", [(0, 0), (2, 0), (-1, 2), (-2, -2)])
def test_a_shifted_picture_is_aligned(shift):
    wide = textured(96)
    truth, moved = wide[8:-8, 8:-8], wide[8 + shift[0] : 88 + shift[0], 8 + shift[1] : 88 + shift[1]]
    assert image_quality.aligned_psnr(moved, truth) == image_quality.MAX_PSNR
    assert image_quality.psnr(moved, truth) < 25 or shift == (0, 0)


def test_blocks_move_independently_within_the_reach():
    wide = textured(96)
    truth, apart = wide[8:-8, 8:-8], wide[8:-8, 8:-8].copy()
    apart[:, :48], apart[:, 48:] = wide[8:-8, 6:54], wide[10:-6, 56:-8]
    inner = np.zeros((80, 80), bool)
    inner[:, :32], inner[:, 64:] = True, True  # not the seam, which no shift mends
    assert image_quality.aligned_psnr(apart, truth, inner) == image_quality.MAX_PSNR
    assert image_quality.aligned_psnr(apart, truth, inner, reach=1) < 25
    assert image_quality.aligned_psnr(wide[11:91, 8:-8], truth) < 25


@pytest.mark.parametrize("spoil", [
    lambda truth: cv2.GaussianBlur(truth, (0, 0), 1.5),
    lambda truth: noisy(truth, 20),
    lambda truth: textured(seed=1),
    lambda truth: np.full_like(truth, truth.mean((0, 1))),
], ids=["blur", "noise", "other", "flat"])
def test_alignment_rewards_neither_blur_nor_noise(spoil):
    truth = textured()
    plain, aligned = (score(spoil(truth), truth) for score in (image_quality.psnr, image_quality.aligned_psnr))
    assert plain - 1e-6 < aligned < plain + 0.6


@pytest.mark.parametrize("shape", [(40, 52), (16, 16), (17, 33)])
def test_aligned_psnr_equals_its_definition(shape):
    """Block by block and pixel by pixel."""
    truth, picture = textured()[: shape[0], : shape[1]], textured(seed=2)[: shape[0], : shape[1]]
    seen = np.random.default_rng(3).random(shape) < 0.9
    total = 0
    for top in range(0, shape[0] - 15, 16):
        for left in range(0, shape[1] - 15, 16):
            down, right = (start + 16 if start + 32 <= end else end for start, end in zip((top, left), shape))
            pixels = [(y, x) for y in range(top, down) for x in range(left, right) if seen[y, x]]
            errors = []
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    pairs = [(truth[y, x] / 1.0, picture[y + dy, x + dx]) for y, x in pixels
                             if 0 <= y + dy < shape[0] and 0 <= x + dx < shape[1]]
                    errors.append(np.mean([(a - b) ** 2 for a, b in pairs]))
            total += len(pixels) * min(errors)
    expected = 10 * np.log10(255**2 / (total / seen.sum()))
    assert image_quality.aligned_psnr(picture, truth, seen, reach=1) == pytest.approx(expected, abs=1e-4)


def noisy(picture, amount):
    noise = np.random.default_rng(5).normal(0, amount, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def test_sharpness_distinguishes_blur_from_noise():
    truth, inside = textured(), np.zeros((80, 80), bool)
    inside[10:-10, 10:-10] = True
    found = [image_quality.sharpness(cv2.GaussianBlur(truth, (0, 0), sigma), truth, inside) for sigma in (2, 1, 0.5)]
    found += [image_quality.sharpness(truth, truth, inside)]
    found += [image_quality.sharpness(noisy(truth, amount), truth, inside) for amount in (10, 30)]
    assert found == sorted(found) and found[2] < 1 and found[3] == 1 and found[4] > 1
    outside = np.where(inside[..., None], truth, 0)
    assert image_quality.sharpness(outside, truth, inside) == 1  # only what is inside counts


def test_sharpness_against_convolution():
    """By scipy's differences of whole pictures; for a known contrast exactly its square."""
    picture, truth = pictures((40, 56), 12)
    inside = cv2.circle(np.zeros((40, 56), np.uint8), (25, 20), 15, 1, -1) > 0

    def energy(image):
        total = 0
        for axis in (0, 1):
            step = correlate1d(image.astype(float), [-1, 1], axis, origin=-1, mode="constant")
            total += (step**2).sum(2)[inside & np.roll(inside, -1, axis)].sum()
        return total

    assert image_quality.sharpness(picture, truth, inside) == pytest.approx(energy(picture) / energy(truth))
    half = (truth // 2 * 2, truth // 2)
    assert image_quality.sharpness(half[1], half[0], inside) == pytest.approx(0.25)


def test_sharpness_of_a_flat_reference_is_nan():
    a, _ = pictures((32, 32), 9)
    assert np.isnan(image_quality.sharpness(a, a, np.zeros((32, 32), bool)))
    assert np.isnan(image_quality.sharpness(a, np.full_like(a, 7), np.ones((32, 32), bool)))


def at(*points):
    """A pose with only these body joints known."""
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
    assert image_quality.person_box(pose, 100) == box
