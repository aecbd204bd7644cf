"""S."""

import pytest

from stages import frame_size, presets


@pytest.mark.parametrize("side, least, most, expected", [
    (100, 256, 320, 256), (256, 256, 320, 256), (257, 256, 320, 320), (385, 256, 640, 448), (309, 256, 320, 320), (900, 256, 320, 320), (900, 512, 512, 512)])
def test_s_is_the_number_of_pixels_of_the_square_within_limits(side, least, most, expected):
    assert frame_size.choose_frame_size(side, least, most) == expected


def test_parameters_have_the_same_steps():
    assert (presets.SIZE_STEP, presets.CHOSEN_STEP) == (frame_size.SIZE_STEP, frame_size.CHOSEN_STEP)
