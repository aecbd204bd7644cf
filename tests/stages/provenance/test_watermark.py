"""The watermark: what is written is read again, after attacks too, and nothing is read where nothing was written."""

import cv2
import numpy as np
import pytest

from stages.provenance import watermark
from tests.stages.provenance import attacks

NUMBER = 0xB52E


@pytest.fixture(scope="module")
def pictures(stranger) -> np.ndarray:
    """(54, 256, 256, 3): a rendered stranger waves in a room, there and back and there again."""
    return np.stack([*stranger.pictures, *stranger.pictures[::-1], *stranger.pictures])


@pytest.fixture(scope="module")
def marked(pictures) -> np.ndarray:
    """As fusion writes them: at CRF 18."""
    mark = watermark.Mark(NUMBER, (256, 256))
    return attacks.h264(np.stack([mark.over(picture) for picture in pictures]), 18)


@pytest.mark.parametrize("attack", attacks.ALL)
def test_the_number_is_read_after_attacks(marked, attack):
    found = watermark.find(attacks.ALL[attack](marked)[::9])
    assert found.sure and found.number == NUMBER
    assert found.scale == (2 if attack in ("half the size", "all three") else 1)


def test_a_mirror_image_is_read_too(marked):
    found = watermark.find(np.ascontiguousarray(marked[:4, :, ::-1]), scales=[1])
    assert found.sure and found.number == NUMBER


def test_large_pictures_are_changed_less(pictures):
    large = np.full((720, 1280, 3), 128, np.uint8)
    added = watermark.Mark(NUMBER, (1280, 720)).over(large).astype(float) - 128
    assert 1.7 < added.std() < 1.9


@pytest.mark.parametrize("number", [0, 1, 0x8000, 0xFFFF, 0x5555])
def test_every_number_is_its_own(pictures, number):
    found = watermark.find([watermark.Mark(number, (256, 256)).over(pictures[0])], scales=[1])
    assert found.sure and found.number == number


def test_three_signs_of_a_word_may_be_wrong():
    """Any two words of the code differ in eight."""
    places, _, owner = watermark._plan()
    spectrum = np.fft.fft2(watermark.tile(NUMBER))
    for wrong in ((0, 1, 2), (5, 17, 31)):
        spoilt = np.zeros_like(spectrum)
        spoilt[tuple(places.T)] = spectrum[tuple(places.T)] * np.where(np.isin(owner, wrong), -1, 1)
        found = watermark.match(np.fft.ifft2(spoilt).real)
        assert found.sure and found.number == NUMBER


def test_nothing_is_found_where_nothing_was_written(pictures):
    for shown in (pictures, attacks.half(pictures), np.roll(pictures, 7, 1), np.full((1, 90, 120, 3), 77, np.uint8),
                  np.random.default_rng(0).integers(0, 256, (2, 200, 160, 3), np.uint8)):
        assert watermark.find(shown[:2]).certainty < watermark.SURE


def test_chance_is_what_certainty_says():
    """The best place in noise is as certain as the largest of so many normal deviates."""
    rng = np.random.default_rng(0)
    found = [watermark.match(rng.normal(size=(watermark.TILE, watermark.TILE))).certainty for _ in range(60)]
    largest = rng.normal(size=(60, watermark.TILE**2)).max(1)
    assert np.mean(found) == pytest.approx(largest.mean(), abs=0.25) and max(found) < watermark.SURE


def test_a_crop_is_found_where_it_began(pictures):
    one = watermark.Mark(NUMBER, (256, 256)).over(pictures[0])
    whole, cut = (watermark.levelled(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY).astype(np.float32), 1)
                  for shown in (one, one[37:, 90:]))
    a, b = watermark.match(watermark.folded(whole)), watermark.match(watermark.folded(cut))
    assert a.number == b.number == NUMBER and b.certainty > 0.7 * a.certainty


def test_the_pattern_is_grey_faint_and_coarse():
    plain = np.full((256, 256, 3), 128, np.uint8)
    added = watermark.Mark(NUMBER, (256, 256)).over(plain).astype(float) - plain
    assert np.array_equal(added[..., 0], added[..., 1]) and np.array_equal(added[..., 0], added[..., 2])
    assert 10 * np.log10(255**2 / (added**2).mean()) > 40 and abs(added.mean()) < 0.1
    power = np.abs(np.fft.fft2(added[..., 0])) ** 2
    pace = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256)] * 2))
    assert power[pace <= 0.15].sum() > 0.95 * power.sum()


def test_black_and_white_stay_in_range():
    for value in (0, 255):
        plain = np.full((64, 64, 3), value, np.uint8)
        assert np.abs(watermark.Mark(NUMBER, (64, 64)).over(plain).astype(int) - value).max() < 12


def test_the_pattern_never_changes():
    """A video of years ago is read by the code of today."""
    grey = np.full((6, 6, 3), 100, np.uint8)
    found = watermark.Mark(NUMBER, (6, 6)).over(grey)[::5, :, 0]
    assert found.tolist() == [[95, 96, 97, 97, 98, 100], [101, 100, 99, 99, 99, 100]]
