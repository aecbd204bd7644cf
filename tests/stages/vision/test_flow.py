"""Flow, warping and TCM on pictures whose motion is known."""

import cv2
import numpy as np
import pytest

from stages.vision import flow


def texture(seed=0, side=96):
    noise = np.random.default_rng(seed).integers(0, 255, (side // 6, side // 6, 3), np.uint8)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)


def shifted(picture, dx, dy):
    return cv2.warpAffine(picture, np.float32([[1, 0, dx], [0, 1, dy]]), picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("dx, dy", [(3, 0), (0, -2), (2.5, 1.5)])
def test_flow_and_warp_undo_a_shift(dx, dy):
    first, inner = texture(), np.s_[12:-12, 12:-12]
    second = shifted(first, dx, dy)
    found = flow.dis(first, second)
    assert np.abs(np.median(found[inner], axis=(0, 1)) - [dx, dy]).max() < 0.1
    exact = np.full_like(found, 0) + np.float32([dx, dy])
    assert np.abs(flow.warp(second, exact)[inner].astype(float) - first[inner]).mean() < 4


def test_what_gets_covered_is_occluded():
    """A square moves right over a wall: the wall that it covers next is not visible."""
    wall, square = texture(1), texture(2)[:30, :30]
    first, second = wall.copy(), wall.copy()
    first[30:60, 20:50], second[30:60, 26:56] = square, square
    mask = flow.visible(flow.dis(first, second), flow.dis(second, first))
    assert mask[35:55, 22:46].mean() > 0.9      # the square itself
    assert mask[35:55, 51:55].mean() < 0.5      # what it covers
    assert mask[:20].mean() > 0.95


@pytest.mark.parametrize("noise, low, high", [(0, 0.99, 1.0), (3, 0.1, 0.9), (40, 0.0, 0.05)])
def test_tcm_falls_with_flicker(noise, low, high):
    draw = np.random.default_rng(0)
    wall = texture(1)
    first = np.clip(wall + draw.normal(0, 3, wall.shape), 0, 255).astype(np.uint8)
    second = np.clip(shifted(wall, 2, 0) + draw.normal(0, 3, wall.shape), 0, 255).astype(np.uint8)
    flicker = [np.clip(x + draw.normal(0, noise, x.shape), 0, 255).astype(np.uint8) for x in (first, second)]
    tcm, own, given = flow.steadiness(flicker, (first, second))
    assert low <= tcm <= high
    assert (own > given) == (noise > 0)


def test_tcm_is_its_definition():
    first, second = texture(1), shifted(texture(1), 1, 2)
    pair = texture(3), texture(4)
    forward, backward = flow.dis(first, second), flow.dis(second, first)
    mask = flow.visible(forward, backward)

    def total(a, b):
        difference = (flow.warp(b, forward).astype(float) - a) / 255
        return (mask[..., None] * difference**2).sum()

    expected = np.exp(-abs(total(*pair) / (total(first, second) + 1e-9) - 1))
    assert flow.steadiness(pair, (first, second))[0] == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_static_reference_has_no_tcm():
    wall = texture()
    assert np.isnan(flow.steadiness((wall, texture(1)), (wall, wall))[0])
