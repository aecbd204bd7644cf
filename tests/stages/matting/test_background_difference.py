"""The second pass on drawn people in front of a known plate: parts that the network missed are recovered, shadows are
not, and where colours are ambiguous the network decides."""

import cv2
import numpy as np
import pytest

from stages.matting.background_difference import DifferenceMatting
from stages.matting.plate import Plate

SIZE = 128
SHIRT, ALIKE = (170, 70, 60), (128, 132, 141)
SEEN = np.ones((SIZE, SIZE), bool)


def room():
    rng = np.random.default_rng(1)
    texture = cv2.resize(rng.normal(0, 14, (16, 16, 1)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return np.float32([130, 140, 150]) + texture[..., None].astype(np.float32)


def against(noise=2.0):
    return DifferenceMatting.from_plate(Plate(room(), np.full((SIZE, SIZE, 3), noise, np.float32)))


def figure():
    """True alpha (S, S): a body, an arm and three fingers, anti-aliased."""
    big = np.zeros((8 * SIZE, 8 * SIZE), np.uint8)
    at = lambda *point: tuple(8 * value for value in point)
    cv2.ellipse(big, at(60, 70), at(18, 44), 0, 0, 360, 255, -1)
    cv2.line(big, at(70, 50), at(98, 34), 255, 8 * 8)
    for tip in ((108, 22), (112, 30), (110, 40)):
        cv2.line(big, at(98, 34), at(*tip), 255, 8 * 2)
    return cv2.resize(big, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def film(alpha, background, colour=SHIRT):
    rng = np.random.default_rng(2)
    shade = 1 + 0.08 * np.sin(np.mgrid[:SIZE, :SIZE][1] / 9)[..., None]
    picture = alpha[..., None] * np.float32(colour) * shade + (1 - alpha[..., None]) * background
    return np.clip(np.rint(picture + rng.normal(0, 2, picture.shape)), 0, 255).astype(np.uint8)


def guess(alpha):
    """A network's mask of it: blurred, shifted by a pixel, thin parts faint."""
    mask = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((5, 5)))
    mask = np.maximum(mask, 0.15 * cv2.dilate(alpha, np.ones((3, 3))))
    return cv2.GaussianBlur(cv2.warpAffine(mask, np.float32([[1, 0, 1], [0, 1, -1]]), mask.shape), (0, 0), 1.2)


def overlap(found, true):
    a, b = found > 0.5, true > 0.5
    return (a & b).sum() / (a | b).sum()


def test_edges_and_fingers_are_recovered():
    true = figure()
    soft, found = guess(true), against().alpha(film(true, room()), guess(true), SEEN)
    assert overlap(soft, true) < 0.93
    assert overlap(found, true) > 0.985
    fingers = np.s_[15:50, 102:118]
    assert np.abs(soft - true)[fingers].sum() > 0.9 * true[fingers].sum()
    assert np.abs(found - true)[fingers].sum() < 0.4 * true[fingers].sum()
    edge = (true > 0) & (true < 1)
    assert np.abs(found - true)[edge].mean() < 0.1 < 0.2 < np.abs(soft - true)[edge].mean()


@pytest.mark.parametrize("light", [0.45, 0.6, 0.8])
def test_a_shadow_does_not_become_person(light):
    true = figure()
    shadow = np.zeros((SIZE, SIZE), np.float32)
    cv2.ellipse(shadow, (78, 112), (34, 9), 0, 0, 360, 1, -1)  # begins under the body
    shaded = room() * (1 - (1 - light) * cv2.GaussianBlur(shadow, (0, 0), 3))[..., None]
    soft = np.maximum(guess(true), 0.3 * cv2.erode(shadow, np.ones((5, 5))))  # the network is half taken in
    found = against().alpha(film(true, shaded), soft, SEEN)
    lying = (shadow > 0) & (cv2.dilate(true, np.ones((3, 3))) == 0)
    assert soft[lying].mean() > 0.1 and found[lying].mean() < 0.01
    assert overlap(found, true) > 0.98


def test_where_person_and_plate_have_similar_colours_the_network_decides():
    true = figure()
    wall = np.full((SIZE, SIZE, 3), ALIKE, np.float32)
    picture = np.random.default_rng(0).normal(ALIKE, 2, (SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(true, (0, 0), 1.0)
    found = DifferenceMatting.from_plate(Plate(wall, np.full_like(wall, 2))).alpha(picture, soft, SEEN)
    assert overlap(found, soft) > 0.9


def test_an_uncertain_plate_changes_little():
    true = figure()
    soft = guess(true)
    shirt, noise = np.full((SIZE, SIZE, 3), SHIRT, np.float32), np.full((SIZE, SIZE, 3), 500, np.float32)
    wrong = DifferenceMatting.from_plate(Plate(shirt, noise))
    assert overlap(wrong.alpha(film(true, room()), soft, SEEN), soft) > 0.95


def test_pixels_far_from_the_person_and_empty_masks_stay_empty():
    true = figure()
    picture = film(true, room())
    cv2.circle(picture, (20, 24), 9, (250, 250, 250), -1)  # a ball in the air
    found = against().alpha(picture, guess(true), SEEN)
    assert found[:40, :34].max() == 0
    assert not against().alpha(picture, np.zeros((SIZE, SIZE), np.float32), SEEN).any()
