import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from stages.media import yuv
from stages.media.colour import EXACT


def coloured(height: int, width: int, blur: float, seed: int = 1) -> np.ndarray:
    """Coloured spots, without colours that YUV clips."""
    noise = np.random.default_rng(seed).normal(0, 60, (height, width, 3))
    return (128 + blur * cv2.GaussianBlur(noise, (0, 0), blur)).clip(20, 235).round().astype(np.uint8)


def swscale(picture: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
    return frame


@pytest.mark.parametrize("size", [(2, 2), (2, 48), (46, 32), (64, 96)])
def test_a_decoded_picture_is_encoded_to_the_same_codes(size):
    first = yuv.from_rgb(coloured(*size, 2.0))
    again = yuv.from_rgb(yuv.to_rgb(first))
    assert np.abs(again.to_ndarray().astype(int) - first.to_ndarray().astype(int)).max() <= 1


def test_plain_colours_have_their_exact_codes():
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255], [90, 120, 33]])
    expected = [(16, 128, 128), (235, 128, 128), (81, 90, 240), (41, 240, 110)]  # of BT.601
    for colour, codes in zip(colours, [*expected, None]):
        planes = yuv.from_rgb(np.full((8, 8, 3), colour, np.uint8)).to_ndarray()
        exact = swscale(np.full((8, 8, 3), colour, np.uint8)).to_ndarray()
        found = planes[0, 0], planes[8, 0], planes[10, 0]
        if codes:
            assert found == codes
        assert np.abs(planes.astype(int) - exact).max() <= 1  # swscale rounds down


@pytest.mark.parametrize("blur", [0.7, 1.0, 2.0])
def test_colours_survive_encoding_and_decoding_better_than_with_swscale(blur):
    picture = coloured(64, 96, blur)
    error = {name: np.abs(frame.to_ndarray(format="rgb24", interpolation=Interpolation.BILINEAR | EXACT).astype(int)
                          - picture).mean() for name, frame in (("ours", yuv.from_rgb(picture)), ("sws", swscale(picture)))}
    assert error["ours"] < 0.9 * error["sws"]
