"""Eq. 12 compared with float arithmetic."""

import numpy as np

from stages.imaging.compositing import compose, extract_foreground, over, straight


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


def test_an_extracted_foreground_composes_to_the_picture_again():
    """Bit for bit, for every alpha and background; where no colour can give the pixel, the nearest possible value."""
    rng = np.random.default_rng(2)
    alpha, background = np.mgrid[:256, :256].astype(np.uint8)
    background = np.stack([background, background[:, ::-1], rng.permuted(background, axis=1)], -1)
    rest = (255 - alpha[..., None]) / 255
    least = np.rint(rest * background).astype(np.uint8)
    picture = (least + np.floor(rng.random((256, 256, 3)) * (alpha[..., None] + 1))).astype(np.uint8)
    found = extract_foreground(picture, alpha, background)
    assert (found[..., 3] == alpha).all() and (found[..., :3] <= alpha[..., None]).all()
    assert (over(found.astype(np.float32), background) == picture).all()
    for wrong, nearest in ((0, least), (255, least + alpha[..., None])):
        found = extract_foreground(np.full_like(picture, wrong), alpha, background)
        assert np.abs(found[..., :3] + rest * background - nearest).max() < 0.51
