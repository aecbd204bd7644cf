"""Shadows of known darkness on a textured wall."""

import cv2
import numpy as np
import pytest

from stages.imaging import compositing
from stages.learning.frame_store import foreground_with_shadow
from stages.matting import shadows
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
    assert found[..., :3].max() < 0.03
    found = found[..., 3]
    assert found[50:100, 80:92] == pytest.approx(darkness, abs=0.02)
    assert found[:, :44].max() < 0.01 and found[:30].max() < 0.01 and found[:, 110:].max() < 0.01


def test_over_the_background_it_gives_the_picture():
    filmed = picture(0.3)
    alone, both = (compositing.over(extract(filmed, PERSON, WALL).astype(np.float32), WALL)
                   for extract in (compositing.extract_foreground, foreground_with_shadow))
    inside = np.s_[45:105, 75:95]
    assert np.abs(alone[inside].astype(int) - filmed[inside]).mean() > 30
    assert np.abs(both[inside].astype(int) - filmed[inside]).mean() < 3


def test_the_light_that_is_reflected_into_a_shadow_has_its_colour():
    wall = WALL[..., :1].repeat(3, 2)
    filmed, light = wall.astype(float), np.array([0.9, 0.75, 0.6])
    filmed[40:110, 70:100] *= light
    filmed = np.rint(filmed).astype(np.uint8)
    found = shadow(filmed, PERSON, wall)
    assert found[50:100, 80:92, 3] == pytest.approx(0.4, abs=0.02)
    lit = compositing.over(255 * found, wall)[50:100, 80:92].astype(float)
    assert (lit / wall[50:100, 80:92]).mean((0, 1)) == pytest.approx(light, abs=0.02)


def test_a_dark_channel_decides_little():
    """Grass, whose blue is 20 in the picture and 35 in the background: the layer is nearly transparent."""
    grass, filmed = (np.full((SIDE, SIDE, 3), (110, 140, blue), np.uint8) for blue in (35, 20))
    found = shadow(filmed, PERSON, grass)
    assert found[..., 3].max() < 0.15
    lit = compositing.over(255 * found, grass)[PERSON == 0].astype(int)
    assert np.abs(lit - (110, 140, 20)).max() <= 15


def test_a_soft_outline_in_shadow_gives_the_picture():
    soft = cv2.GaussianBlur(PERSON, (0, 0), 2.0)
    wall = np.full_like(WALL, 180)
    dark = wall.astype(float)
    dark[:, 20:110] *= 0.7
    share = soft[..., None] / 255
    filmed = np.rint(share * 20 + (1 - share) * dark).astype(np.uint8)
    shown = compositing.over(foreground_with_shadow(filmed, soft, wall).astype(np.float32), wall)
    rim = (soft > 20) & (soft < 235)
    rim[:45], rim[95:] = False, False
    assert np.abs(shown[rim].astype(int) - filmed[rim]).max() <= 4


def test_noise_and_brighter_places_are_none():
    noisy = np.clip(WALL + np.random.default_rng(1).normal(0, 4, WALL.shape), 0, 255).astype(np.uint8)
    assert shadow(noisy, PERSON, WALL).max() < 0.01
    assert not shadow(np.minimum(WALL + 30, 255).astype(np.uint8), PERSON, WALL).any()


def test_it_is_never_black_and_continues_behind_the_person():
    found = shadow(picture(1.0, slice(30, 100)), PERSON, WALL)[..., 3]
    assert found.max() < DARKEST + 1e-4 and found[60:90, 52:68].min() > 0.5 * DARKEST


def test_the_shadow_of_a_large_picture_is_computed_at_lower_resolution(monkeypatch):
    inputs = [cv2.resize(one, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST) for one in (picture(0.3), PERSON, WALL)]
    found = shadow(*inputs)
    monkeypatch.setattr(shadows, "LARGE", 4 * SIDE)
    assert np.abs(found - shadow(*inputs)).max() < 0.02 and found.shape == (4 * SIDE, 4 * SIDE, 4)
