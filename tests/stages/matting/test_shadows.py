"""Shadows of known darkness on a textured wall."""

import numpy as np
import pytest

from stages.imaging import compositing
from stages.matting.shadows import DARKEST, shadow

SIDE = 128
WALL = np.random.default_rng(0).integers(120, 200, (SIDE, SIDE, 3)).astype(np.uint8)
PERSON = np.zeros((SIDE, SIDE), np.uint8)
PERSON[30:110, 50:70] = 255


def picture(darkness: float, columns: slice = slice(70, 100)) -> np.ndarray:
    """A person in dark clothes before the wall, whose shadow falls to the right."""
    found = WALL.astype(float)
    found[40:110, columns] *= 1 - darkness
    return np.where(PERSON[..., None] > 0, 20, np.rint(found)).astype(np.uint8)


@pytest.mark.parametrize("darkness", [0.1, 0.3, 0.5])
def test_a_shadow_is_found_with_its_darkness_and_nothing_else(darkness):
    found = shadow(picture(darkness), PERSON, WALL)
    assert found[50:100, 80:92] == pytest.approx(darkness, abs=0.02)
    assert found[:, :44].max() < 0.01 and found[:30].max() < 0.01 and found[:, 110:].max() < 0.01


def test_over_the_background_it_gives_the_picture():
    filmed = picture(0.3)
    foreground = compositing.extract_foreground(filmed, PERSON, WALL)
    alone = compositing.over(foreground.astype(np.float32), WALL)
    foreground[..., 3] = np.rint(PERSON + (255 - PERSON) * shadow(filmed, PERSON, WALL))
    both = compositing.over(foreground.astype(np.float32), WALL)
    inside = np.s_[45:105, 75:95]
    assert np.abs(alone[inside].astype(int) - filmed[inside]).mean() > 30
    assert np.abs(both[inside].astype(int) - filmed[inside]).mean() < 3


def test_noise_and_brighter_places_are_none():
    noisy = np.clip(WALL + np.random.default_rng(1).normal(0, 4, WALL.shape), 0, 255).astype(np.uint8)
    assert shadow(noisy, PERSON, WALL).max() < 0.01
    assert not shadow(np.minimum(WALL + 30, 255).astype(np.uint8), PERSON, WALL).any()


def test_it_is_never_black_and_continues_behind_the_person():
    found = shadow(picture(1.0, slice(30, 100)), PERSON, WALL)
    assert found.max() < DARKEST + 1e-4 and found[60:90, 52:68].min() > 0.5 * DARKEST
