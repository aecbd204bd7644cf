"""Eq. 12 against its own arithmetic in floats."""

import numpy as np

from stages.vision.blend import compose, straight


def test_composition_is_the_linear_sum():
    rng = np.random.default_rng(0)
    foreground, background = rng.integers(0, 256, (9, 7, 4), np.uint8), rng.integers(0, 256, (9, 7, 3), np.uint8)
    mask = foreground[..., 3:] / 255
    expected = mask * foreground[..., :3] + (1 - mask) * background
    assert np.abs(compose(foreground, background) - expected).max() <= 0.51


def test_straight_alpha_composes_like_the_premultiplied_picture():
    rng = np.random.default_rng(1)
    alpha = rng.random((8, 8, 1))
    premultiplied = np.concatenate([rng.random((8, 8, 3)) * alpha, alpha], -1)
    background = rng.integers(0, 256, (8, 8, 3), np.uint8)
    expected = premultiplied[..., :3] * 255 + (1 - alpha) * background
    assert np.abs(compose(straight(premultiplied), background) - expected).max() < 2
