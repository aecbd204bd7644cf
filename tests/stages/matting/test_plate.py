"""The plate of a known background: its colour, its noise, and the estimate of unseen pixels."""

import numpy as np
import pytest

from stages.matting import plate

SIZE, FRAMES = 64, 60


def walls():
    """A bright wall above a dark floor."""
    colour = np.full((SIZE, SIZE, 3), (180, 170, 160), np.float32)
    colour[44:] = (70, 60, 90)
    return colour


@pytest.fixture(scope="module")
def filmed():
    """Frames of that room with noise, a black figure that walks in front of it and one that never moves."""
    rng, colour = np.random.default_rng(0), walls()
    noise = np.full((SIZE, SIZE, 1), 3.0)
    noise[:, :20] = 9.0  # leaves in the wind
    pictures, covered = [], np.zeros((FRAMES, SIZE, SIZE), bool)
    for t in range(FRAMES):
        left = t // 4
        covered[t, 10:50, left : left + 12] = True
        covered[t, 10:60, 48:58] = True
        picture = colour + noise * rng.normal(size=colour.shape)
        pictures.append(np.where(covered[t, ..., None], 0, np.clip(np.rint(picture), 0, 255)).astype(np.uint8))
    return np.stack(pictures), covered


def test_colour_and_noise_of_seen_pixels(filmed):
    found, seen = plate.estimate_plate(*filmed), ~filmed[1].all(0)
    assert np.abs(found.colour - walls())[seen].mean() < 1
    for columns, noise in ((np.s_[:20], 9.0), (np.s_[20:47], 3.0)):
        assert np.median(found.noise[:, columns]) == pytest.approx(noise, rel=0.25)


def test_unseen_pixels_take_the_colour_of_their_surroundings_with_noise_that_grows_inwards(filmed):
    found = plate.estimate_plate(*filmed)
    for row, near in ((20, (180, 170, 160)), (55, (70, 60, 90))):
        assert np.abs(found.colour[row, 48] - near).max() < 12
    noise = found.noise[25, 48:53, 0]
    assert noise[0] > 5 and (np.diff(noise) > 0).all()
    assert found.noise[44, 52, 0] > found.noise[25, 52, 0]  # wall and floor meet here


def test_pixels_seen_too_rarely_count_as_unseen(filmed):
    pictures, covered = filmed
    hidden = covered.copy()
    hidden[2:, 30, 30] = True
    lucky = pictures.copy()
    lucky[:2, 30, 30] = (0, 255, 0)
    assert np.abs(plate.estimate_plate(lucky, hidden).colour[30, 30] - (180, 170, 160)).max() < 5
    nowhere = plate.estimate_plate(pictures, np.ones_like(covered))
    assert np.isfinite(nowhere.colour).all() and nowhere.noise.min() > 100
