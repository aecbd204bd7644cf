"""Flow, warping and TCM on pictures with known motion."""

import cv2
import numpy as np
import pytest

from stages.imaging import optical_flow

INNER = np.s_[16:-16, 16:-16]


def texture(seed=0, side=96):
    noise = np.random.default_rng(seed).integers(0, 255, (side // 6, side // 6, 3), np.uint8)
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)


def warped(picture, matrix):
    return cv2.warpAffine(picture, np.float32(matrix), picture.shape[1::-1], flags=cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REFLECT)


def shift(dx, dy):
    return np.array([[1, 0, dx], [0, 1, dy]], float)


def turn(degrees, scale=1.0, side=96):
    return cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, degrees, scale)


def noisy(picture, amount, seed):
    noise = np.random.default_rng(seed).normal(0, amount, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


class Known:
    """A flow model with a given result."""

    name = "known"

    def __init__(self, forward, backward):
        self._flows = tuple(np.broadcast_to(np.float32(one), (96, 96, 2)).copy() for one in (forward, backward))

    def both(self, first, second):
        return self._flows


def steadiness(model, pair, reference, seen=None):
    """TCM, warp error, and the reference's."""
    motion = optical_flow.FlowPair.measure(model, reference, seen)
    return *optical_flow.temporal_consistency(motion, pair), motion.error


@pytest.mark.parametrize("matrix", [shift(3, 0), shift(0, -2), shift(2.5, 1.5), turn(3), turn(-2, 1.03)], ids=str)
def test_dis_finds_a_motion_and_warping_undoes_it(matrix):
    first = texture()
    second = warped(first, matrix)
    model = optical_flow.choose_flow("dis", None)
    found, back = model.both(first, second)
    y, x = np.mgrid[:96, :96]
    true = np.stack([x, y], -1) @ matrix[:, :2].T + matrix[:, 2] - np.stack([x, y], -1)
    assert np.median(np.linalg.norm(found - true, axis=-1)[INNER]) < 0.1
    assert np.array_equal(found, model(first, second)) and np.array_equal(back, model(second, first))
    assert np.abs(optical_flow.warp(second, true.astype(np.float32))[INNER].astype(float) - first[INNER]).mean() < 4
    assert optical_flow.unoccluded(found, back)[INNER].mean() > 0.95


def test_covered_pixels_are_occluded():
    """A square moves to the right over a wall: the part of the wall that it covers next is occluded."""
    wall, square = texture(1), texture(2)[:30, :30]
    first, second = wall.copy(), wall.copy()
    first[30:60, 20:50], second[30:60, 26:56] = square, square
    mask = optical_flow.unoccluded(*optical_flow.DisFlow().both(first, second))
    assert mask[35:55, 22:46].mean() > 0.9      # the square itself
    assert mask[35:55, 51:55].mean() < 0.5      # what it covers
    assert mask[:20].mean() > 0.95


def test_pixels_that_leave_the_picture_are_occluded():
    mask = optical_flow.unoccluded(*Known((5, -3), (-5, 3)).both(None, None))
    assert np.array_equal(mask, np.pad(np.ones((93, 91), bool), ((3, 0), (0, 5))))


@pytest.mark.parametrize("motion", [shift(2, 0), shift(-1.5, 1), turn(1.5)], ids=str)
def test_tcm_is_one_for_a_copy_and_falls_with_flicker(motion):
    reference = [noisy(picture, 3, i) for i, picture in enumerate((texture(1), warped(texture(1), motion)))]
    found = []
    for amount in (0, 2, 4, 8, 16, 40):
        flicker = [noisy(picture, amount, 9 + i) if amount else picture for i, picture in enumerate(reference)]
        tcm, own, given = steadiness(optical_flow.DisFlow(), flicker, reference)
        assert (own > given) == (amount > 0)
        found.append(tcm)
    assert found[0] == pytest.approx(1) and all(a > b for a, b in zip(found, found[1:])) and found[-1] < 0.01


def test_a_frozen_and_a_smoothed_video_have_a_lower_tcm_than_a_copy():
    reference = [noisy(picture, 3, i) for i, picture in enumerate((texture(1), warped(texture(1), shift(2, 0))))]
    frozen = steadiness(optical_flow.DisFlow(), (reference[0], reference[0]), reference)[0]
    smooth = [cv2.GaussianBlur(picture, (0, 0), 3) for picture in reference]  # changes less than the reference does
    tcm, own, given = steadiness(optical_flow.DisFlow(), smooth, reference)
    assert frozen < 0.01 and own < given and np.exp(-1) < tcm < 0.7


@pytest.mark.parametrize("seen", [None, np.tri(96, dtype=bool)], ids=["everything", "half"])
def test_tcm_equals_its_definition(seen):
    """For a motion of whole pixels, by slices."""
    first, second = texture(1), noisy(np.roll(texture(1), (3, 5), (0, 1)), 2, 0)
    pair = texture(3), texture(4)
    tcm, own, given = steadiness(Known((5, 3), (-5, -3)), pair, (first, second), seen)
    inside = np.s_[:-3, :-5]
    weight = np.ones((93, 91)) if seen is None else seen[inside]

    def total(a, b):
        return (weight[..., None] * ((b[3:, 5:] / 255 - a[inside] / 255) ** 2)).sum()

    assert tcm == pytest.approx(np.exp(-abs(total(*pair) / (total(first, second) + 1e-9) - 1)), rel=1e-4, abs=1e-12)
    assert own == pytest.approx(total(*pair) / weight.sum() / 3, rel=1e-5)
    assert given == pytest.approx(total(first, second) / weight.sum() / 3, rel=1e-5)


def test_tcm_of_a_static_reference_is_nan():
    wall = texture()
    tcm, own, given = steadiness(optical_flow.DisFlow(), (wall, texture(1)), (wall, wall))
    assert np.isnan(tcm) and own > 0 and given == 0
    assert np.isnan(steadiness(optical_flow.DisFlow(), (wall, wall), (wall, texture(1)), np.zeros((96, 96), bool))[0])


def placed(picture, similarity, size):
    """The picture moved and scaled, (size, size, 3), mirrored beyond its edges."""
    matrix = np.float32([[similarity.scale, 0, 0], [0, similarity.scale, 0]])
    matrix[:, 2] = similarity(np.zeros(2))
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("scale", [1.0, 1.3, 0.7])
@pytest.mark.parametrize("offset", [(0, 0), (7, -5), (-12.5, 9), (40, -11)], ids=str)
def test_a_reference_that_was_moved_and_scaled_has_tcm_one(scale, offset):
    """It brightens from frame to frame, which interpolation does not change."""
    first = texture(1) // 2 + 20
    reference = first, warped(first, shift(2.5, -1)) + np.uint8(12)
    similarity = optical_flow.SimilarityTransform(scale, np.array(offset, float))
    pair = [placed(picture, similarity, 112) for picture in reference]
    nobody = np.zeros((112, 112), bool)
    motion = optical_flow.FlowPair.transferred(optical_flow.DisFlow(), reference, (similarity, similarity), nobody)
    assert np.median(np.abs(motion.flow[motion.mask] - np.float32([2.5, -1]) * scale)) < 0.2
    assert 0.75 < motion.mask.sum() / reached(similarity) < 1
    assert optical_flow.temporal_consistency(motion, pair)[0] == pytest.approx(1, abs=0.06)
    still = optical_flow.FlowPair(np.zeros_like(motion.flow), motion.mask, motion.error)
    assert optical_flow.temporal_consistency(still, pair)[0] < 0.8


def reached(similarity):
    """Pixels of a picture of 112 x 112 that a picture of 96 x 96 covers."""
    low, high = similarity.offset, 96 * similarity.scale + similarity.offset
    return np.prod(np.minimum(high, 112) - np.maximum(low, 0))


def test_the_person_moves_with_the_transform_and_the_wall_does_not():
    """The person grows and drifts by more than the reference moves."""
    wall, person = texture(1), np.zeros((96, 96), bool)
    person[30:70, 30:60] = True
    here = optical_flow.SimilarityTransform(1.0, np.array([0.0, 0.0]))
    there = optical_flow.SimilarityTransform(1.1, np.array([-3.0, 1.0]))
    motion = optical_flow.FlowPair.transferred(Known((2, 1), (-2, -1)), (wall, wall), (here, there), person)
    for y, x in ((30, 30), (50, 40), (69, 59)):
        expected = 1.1 * (x + 0.5 + 2) - 3 - (x + 0.5), 1.1 * (y + 0.5 + 1) + 1 - (y + 0.5)
        assert motion.flow[y, x] == pytest.approx(expected, abs=1e-4)
    assert motion.flow[10, 80] == pytest.approx([2, 1], abs=1e-5)
