"""A decoded frame as RGB for a standard display: (height, width, 3) uint8, BT.709 primaries.

The frame's own matrix (BT.601, BT.709, BT.2020), range (limited, full), depth and chroma grid are honoured; where it
does not say its matrix it is taken for BT.709 from 720 lines on and for BT.601 below. Wide gamuts (BT.2020, Display P3)
are converted through linear light. High dynamic range (PQ, HLG; BT.2100) is shown on a screen of 1,000 cd/m2 and mapped
to the 203 cd/m2 of a standard white with the curve of BT.2390-10, section 5.4. What is transparent shows mid grey.
"""

from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation

from stages import InputError

UNSAID = 2         # matrix, in H.273's numbers
HD = 720           # lines
SCREEN = 1000.0    # cd/m2, peak of the screen that PQ and HLG are shown on
WHITE = 203.0      # cd/m2, of a diffuse white (BT.2408)
GAMMA = 2.4        # of a standard display (BT.1886)
GREY = 128
EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT  # for 8 bits out: without, 4:2:0 comes 1 to 2 too dark
_TO_BT709 = {      # linear RGB of other primaries, same white
    ColorPrimaries.BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    ColorPrimaries.SMPTE432: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0196, -0.0786, 1.0979]],
}
_LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # of BT.2020
_ALL = np.linspace(0, 1, 2**16)


def rgb(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
    """The picture as it was stored, or every so many-th pixel of it: `size` (width, height)."""
    if frame.colorspace == UNSAID:
        frame.colorspace = Colorspace.ITU709 if frame.height >= HD else Colorspace.ITU601
    if frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67) or frame.color_primaries in _TO_BT709:
        return _shown(_array(frame, "rgb48le", size), frame.color_trc, frame.color_primaries)
    if any(component.is_alpha for component in frame.format.components):
        return over_grey(_array(frame, "rgba", size))
    return _array(frame, "rgb24", size)


def over_grey(rgba: np.ndarray) -> np.ndarray:
    alpha = cv2.merge([rgba[..., 3]] * 3).astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + GREY * (1 - alpha)).astype(np.uint8)


def _array(frame: av.VideoFrame, kind: str, size: tuple[int, int] | None) -> np.ndarray:
    exact = Interpolation.ACCURATE_RND if kind == "rgb48le" else EXACT
    width, height = size or (frame.width, frame.height)
    method = Interpolation.POINT if size else Interpolation.BILINEAR
    try:
        return frame.to_ndarray(width=width, height=height, format=kind, interpolation=method | exact)
    except av.FFmpegError as error:
        raise InputError(f"a frame's colours ({frame.format.name}, matrix {int(frame.colorspace)}) cannot be converted "
                         f"({error.strerror}); export the video again, as H.264 in MP4") from None


def _shown(codes: np.ndarray, curve: int, primaries: int) -> np.ndarray:
    """RGB codes (H, W, 3) uint16 of a wide gamut or high dynamic range, as a standard display shows them."""
    light = cv2.LUT(codes, _to_light(curve))
    if curve == ColorTrc.ARIB_STD_B67:  # scene light; the screen's own gamma acts on its luminance
        light *= cv2.pow(cv2.transform(light, _LUMINANCE), 0.2)[..., None]
    if curve in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67):
        strongest = cv2.max(cv2.max(light[..., 0], light[..., 1]), light[..., 2])
        light *= cv2.LUT(_steps(strongest), _gain())[..., None]
    light = cv2.transform(light, np.array(_TO_BT709.get(primaries, np.eye(3)), np.float32))
    return cv2.LUT(_steps(light), _to_code())


def _steps(light: np.ndarray) -> np.ndarray:
    """Light in [0, 1], clipped, as steps of its square root: fine where it is dark."""
    return cv2.multiply(cv2.sqrt(cv2.max(light, 0)), 2**16 - 1, dtype=cv2.CV_16U)


@cache
def _to_light(curve: int) -> np.ndarray:
    """Of every 16-bit code its light: PQ, and others as a standard display, shares of the screen's peak; HLG, of the
    scene."""
    if curve == ColorTrc.SMPTE2084:
        light = np.minimum(pq_to_nits(_ALL) / SCREEN, 1)
    elif curve == ColorTrc.ARIB_STD_B67:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(_ALL <= 0.5, _ALL**2 / 3, (np.exp((_ALL - c) / a) + b) / 12)
    else:
        light = _ALL**GAMMA
    return light.astype(np.float32)


@cache
def _gain() -> np.ndarray:
    """Of every step of light on the screen, what it is to be multiplied with: BT.2390's EETF, relative to WHITE."""
    light = np.maximum(_ALL, 1 / 2**16) ** 2
    top, white = nits_to_pq(SCREEN), nits_to_pq(WHITE) / nits_to_pq(SCREEN)
    level, knee = nits_to_pq(light * SCREEN) / top, 1.5 * white - 0.5
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    return (pq_to_nits(np.where(level < knee, level, bent) * top) / WHITE / light).astype(np.float32)


@cache
def _to_code() -> np.ndarray:
    """Of every step of light the standard display's 8-bit code."""
    return np.rint(255 * _ALL ** (2 / GAMMA)).astype(np.uint8)


def pq_to_nits(code: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: code in [0, 1] -> cd/m2."""
    power = np.asarray(code) ** (32 / 2523)
    return 10000 * (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)


def nits_to_pq(nits: np.ndarray) -> np.ndarray:
    power = (np.asarray(nits) / 10000) ** (1305 / 8192)
    return ((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
